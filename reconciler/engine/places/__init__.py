"""Where things run: `grounds` has each host's runtimes, `leases` says whether it is ours, `residents` who is there."""

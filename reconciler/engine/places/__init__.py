"""Where things run: `grounds` has each host's runtimes, `survey` asks another machine for all that they want to know,
`leases` says whether it is ours, `residents` who is there.
"""

"""Port-forwards: from words to `ways`, those that stay as `services`, many of them in a `file`, and their `verbs`."""

"""What can be answered before anything else is imported, for that is most of what a command takes.

`overview` tells of the verbs, `daemon_status` has a daemon say the status, `apply_again` reads in the `note` of the
last apply that nothing is to be done. Each takes the long way where it is not certain.
"""

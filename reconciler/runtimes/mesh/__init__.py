"""A host's part of a WireGuard mesh: `scripts` is all that runs there, `listing` reads what it tells, `runtime` has the
verbs. The private key is made there, and stays.
"""

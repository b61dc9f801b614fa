"""How resources are made real. Each observes, and has five verbs.

`docker`: containers, networks, volumes, on whichever engine. `process`: native ones here; `remote`: on other hosts.
`mesh`: a host's part of WireGuard. `memory` is a value, for tests and previews.
"""

"""Running campaigns to their end, one run at a time, in such a way that nothing is lost or left when we are killed.

A run is an instance like any other: detached, labelled, ours by its name. So a run goes on when its controller is
killed, and the next controller finds it: `records` says what was begun, one look at the world says how it stands.
"""

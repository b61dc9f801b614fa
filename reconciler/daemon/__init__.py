"""The loop as a process of its own: one for each home, detached, answering on the home's socket."""

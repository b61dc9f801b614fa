"""The loop as a process of its own: one for each home, detached, answering on the home's socket.

`launch` starts and ends it, `run` is what it does, under its `lock`, hearing `signals`; `answers` are for callers.
"""

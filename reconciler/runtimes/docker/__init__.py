"""Containers, networks and volumes on a Docker engine.

Reads go over the bare socket (`wire`), writes through the client library (`connection`), which is imported by the
first write. `read` and `write` are pure: the engine's JSON as observations, payloads as the engine's JSON.
"""

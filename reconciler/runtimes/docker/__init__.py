"""Containers, networks and volumes on a Docker engine.

Questions and changes go over the bare socket (`wire`), pulls through the client library (`connection`), which is
imported by the first of them. `read` and `write` are pure: the engine's JSON as observations, payloads as the
engine's JSON.
"""

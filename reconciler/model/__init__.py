"""Frozen data, and nothing else: no I/O, no clock, no library beyond the standard one.

`resource` is what was written, `desired` what is to be made of it, `observed` what is there, `plan` what is to be done,
`status` what is told; each by its `key`, at its `place`, with its `labels`.
"""

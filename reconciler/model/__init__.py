"""Frozen data, and nothing else: no I/O, no clock, no library beyond the standard one."""

"""Machines: run argument lists, read and write files, tell facts."""

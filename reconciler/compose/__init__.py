"""Compose files read as Compose reads them, and what of them can be declared here. No file is opened in this room."""

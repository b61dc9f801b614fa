"""Compose files read as Compose reads them, and what of them can be declared here. No file is opened in this room.

`gather` makes one tree of a project's files: `reading`, `variables`, `plain` spellings, `merge`. `project` makes
documents of it: `fields` says what becomes of each key, `services`, `running`, `mounts`, `networks`, `ports` and
`environment` translate, the `desk` has what is wrong.
"""

"""Which verbs there are, by group, with one line each: all that `--help` and completion need to know.

A table, so that neither of them imports a verb; a test holds it against the verbs' own words.
"""

from __future__ import annotations

GROUPS: dict[str, dict[str, str]] = {
    "Change": {
        "apply": "Make the world what the specs say, and wait until it is.",
        "delete": "Take things down, users before what they use.",
    },
    "Look": {
        "status": "Show everything at a glance.",
        "get": "List resources, with how they stand.",
        "diff": "Show what apply would do, field by field, and do nothing.",
    },
    "Reach in": {},
    "Write specs": {
        "init": "Write a starter spec that works.",
        "validate": "Check specs without touching anything.",
        "explain": "Describe a kind or a field.",
        "schema": "Print JSON Schema, for editors and checks.",
    },
    "Other": {
        "doctor": "Check what this machine offers, and show the settings.",
        "completion": "Print or install shell completion.",
        "version": "Print the version.",
    },
}

SUMMARIES: dict[str, str] = {verb: summary for group in GROUPS.values() for verb, summary in group.items()}

"""Which code this is, as far as it decides what specs mean. What was remembered under another one is forgotten.

The version alone would not do for who works on the code itself, or runs it from a checkout.
"""

from __future__ import annotations

import os
import sys

import reconciler

FOLDERS = (
    "", "cli", "cli/shortcuts", "core", "engine", "engine/gitops", "engine/places", "engine/probes", "kinds", "model",
    "runtimes/docker", "sources",
)  # fmt: skip
"""A file that is replaced changes its directory's time."""


def code() -> dict[str, str | int]:
    package = os.path.dirname(reconciler.__file__)  # noqa: PTH120 -- asked by those who can't afford pathlib
    found = {name: os.stat(os.path.join(package, name)).st_mtime_ns for name in FOLDERS}  # noqa: PTH116, PTH118
    return {"version": reconciler.__version__, "python": sys.version, **found}

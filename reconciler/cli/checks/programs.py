from __future__ import annotations

import os


def found_at(name: str) -> str | None:
    """Where PATH has a program. Not shutil.which, which drags the compression libraries in."""
    for directory in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(directory or ".", name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None

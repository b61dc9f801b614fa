"""Whether there is any room left where we write."""

from __future__ import annotations

import os


def is_full(directory: str) -> bool:
    """Of bytes or of files. What can't be looked at is another trouble, and told where it is met."""
    try:
        facts = os.statvfs(directory)
    except OSError:
        return False
    return facts.f_bavail == 0 or (facts.f_files > 0 and facts.f_favail == 0)

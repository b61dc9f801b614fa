from __future__ import annotations

from enum import StrEnum

from reconciler.values import dataclass


class Level(StrEnum):
    OK = "ok"
    INFO = "info"
    """Neither good nor bad."""
    WARNING = "warning"
    """Something will not work, or not well."""
    FAILED = "failed"
    """Nothing of its group will work."""


@dataclass(frozen=True, slots=True)
class Finding:
    group: str
    name: str
    level: Level
    message: str
    hint: str = ""

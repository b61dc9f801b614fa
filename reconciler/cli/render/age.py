"""How long ago, in the two largest units that matter: 5s, 3m12s, 4h, 2d3h, 90d."""

from __future__ import annotations

MINUTE, HOUR, DAY = 60, 3600, 86400
YEAR = 365 * DAY


def age(seconds: float | None) -> str:
    """As kubectl writes it: the younger, the finer. None, for what never began, is `-`."""
    if seconds is None:
        return "-"
    whole = max(int(seconds), 0)  # a clock that was set back makes nothing younger than now
    if whole < 2 * MINUTE:
        return f"{whole}s"
    if whole < 10 * MINUTE:
        return _pair(whole, MINUTE, "m", 1, "s")
    if whole < 3 * HOUR:
        return f"{whole // MINUTE}m"
    if whole < 8 * HOUR:
        return _pair(whole, HOUR, "h", MINUTE, "m")
    if whole < 2 * DAY:
        return f"{whole // HOUR}h"
    if whole < 8 * DAY:
        return _pair(whole, DAY, "d", HOUR, "h")
    if whole < 2 * YEAR:
        return f"{whole // DAY}d"
    return _pair(whole, YEAR, "y", DAY, "d")


def _pair(whole: int, large: int, large_name: str, small: int, small_name: str) -> str:
    count, rest = divmod(whole, large)
    return f"{count}{large_name}{rest // small}{small_name}" if rest // small else f"{count}{large_name}"

"""Spans and moments as people type them: 30s, 1m30s, 90, 2d; 2026-11-21T02:05:10Z."""

from __future__ import annotations

import math
import re
from datetime import datetime

import click

from reconciler.errors import UsageError

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|w)")
BARE = re.compile(r"[0-9]+(?:\.[0-9]+)?")
EXAMPLES = "30s, 1m30s, 2h, or a number of seconds"


def duration(text: str) -> float:
    """The value of an option, in seconds."""
    found = seconds(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is not a span of time, like {EXAMPLES}")
    return found


def seconds(text: str) -> float | None:
    """None for what is no span of time."""
    if BARE.fullmatch(text):
        return float(text)
    parts = PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return math.fsum(float(number) * UNITS[unit] for number, unit in parts)


def moment(text: str, now: float) -> float:
    """A span before now, or a point in time (without a zone: this machine's own), as seconds since 1970."""
    span = seconds(text)
    if span is not None:
        return now - span
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise UsageError(
            f"{text!r} is neither a span of time nor a moment", hint=f"like {EXAMPLES}, or 2026-11-21T02:05:10Z"
        ) from None

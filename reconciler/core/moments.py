"""Moments as scripts read them."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(at: float | None, exact_to: str = "seconds") -> str | None:
    """RFC 3339 in UTC, as Kubernetes writes it; None stays None. `exact_to` as datetime's `timespec`."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec=exact_to).replace("+00:00", "Z")

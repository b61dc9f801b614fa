"""Amounts as Kubernetes writes them: 256Mi, 2Gi, 500M, 1024."""

from __future__ import annotations

UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def bytes_of(text: str) -> int | None:
    """The number of bytes; None if the text is no amount."""
    number = text.rstrip("kKMGTi")
    unit = text[len(number) :]
    try:
        amount = float(number) * UNITS[unit]
    except (KeyError, ValueError):
        return None
    return int(amount) if 0 < amount < 2**62 else None

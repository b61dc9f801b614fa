"""What a machine's own tools said last. Anybody may have written that."""

from __future__ import annotations

MOST = 300


def last_line(output: bytes, otherwise: object = "") -> str:
    """One harmless line, of a length to be read."""
    line = output[-(1 << 16) :].decode(errors="replace").strip().rpartition("\n")[2]
    return "".join(c if c.isprintable() else " " for c in line).strip()[:MOST] or str(otherwise)

"""A question to whoever sits there."""

from __future__ import annotations

from reconciler.cli.context import Context
from reconciler.cli.render.text import clean


def agreed(context: Context, question: str) -> bool:
    """No, unless somebody says yes. Who sits nowhere is not asked."""
    if not context.stdin.isatty():
        return False
    print(f"{clean(question)} [y/N] ", end="", file=context.stderr, flush=True)
    return context.stdin.readline().decode(errors="replace").strip().lower() in ("y", "yes")

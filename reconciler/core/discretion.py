"""Lines of a spec text that no message ever quotes: those of a Secret, and of what may have been meant as one."""

from __future__ import annotations

import difflib
import re
from typing import Final

from reconciler.core.sheet import Sheet
from reconciler.core.yaml12 import Listing, Loaded, Node, Scalar, Table
from reconciler.kinds import KINDS

_MENTIONS_SECRET: Final = re.compile(rb"(?i)kind\W{1,6}\w{0,8}sec")


def hide_secrets(sheet: Sheet, loaded: Loaded, content: bytes) -> None:
    for node in loaded.documents:
        if _discreet(node):
            sheet.hide(node.line, node.end)
    if loaded.flaws and _MENTIONS_SECRET.search(content):
        sheet.hide(1 + max((node.end for node in loaded.documents), default=0), len(loaded.lines))


def _discreet(node: Node) -> bool:
    """Whether a document is, may be, or holds a Secret, so that no line of it may be quoted."""
    if not isinstance(node, Table):
        return False
    named = node.get("kind")
    kind = named.text if isinstance(named, Scalar) else ""
    if kind == "List":
        items = node.get("items")
        return isinstance(items, Listing) and any(_discreet(item) for item in items.items)
    return (kind not in KINDS and _like_secret(kind, node)) or kind == "Secret"


def _like_secret(kind: str, node: Table) -> bool:
    if not kind:
        return "spec" in node.entries or "data" in node.entries
    return "secret" in kind.lower() or difflib.SequenceMatcher(None, kind.lower(), "secret").ratio() > 0.7

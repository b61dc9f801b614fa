"""Which files are Compose's. Asked of every spec file that is read, so nothing else is imported for it."""

from __future__ import annotations

import re

_GROUPS = re.compile(rb"""(?m)^(services|include)\s*:|\A\s*\{(?=[^\0]*"services"\s*:)""")
_OURS = re.compile(rb"""(?m)^["']?(apiVersion|kind)["']?\s*:|\A\s*\{(?=[^\0]*"(apiVersion|kind)"\s*:)""")


def is_compose(content: bytes) -> bool:
    """By what it holds: services, and nothing that says which kind of document it is. No name of a file counts."""
    return bool(_GROUPS.search(content)) and not says_its_kind(content)


def says_its_kind(content: bytes) -> bool:
    return bool(_OURS.search(content))

"""Label selectors as kubectl takes them: a=b, a==b, a!=b, a, !a; all of them have to hold."""

from __future__ import annotations

import re
from collections.abc import Mapping

from reconciler.errors import UsageError

WORD = r"[A-Za-z0-9._/-]+"
TERM = re.compile(rf"!?\s*{WORD}|{WORD}\s*(==|!=|=)\s*({WORD})?")


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    terms = [term.strip() for term in selector.split(",")]
    if not all(TERM.fullmatch(term) for term in terms):
        raise UsageError(f"-l {selector}: not a selector", hint="like -l app=web,tier!=test")
    return all(_holds(term, labels) for term in terms)


def _holds(term: str, labels: Mapping[str, str]) -> bool:
    if "!=" in term:
        name, _, value = term.partition("!=")
        return labels.get(name.strip()) != value.strip()
    if "=" in term:
        name, _, value = term.partition("=")
        return labels.get(name.strip()) == value.removeprefix("=").strip()
    if term.startswith("!"):
        return term[1:].strip() not in labels
    return term in labels

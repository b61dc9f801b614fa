"""Label selectors as kubectl takes them: a=b, a==b, a!=b, a, !a; all of them have to hold."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.errors import UsageError


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    terms = [term.strip() for term in selector.split(",")]
    if not all(terms):
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

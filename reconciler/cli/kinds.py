"""Kinds and resources as people name them on a command line: services, svc, Service, service/web."""

from __future__ import annotations

from reconciler.errors import UsageError
from reconciler.kinds import KINDS, find
from reconciler.kinds.base import Kind

RUN_ELSEWHERE = frozenset(
    {
        "container", "containers", "po", "pod", "pods", "deploy", "deployment", "deployments", "process", "processes",
        "statefulset", "statefulsets", "sts",
    }
)  # fmt: skip
"""What kubectl and docker call what a Service runs."""


def kind_called(word: str) -> Kind:
    """The kind by any of its names; for anything else an error with a guess."""
    kind = find(word)
    if kind is None:
        raise no_kind(word)
    return kind


def no_kind(word: str, besides: str = "") -> UsageError:
    hint = f"{_guess(word)}the kind comes first, like service/web; kinds are {', '.join(KINDS)}"
    return UsageError(f"no kind is called {word!r}{besides}", hint=hint)


def _guess(word: str) -> str:
    from difflib import get_close_matches

    if word.lower() in RUN_ELSEWHERE:
        return "did you mean services? "
    known = [name for kind in KINDS.values() for name in (kind.key, kind.plural, *kind.short)]
    close = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f"did you mean {close[0]}? " if close else ""

"""Sources that are followed for as long as a loop runs. Each wears a mark: it is none that somebody declared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from reconciler.engine.reconcile import Parts
from reconciler.errors import ReconcilerError
from reconciler.model.key import Key
from reconciler.model.resource import GUEST, Resource
from reconciler.telemetry import Say, get_logger

PATIENCE = 60.0
"""For a command that has the home's lock."""
FAREWELL_SECONDS = 5.0

log = get_logger()


class Taken(ReconcilerError):
    """Somebody declared a Source of that name."""

    reason = "Conflict"


def welcome(parts: Parts, guests: Sequence[Resource]) -> None:
    """Keeps them, and forgets those of a loop that was killed. Raises Taken before anything is done."""
    if not guests and not any(_left(parts)):
        return
    with parts.home.lock(PATIENCE):
        wanted = {guest.key: _numbered(guest, _kept(parts, guest.key)) for guest in guests}
        for key in [key for key in _left(parts) if key not in wanted]:
            parts.source.forget(key)
        parts.source.keep(list(wanted.values()))


def farewell(parts: Parts, guests: Sequence[Resource]) -> None:
    """Without a tombstone: a tombstone takes along what a Source has brought. Who was declared or deleted meanwhile is
    no guest any more.
    """
    mine = {guest.key for guest in guests}
    if not mine & set(_left(parts)):
        return
    try:
        with parts.home.lock(FAREWELL_SECONDS):
            for key in mine & set(_left(parts)):
                parts.source.forget(key)
    except ReconcilerError as error:
        log.warning(Say.NOTE, note=f"what was followed stays kept until a loop runs again: {error.message}")


def _left(parts: Parts) -> Iterator[Key]:
    """All guests that are kept. A namespace that can't be read is told by its pass, and is no reason not to begin."""
    for namespace in parts.source.namespaces():
        try:
            found = parts.source.resources(namespace)
        except ReconcilerError as error:
            log.warning(Say.NOTE, note=error.message)
            continue
        yield from (r.key for r in found if GUEST in r.annotations and not r.deleting)


def _kept(parts: Parts, key: Key) -> Resource | None:
    return next((r for r in parts.source.resources(key.namespace) if r.key == key), None)


def _numbered(guest: Resource, before: Resource | None) -> Resource:
    """As it is to be kept: in nobody's place but its own."""
    if before is not None and GUEST not in before.annotations:
        message = f"{guest.key.short} in namespace {guest.key.namespace} is declared already"
        raise Taken(message, hint="it is followed as it is declared; to follow something else, delete it first")
    marked = replace(guest, annotations={**guest.annotations, GUEST: "true"})
    if before is None:
        return marked
    same = before.spec == guest.spec and not before.deleting
    return replace(marked, generation=before.generation + (0 if same else 1))

"""A host that never comes back: what was deleted there can't be taken down, and would be waited for without an end."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.core.advice import command_line
from reconciler.engine.places.residents import residents
from reconciler.engine.reconcile import Parts
from reconciler.errors import ReconcilerError
from reconciler.kinds.host import host_id
from reconciler.model.key import Key
from reconciler.model.resource import Resource


def to_be_given_up(parts: Parts, namespace: str, name: str) -> tuple[Resource, Sequence[Key]]:
    """The host, and who is being deleted there. What is still declared is nothing to be forgotten in passing."""
    host = _known(parts, namespace, name)
    if not host.deleting:
        hint = f"first: {command_line(host.key, 'delete')}"
        raise ReconcilerError(f"{host.key.short} is declared, so it is not given up", hint=hint)
    there = sorted(set(residents(parts.source, host.key)))
    going = {r.key for space in {key.namespace for key in there} for r in parts.source.resources(space) if r.deleting}
    for key in there:
        if key not in going:
            hint = f"move it to another host, or: {command_line(key, 'delete')}"
            raise ReconcilerError(f"{host.key.short}: {key.short} -n {key.namespace} is declared there", hint=hint)
    return host, there


def give_up(parts: Parts, namespace: str, name: str, *, patience: float) -> list[Key]:
    """Only tombstones go. Should the machine be back one day, what runs there wears our labels, and is an orphan."""
    with parts.home.lock(patience):
        host, there = to_be_given_up(parts, namespace, name)
        gone = [*there, host.key]
        for key in gone:
            parts.source.forget(key)
        for space in {key.namespace for key in gone}:
            journal = parts.store.journal(space)
            parts.store.write_journal({key: None for key in journal if key.resource in gone})
        parts.store.write_statuses(dict.fromkeys(gone))
        parts.leave(host_id(host.key.namespace, host.key.name))
    return gone


def _known(parts: Parts, namespace: str, name: str) -> Resource:
    """Of its own namespace, or everybody's."""
    for space in dict.fromkeys((namespace, "default")):
        for resource in parts.source.resources(space):
            if resource.key == Key("host", space, name):
                return resource
    hint = "see what there is: reconciler host list -A"
    raise ReconcilerError(f'host "{name}" not found in namespace "{namespace}"', hint=hint)

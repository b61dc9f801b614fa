"""Who is declared to run on a host. As long as there is somebody, it is known how to get there: nobody else could take
down what he has there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from reconciler.core.advice import command_line
from reconciler.core.graph import seen_as_service
from reconciler.model.key import Key
from reconciler.model.resource import Resource
from reconciler.ports import Source


def in_turn(keys: Collection[Key]) -> list[str]:
    """The namespaces in which something is deleted, those of hosts last: others have to leave them before."""
    hosts = {key.namespace for key in keys if key.kind == "host"}
    return sorted({key.namespace for key in keys}, key=lambda namespace: (namespace in hosts, namespace))


def needed(source: Source, host: Key) -> bool:
    """By another namespace; of its own one a pass knows more."""
    return any(key.namespace != host.namespace for key in residents(source, host))


def staying(source: Source, deleted: Sequence[Resource]) -> list[str]:
    """Of hosts that were deleted before those who run there, what becomes of them."""
    going = {resource.key for resource in deleted}
    notes = []
    for host in sorted(key for key in going if key.kind == "host"):
        if left := sorted(set(residents(source, host)) - going):
            whose = ", ".join(f"{key.short} -n {key.namespace}" for key in left[:3])
            then = f"move or delete them: {command_line(left[0], 'delete')}"
            run = "runs" if len(left) == 1 else "run"
            notes.append(f"{host.short} stays known, for {whose} still {run} there; {then}")
    return notes


def residents(source: Source, host: Key) -> Iterator[Key]:
    """Those who are being deleted included: they may still be there."""
    for namespace in source.namespaces() if host.namespace == "default" else [host.namespace]:
        kept = source.resources(namespace)
        if namespace == host.namespace or not _has_its_own(host, [*kept, *source.damaged(namespace)]):
            yield from (r.key for r in kept if (spec := seen_as_service(r)) and spec.run_on == host.name)


def _has_its_own(host: Key, kept: Collection[Resource | Key]) -> bool:
    keys = (one if isinstance(one, Key) else one.key for one in kept)
    return any((key.kind, key.name) == (host.kind, host.name) for key in keys)

"""What a Source brought along: each kept document says so itself, in a mark that nobody but a sync writes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from reconciler.core.advice import command_line
from reconciler.model.key import Key
from reconciler.model.resource import SOURCE, Resource
from reconciler.ports import Source


def mark_of(source: Key) -> str:
    return f"{source.namespace}/{source.name}"


def source_of(resource: Resource) -> Key | None:
    """Who brought it; None for what a person applied here."""
    namespace, slash, name = resource.annotations.get(SOURCE, "").partition("/")
    return Key("source", namespace, name) if slash else None


def brought_by(kept: Mapping[Key, Resource], source: Key) -> dict[Key, Resource]:
    """Tombstones are not among them."""
    return {key: r for key, r in kept.items() if not r.deleting and source_of(r) == source}


def all_kept(source: Source) -> dict[Key, Resource]:
    """Of all namespaces, tombstones included."""
    return {r.key: r for namespace in source.namespaces() for r in source.resources(namespace)}


def warnings(source: Source, wanted: Iterable[Resource], going: Collection[Key] = ()) -> list[str]:
    """Of what a person is about to keep though a Source that is followed says otherwise. `going`: Sources that go."""
    kept: dict[str, dict[Key, Resource]] = {}

    def find(key: Key) -> Resource | None:
        if key.namespace not in kept:
            kept[key.namespace] = {r.key: r for r in source.resources(key.namespace) if not r.deleting}
        return kept[key.namespace].get(key)

    notes = []
    for resource in wanted:
        before = find(resource.key)
        owner = source_of(before) if before else None
        follows = find(owner) if owner and owner not in going else None
        if before is None or follows is None or follows.spec.suspend:
            continue
        if resource.deleting or (resource.spec, resource.labels) != (before.spec, before.labels):
            until = f"change it there, or: {command_line(follows.key, 'suspend')}"
            whose = f"{resource.key.short} comes from {follows.key.short}"
            notes.append(f"{whose}, which sets this back at its next look; {until}")
    return notes


def leaving_with(source: Source, gone: Iterable[Resource]) -> list[Resource]:
    """Tombstones of what Sources brought that are deleted themselves, of what Sources among that brought, and so on.
    With `prune: false` everything stays.
    """
    found: dict[Key, Resource] = {}
    owners = _pruning(gone)
    kept = all_kept(source).values() if owners else ()
    while owners:
        more = {r.key: r for r in kept if not r.deleting and r.key not in found and source_of(r) in owners}
        found |= more
        owners = _pruning(more.values())
    return [replace(r, deleting=True) for r in found.values()]


def _pruning(resources: Iterable[Resource]) -> set[Key]:
    return {resource.key for resource in resources if resource.key.kind == "source" and resource.spec.prune}

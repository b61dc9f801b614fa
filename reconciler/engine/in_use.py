"""What somebody is at work on right now is not taken from under his hands by who only tidies up."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from reconciler.core.graph import DEFAULT_NETWORK
from reconciler.engine.reconcile import Parts
from reconciler.kinds import find
from reconciler.model.key import Key
from reconciler.model.resource import Resource


def campaigns(parts: Parts, keys: Collection[Key]) -> list[Key]:
    """Of these, the campaigns whose runs are under way."""
    known = parts.campaigns
    return sorted(key for key in keys if known and key.kind == "campaign" and known.attended(key))


def with_needs(keys: Collection[Key], kept: Mapping[Key, Resource]) -> set[Key]:
    """These, and all that they lean on: without it their runs would fail one after the other."""
    found, left = set(keys), [kept[key] for key in keys if key in kept]
    while left:
        new = [key for key in needs(left.pop()) if key in kept and key not in found]
        found |= set(new)
        left += [kept[key] for key in new]
    return found


def needs(resource: Resource) -> Iterator[Key]:
    """What its document names, and the network of its namespace."""
    kind = find(resource.key.kind)
    assert kind is not None, "what is kept is of a known kind"
    yield Key("network", resource.key.namespace, DEFAULT_NETWORK)
    yield from (Key(need.kind, resource.key.namespace, need.name) for need in kind.needs(resource.spec))

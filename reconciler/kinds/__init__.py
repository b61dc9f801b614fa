"""What can be declared. A new kind is one file here and one line in KINDS."""

from __future__ import annotations

from reconciler.kinds import campaign, config, host, job, network, secret, service, source, volume
from reconciler.kinds.base import Kind

_ALL = (service, job, campaign, network, volume, config, secret, source, host)
KINDS: dict[str, Kind] = {kind.name: kind for kind in (one.KIND for one in _ALL)}


def find(word: str) -> Kind | None:
    """A kind by any of its names, in any case: Service, services, svc."""
    wanted = word.lower()
    for kind in KINDS.values():
        if wanted in (kind.key, kind.plural, *kind.short):
            return kind
    return None

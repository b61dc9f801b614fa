"""Names of things: `service/shop/web`, and of its instances: `service/shop/web/0`."""

from __future__ import annotations

from reconciler.values import dataclass

WORKLOADS = frozenset({"service", "job", "campaign"})
"""Kinds whose instances run something. They share one space of names in a namespace, for so they do on an engine."""


@dataclass(frozen=True, slots=True)
class Key:
    """A resource, or with an index one instance of it. Compares by namespace, kind, name, then index."""

    kind: str
    namespace: str
    name: str
    index: int | None = None

    def __str__(self) -> str:
        base = f"{self.kind}/{self.namespace}/{self.name}"
        return base if self.index is None else f"{base}/{self.index}"

    def __lt__(self, other: Key) -> bool:
        return self._order < other._order

    @property
    def _order(self) -> tuple[str, str, str, int]:
        return (self.namespace, self.kind, self.name, -1 if self.index is None else self.index)

    @property
    def resource(self) -> Key:
        return self if self.index is None else Key(self.kind, self.namespace, self.name)

    @property
    def is_workload(self) -> bool:
        return self.kind in WORKLOADS

    @property
    def short(self) -> str:
        """What a person reads: `service/web`, without the namespace."""
        return f"{self.kind}/{self.name}"

    @property
    def engine_name(self) -> str:
        """The deterministic name on the engine: a host-wide mutex, free of charge."""
        base = f"{self.namespace}-{self.name}"
        return base if self.index is None else f"{base}-{self.index}"

    def instance(self, index: int) -> Key:
        return Key(self.kind, self.namespace, self.name, index)

    @classmethod
    def parse(cls, text: str) -> Key:
        parts = text.split("/")
        index = int(parts[3]) if len(parts) == 4 else None
        kind, namespace, name = parts[:3]
        return cls(kind, namespace, name, index)

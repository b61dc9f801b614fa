"""What a verb that changes things has to say at its end: values, for `render` to print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model.key import Key
from reconciler.model.plan import Action, Wait
from reconciler.model.status import Status


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is not as it should be: whose, why, and what the workload itself said last."""

    key: Key
    reason: str
    message: str
    hint: str = ""
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """`results` maps resources to created, configured, unchanged, pruned or deleted."""

    settled: bool
    actions: tuple[Action, ...] = ()
    waits: tuple[Wait, ...] = ()
    results: Mapping[Key, str] = field(default_factory=dict)
    troubles: tuple[Trouble, ...] = ()
    statuses: Mapping[Key, Status] = field(default_factory=dict)
    timed_out: bool = False
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.settled and not self.troubles

    def as_json(self) -> dict[str, object]:
        return {
            "settled": self.settled,
            "actions": [{"key": str(a.key), "verb": str(a.verb), "cause": a.cause} for a in self.actions],
            "waits": [{"key": str(w.key), "reason": str(w.reason), "message": w.message} for w in self.waits],
            "resources": [{"key": str(key), "result": self.results[key]} for key in sorted(self.results)],
        }

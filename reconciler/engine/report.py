"""What a verb that changes things has to say at its end: values, for `render` to print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from reconciler.core.graph import Graph
from reconciler.core.summarize import PASSING
from reconciler.model.key import Key
from reconciler.model.observed import Snapshot
from reconciler.model.plan import Action, Plan, Wait
from reconciler.model.resource import Resource
from reconciler.model.status import Status
from reconciler.values import dataclass


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
        return as_json(self.settled, self.actions, self.waits, self.results)


@dataclass(frozen=True, slots=True)
class Change:
    """A document that would be kept in place of another one."""

    before: Resource | None
    after: Resource


@dataclass(frozen=True, slots=True)
class Foresight:
    """What would happen to one namespace, wave by wave, if all went well."""

    graph: Graph
    snapshot: Snapshot
    waves: tuple[Plan, ...]
    results: Mapping[Key, str] = field(default_factory=dict)
    changes: Mapping[Key, Change] = field(default_factory=dict)

    @property
    def actions(self) -> tuple[Action, ...]:
        return tuple(action for wave in self.waves for action in wave.actions)

    @property
    def waits(self) -> tuple[Wait, ...]:
        """What would still be waited for at the end, and what needs a person now."""
        now = [wait for wait in self.waves[0].waits if wait.reason not in PASSING]
        end = [wait for wait in self.waves[-1].waits if wait not in now]
        return (*now, *end)

    @property
    def same(self) -> bool:
        return not self.actions and not self.waits and all(word == "unchanged" for word in self.results.values())


def as_json(
    settled: bool, actions: Iterable[Action], waits: Iterable[Wait], results: Mapping[Key, str]
) -> dict[str, object]:
    """The shape that scripts rely on, of `apply`, `diff` and `delete` alike."""
    return {
        "settled": settled,
        "actions": [{"key": str(a.key), "verb": str(a.verb), "cause": a.cause} for a in actions],
        "waits": [{"key": str(w.key), "reason": str(w.reason), "message": w.message} for w in waits],
        "resources": [{"key": str(key), "result": results[key]} for key in sorted(results)],
    }

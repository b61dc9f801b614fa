"""What we think of the world, told to people and scripts. An opinion about one snapshot; it decides nothing."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from reconciler.model.key import Key
from reconciler.model.observed import Observed
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    type: str
    """Ready, Progressing, Healthy or Drifted; of a Job, Complete and Failed as well."""
    status: str
    """True, False or Unknown."""
    reason: str
    message: str = ""
    observed_generation: int = 0
    last_transition_time: float = 0.0

    @classmethod
    def of(cls, kind: str, holds: bool, reason: str, message: str = "") -> Condition:
        return cls(type=kind, status="True" if holds else "False", reason=str(reason), message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    name: str
    host: str
    port: int
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    index: int
    id: str
    host: str
    runtime: str
    phase: str
    ready: bool
    restarts: int = 0
    pid: int | None = None
    ports: dict[str, int] = field(default_factory=dict)
    started_at: float | None = None
    fingerprint: str = ""
    exit_code: int | None = None

    @classmethod
    def of(cls, key: Key, seen: Observed, *, phase: str, ready: bool, restarts: int) -> Instance:
        return cls(
            index=key.index or 0, id=seen.id, host=seen.host.removeprefix(f"{key.namespace}/"), runtime=seen.runtime,
            phase=phase, ready=ready, restarts=restarts, pid=seen.pid,
            ports={name: grant.port for name, grant in sorted(seen.grants.items())},
            started_at=seen.started_at, fingerprint=seen.fingerprint, exit_code=seen.exit_code,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A revision of a Source that was put into force."""

    revision: str
    time: float = 0.0
    """When that was, in seconds since 1970."""
    author: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """What another machine said about itself, when it was last heard."""

    os: str = ""
    kernel: str = ""
    arch: str = ""
    user: str = ""
    engine: str = ""
    """Which one answered, and its version; empty for none."""
    cgroups: str = ""
    wg: str = ""
    """kernel, wireguard-go or none."""
    boot_id: str = ""
    clock_skew: float = 0.0
    """By how many seconds its clock is ahead of ours."""
    held_by: str = ""
    """Who looks after it, where that is another installation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    observed_generation: int = 0
    replicas: int = 0
    ready_replicas: int = 0
    updated_replicas: int = 0
    endpoints: tuple[Endpoint, ...] = ()
    instances: tuple[Instance, ...] = ()
    conditions: tuple[Condition, ...] = ()
    attempts: int | None = None
    """Of a Job: how often it was tried, since it was declared so or was last due."""
    completed_at: float | None = None
    next_run: float | None = None
    """Of a Job with a schedule."""
    revisions: tuple[Arrival, ...] = ()
    """Of a Source: the last few, newest first; the first one is in force."""
    host: HostStatus | None = None
    """Of a Host that has been heard."""

    @property
    def revision(self) -> str:
        return self.revisions[0].revision if self.revisions else ""

    def condition(self, kind: str) -> Condition | None:
        return next((condition for condition in self.conditions if condition.type == kind), None)

    @classmethod
    def of_tree(cls, tree: dict[str, Any]) -> Status:
        """From what `asdict` made of one."""
        return cls(
            **{
                **tree,
                "endpoints": tuple(Endpoint(**item) for item in tree["endpoints"]),
                "instances": tuple(Instance(**item) for item in tree["instances"]),
                "conditions": tuple(Condition(**item) for item in tree["conditions"]),
                "revisions": tuple(Arrival(**item) for item in tree.get("revisions", ())),
                "host": HostStatus(**tree["host"]) if tree.get("host") else None,
            }
        )

    @property
    def ready(self) -> bool:
        condition = self.condition("Ready")
        return condition is not None and condition.status == "True"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something worth telling. `type` is Normal or Warning; repeated ones are counted, not listed."""

    time: float
    type: str
    reason: str
    key: Key
    message: str
    count: int = 1
    first_time: float | None = None
    """When it began, of one that was counted; `time` is when it was last."""

    @property
    def began(self) -> float:
        return self.time if self.first_time is None else self.first_time

    def as_json(self) -> dict[str, Any]:
        return {
            "time": self.time,
            "type": self.type,
            "reason": self.reason,
            "key": str(self.key),
            "message": self.message,
            "count": self.count,
        }

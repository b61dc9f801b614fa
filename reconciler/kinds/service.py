"""Service: a container or a native process that is to run, in so many replicas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import Annotated, Literal

from reconciler.kinds import attach
from reconciler.kinds.attach import AttachTo
from reconciler.kinds.base import EDGE, Fault, Kind, Need, Seconds
from reconciler.kinds.beside import anchor, paths, trees
from reconciler.kinds.limits import Ge, Le
from reconciler.kinds.probes import Probes, probe_faults
from reconciler.kinds.workload import (
    Container,
    EnvFrom,
    Port,
    Process,
    Resources,
    Stopping,
    VolumeMount,
    port_faults,
    port_range,
    workload_faults,
    workload_needs,
)
from reconciler.model.place import LOCAL, Place, place
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """What happens when it ends by itself."""

    __pydantic_config__ = EDGE

    policy: Literal["Always", "OnFailure", "Never"] = "Always"
    """Always, OnFailure (an exit code other than 0), or Never."""
    initial_seconds: Seconds = 1.0
    """Pause before the first restart; doubled with each one that follows."""
    max_seconds: Seconds = 300.0
    """The longest pause."""
    reset_after_seconds: Seconds = 600.0
    """After so long without trouble the pause starts small again."""
    by: Literal["reconciler", "engine"] = "reconciler"
    """Who restarts. `engine` hands it to the container engine, which keeps no order and no back-off of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """How a change reaches several replicas."""

    __pydantic_config__ = EDGE

    strategy: Literal["RollingUpdate", "Recreate"] = "RollingUpdate"
    """RollingUpdate replaces a few at a time and waits until they are Ready; with Recreate all old ones leave first."""
    max_surge: Annotated[int, Ge(0)] | None = None
    """How many new ones may run beside the old ones, so that a new one serves before an old one goes. By default 1, but
    0 for what has neither ports nor probes, where old and new would write to one volume or hostPath, where
    restart.policy is not Always, and for a process that is not told its ports by ${ports.NAME}: what may run beside its
    like says so here. Ports decide in any case: with a hostPort that is a fixed number, or a range with no number left,
    an old one goes first."""
    max_unavailable: Annotated[int, Ge(0)] = 0
    """How many replicas may be away at once. Where no new one can come first it is 1 at least."""
    min_ready_seconds: Seconds = 0.0
    """How long a new replica must have been Ready, without a break, before it counts and the next one is replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Another service that has to be there first."""

    __pydantic_config__ = EDGE

    service: str
    """Its name, in the same namespace."""
    condition: Literal["Ready", "Started", "Completed"] = "Ready"
    """How far it has to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """A container or a native process that is kept running."""

    __pydantic_config__ = EDGE

    replicas: Annotated[int, Ge(0), Le(1000)] = 1
    """How many run; 0 means stopped, data kept."""
    auto_start: bool = True
    """Whether apply starts it. With false it is declared and waits for `start`; an apply leaves it as people did."""
    run_on: str = LOCAL
    """The machine it runs on: a Host's name, or local."""
    container: Container | None = None
    """Run it as a container. Exactly one of container and process."""
    process: Process | None = None
    """Run it as a native process. Exactly one of container and process."""
    attach_to: AttachTo | None = None
    """In place of both: something that others run already. It is watched, probed and found by its name like any
    other, and never started, stopped, changed or removed."""
    env: dict[str, str] = field(default_factory=dict)
    """Environment variables. Values may refer to others: ${db.addr}, ${ports.http}."""
    env_from: tuple[EnvFrom, ...] = ()
    """Variables from files, Configs and Secrets; a change of their content restarts the service."""
    ports: tuple[Port, ...] = ()
    """Ports on which it listens."""
    volumes: tuple[VolumeMount, ...] = ()
    """What lies in its file system beside the image."""
    probes: Probes = field(default_factory=Probes)
    """How to find out whether it works."""
    restart: Restart = field(default_factory=Restart)
    """What happens when it ends by itself."""
    stop: Stopping = field(default_factory=Stopping)
    """How it is asked to end."""
    update: Update = field(default_factory=Update)
    """How a change reaches several replicas."""
    depends_on: tuple[str | Dependency, ...] = ()
    """What has to be there first: a name (a service has to be Ready, a job Completed), or {service, condition}."""
    resources: Resources = field(default_factory=Resources)
    """Limits."""

    @property
    def runtime(self) -> str:
        return "process" if self.process or (self.attach_to and self.attach_to.process) else "docker"

    @property
    def place(self) -> Place:
        """As long as nobody but a Graph has to say which host is meant."""
        return place(self.runtime, self.run_on)

    @property
    def dependencies(self) -> tuple[Dependency, ...]:
        return dependencies(self.depends_on)

    def port(self, name: str) -> Port | None:
        return next((port for port in self.ports if port.label == name), None)


def faults(spec: ServiceSpec) -> Iterator[Fault]:
    if spec.attach_to:
        yield from attach.faults(spec)
        yield from port_faults(spec)
        yield from probe_faults(spec.probes, ("probes",), {port.label for port in spec.ports})
        return
    yield from workload_faults(spec)
    if spec.restart.by == "engine" and spec.process:
        yield Fault(("restart", "by"), "a native process has no engine to restart it", "use by: reconciler")
    yield from _replica_faults(spec)
    yield from _update_faults(spec.update)
    yield from dependency_faults(spec)
    yield from probe_faults(spec.probes, ("probes",), {port.label for port in spec.ports})


def _replica_faults(spec: ServiceSpec) -> Iterator[Fault]:
    """Each replica needs a host port of its own."""
    for i, port in enumerate(spec.ports):
        bounds = port_range(port.host_port) if isinstance(port.host_port, str) else None
        if bounds and bounds[1] - bounds[0] + 1 < spec.replicas:
            message = f"{port.host_port} has fewer ports than there are replicas ({spec.replicas})"
            yield Fault(("ports", i, "hostPort"), message, "widen the range")
        elif isinstance(port.host_port, int) and spec.replicas > 1 and port.on_conflict != "reassign":
            yield Fault(
                ("ports", i, "hostPort"),
                f"{spec.replicas} replicas can't share host port {port.host_port}",
                f'use a range like "{port.host_port}-{port.host_port + 9}", auto, or onConflict: reassign',
            )


def _update_faults(update: Update) -> Iterator[Fault]:
    if update.strategy == "RollingUpdate" and update.max_surge == 0 and update.max_unavailable == 0:
        yield Fault(
            ("update", "maxSurge"),
            "with maxSurge 0 and maxUnavailable 0 nothing could ever be replaced",
            "set maxUnavailable: 1, or leave maxSurge out",
        )


def dependency_faults(spec: ServiceSpec) -> Iterator[Fault]:
    seen: set[str] = set()
    for i, dependency in enumerate(spec.dependencies):
        if dependency.service in seen:
            yield Fault(("dependsOn", i), f"{dependency.service} is named twice", "remove one of the two")
        seen.add(dependency.service)


def dependencies(items: Iterable[str | Dependency]) -> tuple[Dependency, ...]:
    return tuple(Dependency(service=item) if isinstance(item, str) else item for item in items)


def dependency_needs(items: Iterable[str | Dependency]) -> Iterator[Need]:
    for i, dependency in enumerate(dependencies(items)):
        yield Need("service", dependency.service, ("dependsOn", i))


def needs(spec: ServiceSpec) -> Iterator[Need]:
    yield from dependency_needs(spec.depends_on)
    yield from workload_needs(spec)


KIND = Kind(
    name="Service",
    plural="services",
    short=("svc",),
    spec=ServiceSpec,
    summary="A container or a native process that is kept running.",
    faults=faults,
    needs=needs,
    anchor=anchor,
    paths=paths,
    trees=trees,
    as_service=lambda spec: spec,
    example="""\
apiVersion: reconciler/v1
kind: Service
metadata: {name: web}
spec:
  process: {command: [python3, -m, http.server, "${ports.http}"]}
  ports: [{name: http}]
  probes: {readiness: {httpGet: {port: http}}}
""",
)

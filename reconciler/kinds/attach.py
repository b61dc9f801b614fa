"""Something that runs already, whoever has started it: looked at, and never touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated

from reconciler.kinds.base import EDGE, Fault, camel
from reconciler.kinds.limits import Ge
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.kinds.service import ServiceSpec

TOLD = frozenset({"run_on", "attach_to", "ports", "probes"})
"""All else would be for who starts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningProcess:
    """Which process: exactly one of pid, name and pidFile."""

    __pydantic_config__ = EDGE

    pid: Annotated[int, Ge(1)] | None = None
    """Its number. That of another one some day, so a pidFile or a name is better."""
    name: str = ""
    """Its name, as `ps -o comm` shows it. Of several of that name the one counts that the others were started by."""
    pid_file: str = ""
    """The file in which it keeps its number; an absolute path."""

    def __str__(self) -> str:
        if self.pid_file:
            return f"the process that {self.pid_file} names"
        return f"process {self.name}" if self.name else f"process {self.pid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachTo:
    """What runs already: exactly one of container and process."""

    __pydantic_config__ = EDGE

    container: str = ""
    """Name of a container that others run, or its id."""
    process: RunningProcess | None = None
    """A process that others run."""

    def __str__(self) -> str:
        return f"container {self.container}" if self.container else str(self.process)


def faults(spec: ServiceSpec) -> Iterator[Fault]:
    """Of a service that is attached to something."""
    assert spec.attach_to, "asked before"
    yield from _target_faults(spec.attach_to)
    without = type(spec)()
    for name in (field.name for field in fields(spec)):
        if name not in TOLD and getattr(spec, name) != getattr(without, name):
            message = f"{spec.attach_to} is run by others, and {camel(name)} would change nothing about it"
            yield Fault((camel(name),), message, "leave it out, or leave attachTo out and have it run here")
    for i, port in enumerate(spec.ports):
        if port.port is None:
            yield Fault(("ports", i), "the port on which it listens has to be said", "add port: 80")
        if port.host_port != "auto":
            message = "nothing is published here: where a container is published is seen by itself"
            yield Fault(("ports", i, "hostPort"), message, "leave hostPort out; a process says port: 8080")
    for role in ("startup", "readiness", "liveness") if spec.attach_to.process else ():
        probe = getattr(spec.probes, role)
        if probe and (probe.exec or probe.log):
            message = "nothing can be run inside of a process of others, and nobody has its output"
            yield Fault(("probes", role), message, "ask it with httpGet or tcpSocket")


def _target_faults(target: AttachTo) -> Iterator[Fault]:
    path = ("attachTo",)
    if bool(target.container) == bool(target.process):
        given = "both are given" if target.container else "neither is given"
        yield Fault(path, f"exactly one of container and process is needed: {given}", "like container: db")
    if target.process:
        process = target.process
        if sum((process.pid is not None, bool(process.name), bool(process.pid_file))) != 1:
            yield Fault((*path, "process"), "exactly one of pid, name and pidFile is needed", "like name: postgres")
        if process.pid_file and not process.pid_file.startswith("/"):
            yield Fault((*path, "process", "pidFile"), "it has to be an absolute path", "like /run/nginx.pid")

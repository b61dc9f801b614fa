"""Job: a container or a native process that is to run to its end: once, by a schedule, or inside of a service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field, replace
from typing import Annotated, Any, Literal

from reconciler.kinds.base import EDGE, Argv, Fault, Kind, Need, Seconds, camel
from reconciler.kinds.beside import anchor, paths, trees
from reconciler.kinds.limits import Ge, Le
from reconciler.kinds.service import (
    Dependency,
    Restart,
    ServiceSpec,
    Update,
    dependencies,
    dependency_faults,
    dependency_needs,
)  # fmt: skip
from reconciler.kinds.workload import (
    Container,
    EnvFrom,
    Port,
    Process,
    Resources,
    Stopping,
    VolumeMount,
    workload_faults,
    workload_needs,
)
from reconciler.model.place import LOCAL
from reconciler.values import dataclass

SERVICE = "service/"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """A container or a native process that runs to its end."""

    __pydantic_config__ = EDGE

    run_on: str = LOCAL
    """The machine it runs on."""
    container: Container | None = None
    """Run it as a container. Exactly one of container, process and in."""
    process: Process | None = None
    """Run it as a native process. Exactly one of container, process and in."""
    in_: str = ""
    """Run `command` inside of a service that runs, like service/trainer: its first instance. One that does not run is
    started first. Exactly one of container, process and in."""
    command: Argv | None = None
    """With `in`: program and arguments. A list; no shell is involved. `process: {command}` says the same."""
    env: dict[str, str] = field(default_factory=dict)
    """Environment variables. Values may refer to others: ${db.addr}, ${ports.http}."""
    env_from: tuple[EnvFrom, ...] = ()
    """Variables from files, Configs and Secrets; a change of their content runs the job once more."""
    ports: tuple[Port, ...] = ()
    """Ports on which it listens while it runs."""
    volumes: tuple[VolumeMount, ...] = ()
    """What lies in its file system beside the image."""
    stop: Stopping = field(default_factory=Stopping)
    """How it is asked to end, when it is stopped or has no more time."""
    depends_on: tuple[str | Dependency, ...] = ()
    """What has to be there first: a name (a service has to be Ready, a job Completed), or {service, condition}."""
    resources: Resources = field(default_factory=Resources)
    """Limits."""
    retries: Annotated[int, Ge(0), Le(100)] = 0
    """How often it is tried again after it failed: with an exit code other than 0, or for want of time."""
    timeout_seconds: Annotated[float, Ge(0.1), Le(86400 * 365)] | None = None
    """How long one try may take; then it is stopped, and has failed. By default as long as it likes."""
    ttl_seconds_after_finished: Seconds | None = None
    """After so long what is left of it is removed, its log kept as the previous one. By default it stays."""
    schedule: str = ""
    """When to run, as cron has it: minute, hour, day, month and day of the week, like "*/5 * * * *", or @daily.
    Without one it runs once, and again when it is declared differently."""
    time_zone: str = "UTC"
    """Whose clocks the schedule goes by, like Europe/Berlin."""
    missed_runs: Literal["Once", "Skip"] = "Once"
    """What was due while nobody looked: Once runs it once, for the last one of these; Skip waits for the next one."""
    suspend: bool = False
    """Whether nothing is to be run for now; what runs is stopped. `stop` and `start` set it."""

    @property
    def runtime(self) -> str:
        return "process" if self.process or self.in_ else "docker"

    @property
    def replicas(self) -> int:
        """How many there are at once."""
        return 0 if self.suspend else 1

    @property
    def argv(self) -> tuple[str, ...]:
        """What is run inside of the service."""
        return self.command or (self.process.command if self.process else ())

    @property
    def inside(self) -> str:
        """The name of the service in which it runs; empty when it runs by itself."""
        return self.in_.removeprefix(SERVICE)


def as_service(spec: JobSpec) -> ServiceSpec:
    """What all of those see that render, place and look at instances: there is one, and it ends."""
    process = Process(command=spec.argv or ("",)) if spec.in_ else spec.process
    return ServiceSpec(
        run_on=spec.run_on, container=spec.container, process=process, env=spec.env, env_from=spec.env_from,
        ports=spec.ports, volumes=spec.volumes, stop=spec.stop, depends_on=_depends_on(spec), resources=spec.resources,
        restart=Restart(policy="OnFailure" if spec.retries else "Never"), update=Update(strategy="Recreate"),
    )  # fmt: skip


def _depends_on(spec: JobSpec) -> tuple[str | Dependency, ...]:
    """Who runs inside of another one has to find it there."""
    named = {dependency.service for dependency in dependencies(spec.depends_on)}
    if not spec.in_ or spec.inside in named:
        return spec.depends_on
    return (*spec.depends_on, Dependency(service=spec.inside))


def anchored(spec: JobSpec, absolute: Callable[[str], str]) -> Any:
    """What runs inside of a service begins where that is."""
    found = anchor(spec, absolute)
    return replace(found, process=spec.process) if spec.in_ else found


def faults(spec: JobSpec) -> Iterator[Fault]:
    if spec.in_:
        yield from _inside_faults(spec)
    elif spec.command is not None:
        yield Fault(("command",), "only a job that runs in a service has a command of its own", "put it into container")
    if not (spec.container or spec.process or spec.in_):
        hint = "add container: {image: ...}, process: {command: [...]}, or in: service/NAME with command: [...]"
        yield Fault((), "neither container nor process nor in is given", hint)
    elif not spec.in_ or (spec.argv and not spec.container):
        yield from workload_faults(as_service(spec) if spec.in_ else spec)
    yield from dependency_faults(as_service(spec))
    yield from _schedule_faults(spec)


def _inside_faults(spec: JobSpec) -> Iterator[Fault]:
    if not spec.in_.startswith(SERVICE) or not spec.inside or "/" in spec.inside:
        yield Fault(("in",), f"{spec.in_!r} is no service", "like in: service/web")
    if spec.container:
        yield Fault(
            ("container",), f"it runs in {spec.in_}, so it has no container of its own", "remove one of the two"
        )
    elif spec.command and spec.process:
        yield Fault(("process",), "its command is said twice", "remove one of the two")
    elif not spec.argv or not spec.argv[0]:
        yield Fault(("command",), "what to run in it is not said", "add command: [./train, --fast]")
    for name in ("user", "working_dir", "package"):
        if spec.process and getattr(spec.process, name):
            yield Fault(("process", camel(name)), f"it runs in {spec.in_}, in the way of that", "leave it out")
    for name in ("ports", "volumes"):
        if getattr(spec, name):
            yield Fault((name,), f"it runs in {spec.in_}, and has what that has", f"declare {name} there")
    if spec.resources != Resources():
        yield Fault(("resources",), f"it runs in {spec.in_}, within the limits of that", "declare them there")


def _schedule_faults(spec: JobSpec) -> Iterator[Fault]:
    if not spec.schedule and spec.time_zone == "UTC":
        return
    from reconciler.kinds.cron import BadSchedule, parse, zone  # noqa: PLC0415 -- few jobs have a schedule

    for name, text, read in (("schedule", spec.schedule, parse), ("timeZone", spec.time_zone, zone)):
        try:
            if text or name == "timeZone":
                read(text)
        except BadSchedule as bad:
            hint = 'like "*/5 * * * *" or @daily' if name == "schedule" else "like Europe/Berlin, or UTC"
            yield Fault((name,), str(bad), hint)


def needs(spec: JobSpec) -> Iterator[Need]:
    yield from dependency_needs(spec.depends_on)
    if spec.in_:
        yield Need("service", spec.inside, ("in",))
    yield from workload_needs(spec)


KIND = Kind(
    name="Job",
    plural="jobs",
    spec=JobSpec,
    summary="A container or a native process that runs to its end: once, by a schedule, or inside of a service.",
    faults=faults,
    needs=needs,
    anchor=anchored,
    paths=paths,
    trees=trees,
    as_service=as_service,
    example="""\
apiVersion: reconciler/v1
kind: Job
metadata: {name: migrate}
spec:
  process: {command: [./migrate, --to, "42"]}
  retries: 3
  timeoutSeconds: 600
""",
)

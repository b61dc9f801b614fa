"""Campaign: many runs of one command, each with other parameters. `reconciler run` runs it, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field, replace
from typing import Annotated, Literal

from reconciler.kinds import beside
from reconciler.kinds.base import EDGE, Fault, Kind, Need, Seconds
from reconciler.kinds.beside import paths, trees
from reconciler.kinds.limits import Ge, Le
from reconciler.kinds.matrix import EXCLUDE, INCLUDE, Params, Scalar, distinct, expand, written
from reconciler.kinds.service import Dependency, Restart, ServiceSpec, dependencies, dependency_needs
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
from reconciler.values import dataclass

MOST_RUNS = 100_000
Strategy = Literal["ephemeral", "persistent"]
Order = Literal["sequential", "interleaved", "shuffled", "latinSquare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Who is told of its end, by a POST with the campaign's state as JSON."""

    __pydantic_config__ = EDGE

    url: str
    """http:// or https://."""
    events: tuple[Literal["complete", "failure"], ...] = ("complete", "failure")
    """complete: every run has worked; failure: one has not, or the rest was given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignSpec:
    """Many runs of one command, each with other parameters."""

    __pydantic_config__ = EDGE

    strategy: Strategy | None = None
    """ephemeral: each run has a container of its own. persistent: one stays warm, and each run is a command inside of
    it, which costs less and isolates less. By default what campaign.strategy in the user's config file says, or
    ephemeral."""
    container: Container | None = None
    """What is run, as a container. Exactly one of container and process. With strategy persistent the image's own
    entrypoint takes no part: entrypoint and command are run as they stand here."""
    process: Process | None = None
    """What is run, as a native process. Exactly one of container and process."""
    env: dict[str, str] = field(default_factory=dict)
    """Environment variables. Values may refer to ${matrix.NAME} and ${run.id}, as all strings of the workload may."""
    env_from: tuple[EnvFrom, ...] = ()
    """Variables from files, Configs and Secrets."""
    ports: tuple[Port, ...] = ()
    """Ports on which a run listens."""
    volumes: tuple[VolumeMount, ...] = ()
    """What lies in its file system beside the image."""
    stop: Stopping = field(default_factory=Stopping)
    """How a run is asked to end that takes too long, or is not wanted any more."""
    resources: Resources = field(default_factory=Resources)
    """Limits of each run."""
    depends_on: tuple[str | Dependency, ...] = ()
    """Services that have to be there first: a name (which has to be Ready), or {service, condition}."""
    matrix: dict[str, tuple[Scalar | Params, ...]] = field(default_factory=dict)
    """Axes: names and their values. Each combination is a run. include adds runs, or parameters to runs; exclude takes
    combinations away."""
    runs: tuple[Params, ...] = ()
    """In place of a matrix: the parameters of each run."""
    cycles: Annotated[int, Ge(1), Le(1000)] = 1
    """How often all of it is repeated."""
    order: Order = "sequential"
    """sequential: one configuration after another, all of its cycles at once. interleaved: cycle after cycle, each in
    the matrix's order. shuffled: cycle after cycle, each in an order of its own. latinSquare: cycle after cycle, so
    that over as many cycles as there are configurations each has had each place once."""
    seed: Annotated[int, Ge(0)] = 0
    """Of the shuffled order: the same seed, the same order."""
    gap_seconds: Seconds = 0.0
    """Pause between two runs."""
    cycle_gap_seconds: Seconds | None = None
    """Pause between two cycles, where they follow one another as a whole; by default like gapSeconds."""
    warmup_seconds: Seconds = 0.0
    """Pause after the start of what is kept warm; with strategy ephemeral before the first run."""
    timeout_seconds: Seconds = 0.0
    """So long a run may take; 0: as long as it likes."""
    silence_seconds: Seconds = 0.0
    """So long a run may write nothing; 0: as long as it likes."""
    retries: Annotated[int, Ge(0), Le(100)] = 0
    """How often a run that failed is tried again, at once."""
    max_failures: Annotated[int, Ge(0)] = 0
    """So many runs may fail in a row; then there is a pause and one more is tried, and if that fails too, the rest is
    left out. 1: the rest is left out at once. 0: one failure never stops the others."""
    cooldown_seconds: Seconds = 60.0
    """That pause."""
    auto_teardown: bool = True
    """Whether what is kept warm is removed at the end. If not, runs that failed stay too, to be looked at."""
    results: str = "./results"
    """Directory for runs.jsonl, runs.csv and the logs; relative to the spec file."""
    leases: tuple[str, ...] = ()
    """Names of what only one run of this user on this machine may have at a time, like gpu0. By default the GPUs and
    devices of the container."""
    notify: Notify | None = None
    """Who is told of its end."""

    @property
    def runtime(self) -> str:
        return "process" if self.process else "docker"

    @property
    def dependencies(self) -> tuple[Dependency, ...]:
        return dependencies(self.depends_on)

    @property
    def params(self) -> list[Params]:
        """Of each run of one cycle."""
        if self.runs:
            return [dict(params) for params in self.runs]
        return expand(self.matrix) if self.matrix else [{}]


def as_service(spec: CampaignSpec) -> ServiceSpec:
    """How one run would look as a service of which nothing is to run: that is how it is rendered."""
    return ServiceSpec(
        replicas=0, container=spec.container, process=spec.process, env=spec.env, env_from=spec.env_from,
        ports=spec.ports, volumes=spec.volumes, stop=spec.stop, resources=spec.resources, depends_on=spec.depends_on,
        restart=Restart(policy="Never"),
    )  # fmt: skip


def faults(spec: CampaignSpec) -> Iterator[Fault]:
    yield from workload_faults(spec)
    yield from _workload_faults(spec)
    broken = list(_matrix_faults(spec))
    yield from broken or _run_faults(spec)
    if spec.notify and not spec.notify.url.startswith(("http://", "https://")):
        yield Fault(("notify", "url"), f"{spec.notify.url!a} is no place to POST to", "http:// or https://")
    for i, name in enumerate(spec.leases):
        if not name or "/" in name or name.startswith(".") or len(name) > 100 or not name.isprintable():
            yield Fault(("leases", i), f"{name[:40]!a} can't be the name of a lease", "like gpu0")


def _workload_faults(spec: CampaignSpec) -> Iterator[Fault]:
    container = spec.container
    if container and container.keep_alive:
        hint = "remove it, and say strategy: persistent for one that stays warm"
        yield Fault(("container", "keepAlive"), "a run that stays up never ends", hint)
    if spec.strategy == "persistent" and container and not container.command and not container.entrypoint:
        message = "with strategy persistent each run is a command inside, and none is given"
        yield Fault(("container",), message, "add command: [...]")


def _matrix_faults(spec: CampaignSpec) -> Iterator[Fault]:
    if spec.matrix and spec.runs:
        yield Fault(("runs",), "exactly one of matrix and runs is possible", "keep one of the two")
    for name, values in spec.matrix.items():
        single = name in (INCLUDE, EXCLUDE)
        if not values and not single:
            yield Fault(("matrix", name), "this axis has no values, so there would be no run", "add one, or remove it")
        for i, value in enumerate(values):
            if isinstance(value, dict) != single:
                hint = "like {batch: 1}" if single else "one value of this axis; mappings belong into include"
                yield Fault(("matrix", name, i), f"a {'mapping' if single else 'plain value'} is expected here", hint)
        yield from _name_faults(("matrix",), [name])
    for i, params in enumerate(spec.runs):
        yield from _name_faults(("runs", i), params)
    for i, entry in enumerate(spec.matrix.get(EXCLUDE, ())):
        unknown = [name for name in entry if name not in spec.matrix] if isinstance(entry, dict) else []
        if unknown:
            axes = ", ".join(name for name in spec.matrix if name not in (INCLUDE, EXCLUDE))
            yield Fault(("matrix", EXCLUDE, i), f"no axis is called {unknown[0]!a}", f"axes are: {axes or 'none'}")


def _name_faults(path: tuple[str | int, ...], names: object) -> Iterator[Fault]:
    """A dot would end it in a reference, and so would a brace."""
    for name in names:  # type: ignore[attr-defined]
        if not name or not all(c.isascii() and (c.isalnum() or c in "_-") for c in name):
            yield Fault((*path, name), f"{name[:40]!a} can't be the name of a parameter", "letters, digits, - and _")


def _run_faults(spec: CampaignSpec) -> Iterator[Fault]:
    size = spec.cycles
    for name, values in spec.matrix.items():
        size *= 1 if name in (INCLUDE, EXCLUDE) else max(len(values), 1)
    if size > MOST_RUNS:
        yield Fault(("matrix",), f"these would be {size} runs, and at most {MOST_RUNS} are possible", "make it smaller")
        return
    where = "runs" if spec.runs else "matrix"
    found = spec.params
    if not found:
        yield Fault((where,), "all combinations are excluded, so there would be no run", "exclude less")
    seen = set()
    for params in found:
        one = distinct(params)
        if one in seen:
            shown = ", ".join(f"{name}={written(value)}" for name, value in params.items()) or "no parameters"
            yield Fault((where,), f"two runs would be the same: {shown}", "remove one; cycles repeats all of them")
        seen.add(one)


def needs(spec: CampaignSpec) -> Iterator[Need]:
    yield from dependency_needs(spec.depends_on)
    yield from workload_needs(spec)


def anchor(spec: CampaignSpec, absolute: Callable[[str], str]) -> CampaignSpec:
    anchored: CampaignSpec = beside.anchor(spec, absolute)
    return replace(anchored, results=absolute(spec.results or "."))


KIND = Kind(
    name="Campaign",
    plural="campaigns",
    short=("camp",),
    spec=CampaignSpec,
    summary="Many runs of one command, each with other parameters.",
    faults=faults,
    needs=needs,
    anchor=anchor,
    paths=paths,
    trees=trees,
    as_service=as_service,
    example="""\
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: bench}
spec:
  process: {command: [python3, -c, "print({}, '${matrix.batch}')"]}
  matrix: {batch: [1, 8]}
  cycles: 3
""",
)

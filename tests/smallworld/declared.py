"""The declarations whose small worlds are explored: at most three services, each set with one thing at stake."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from reconciler.core.graph import Graph
from reconciler.core.linking import link_faults
from reconciler.kinds.network import NetworkSpec
from reconciler.kinds.probes import Probes
from reconciler.kinds.service import Dependency, ServiceSpec, Update
from reconciler.kinds.volume import VolumeSpec
from reconciler.kinds.workload import Container, Port, Process, VolumeMount
from reconciler.model.resource import Resource
from tests.convergence.specs import PROBE, key, linked
from tests.smallworld.state import PAUSES


@dataclass(frozen=True, slots=True)
class Declared:
    """What is wanted; what was wanted before, and is there when it begins; how much may go wrong on the way."""

    name: str
    graph: Graph
    before: Graph
    faults: int
    nightly: int
    least: int
    """So many worlds at least, with `faults`: fewer would mean that something is not explored any more."""


def contained(name: str, *, image: str = "i:1", networks: tuple[str, ...] = (), **spec: object) -> Resource:
    return _service(name, container=Container(image=image, networks=networks), **spec)


def native(name: str, **spec: object) -> Resource:
    return _service(name, process=Process(command=("run",)), **spec)


def _service(name: str, *, job: bool = False, **spec: object) -> Resource:
    restart = replace(PAUSES, policy="OnFailure") if job else PAUSES
    whole = ServiceSpec(restart=restart, **spec)  # type: ignore[arg-type]
    return Resource(key("service", name), whole, generation=2, annotations={"job": "1"} if job else {})


def on(number: int | str, *, reassign: bool = False) -> tuple[Port, ...]:
    return (Port(name="http", port=80, host_port=number, on_conflict="reassign" if reassign else "fail"),)


def after(*names: str, condition: str = "Ready") -> tuple[Dependency, ...]:
    return tuple(Dependency(service=name, condition=condition) for name in names)


def gone(resource: Resource, *, with_data: bool = False) -> Resource:
    return replace(resource, deleting=True, delete_data=with_data)


def volume(name: str) -> Resource:
    return Resource(key("volume", name), VolumeSpec())


def network(name: str, *, internal: bool = False) -> Resource:
    return Resource(key("network", name), NetworkSpec(internal=internal), generation=2)


PROBED = Probes(readiness=PROBE, liveness=PROBE)
ONE_BY_ONE = Update(max_surge=0)
"""No new one beside the old one: that is for the sets in which it is at stake."""
BESIDE = Update(max_surge=1, max_unavailable=1)
DATA = (VolumeMount(volume="v1", mount_path="/v"),)


def _set(
    name: str, now: Iterable[Resource], before: Iterable[Resource] = (), *, faults: int, nightly: int, least: int
) -> Declared:
    graph = linked(now)
    old = linked(replace(resource, generation=1) for resource in before)
    for each in (graph, old):
        assert not list(link_faults(each)), list(link_faults(each))
    return Declared(name, graph, old, faults, nightly, least)


SETS: tuple[Declared, ...] = (
    _set("a-container-with-a-port", [contained("a", ports=on(8000))], faults=3, nightly=4, least=18_000),
    _set("a-process-with-a-port", [native("a", ports=on(8000))], faults=4, nightly=4, least=19_400),
    _set("a-port-of-its-choice", [native("a", ports=on("auto"))], faults=4, nightly=4, least=17_600),
    _set(
        "a-new-image", [contained("a", image="i:2", ports=on(8000), probes=PROBED)],
        [contained("a", ports=on(8000), probes=PROBED)], faults=2, nightly=4, least=3_700,
    ),
    _set(
        "a-chain-over-both-runtimes",
        [contained("a", probes=PROBED, update=ONE_BY_ONE), native("b", depends_on=after("a"), update=ONE_BY_ONE)],
        faults=2, nightly=3, least=28_300,
    ),
    _set(
        "ports-that-are-swapped", [contained("a", ports=on(8001)), native("b", ports=on(8000))],
        [contained("a", ports=on(8000)), native("b", ports=on(8001))], faults=1, nightly=2, least=1_700,
    ),
    _set(
        "from-container-to-process", [native("a", ports=on(8000)), native("b", depends_on=after("a"))],
        [contained("a", ports=on(8000)), native("b", depends_on=after("a"))], faults=2, nightly=2, least=18_700,
    ),
    _set(
        "two-replicas-one-after-the-other", [contained("a", image="i:2", replicas=2, update=BESIDE)],
        [contained("a", replicas=2)], faults=1, nightly=2, least=10_800,
    ),
    _set(
        "a-job-before-a-service",
        [contained("a", job=True), native("b", depends_on=after("a", condition="Completed"))],
        faults=2, nightly=2, least=19_400,
    ),
    _set(
        "deleted-with-its-data",
        [gone(contained("a", volumes=DATA)), gone(contained("b", depends_on=after("a"))),
         gone(volume("v1"), with_data=True)],
        [contained("a", volumes=DATA), contained("b", depends_on=after("a")), volume("v1")],
        faults=3, nightly=4, least=11_000,
    ),
    _set(
        "deleted-but-not-its-data",
        [native("b"), gone(native("a", volumes=(VolumeMount(volume="v1"),))), gone(volume("v1"))],
        [native("b"), native("a", volumes=(VolumeMount(volume="v1"),)), volume("v1")],
        faults=3, nightly=4, least=17_500,
    ),
    _set(
        "a-network-made-anew",
        [network("n1", internal=True), contained("a", networks=("n1",), update=ONE_BY_ONE), native("b")],
        [network("n1"), contained("a", networks=("n1",)), native("b")],
        faults=2, nightly=2, least=26_000,
    ),
    _set(
        "scaled-down-and-stopped", [contained("a", replicas=1, update=Update(max_surge=1)), native("b", replicas=0)],
        [contained("a", replicas=3, update=Update(max_surge=1)), native("b")], faults=1, nightly=2, least=1_300,
    ),
    _set(
        "two-who-share-a-range", [contained("a", ports=on("8000-8001")), native("b", ports=on(8000, reassign=True))],
        faults=1, nightly=2, least=1_450,
    ),
    _set(
        "three-in-a-row",
        [volume("v1"), contained("a", volumes=DATA, ports=on(8000)), native("b", depends_on=after("a")),
         contained("c", image="i:2", depends_on=after("b", condition="Started"), update=ONE_BY_ONE)],
        [volume("v1"), contained("a", volumes=DATA, ports=on(8000)), native("b", depends_on=after("a")),
         contained("c")],
        faults=1, nightly=2, least=6_300,
    ),
)  # fmt: skip

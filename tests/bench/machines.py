"""What other machines cost when nothing is to be done there: beside what the slowest of them takes to be asked, and
beside one machine alone, that holds as many services as all of them or as each.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.hosts.remote import quote
from reconciler.hosts.together import joined
from reconciler.inquiry import Question
from reconciler.runtimes.mesh import scripts
from reconciler.runtimes.remote.looking import LOOK
from tests.bench.contest import Line, Sample
from tests.bench.floor import COMMAND, IMAGE
from tests.bench.stage import Stage
from tests.image import ensure_images
from tests.machines.lab import Lab, missing, opened
from tests.machines.machine import Machine
from tests.machines.proxy import far_off

FLOOR = "tests.bench.trips"
PROCESSES, MESH = Question(LOOK, ("", "-", "0", "bench")), Question(scripts.AS_ROOT, ("", scripts.LIST, "look"))
SLEEP = ["sleep", "3600"]
HOSTS, EACH = 5, 20
LIMIT = 1.5
ONE_WAY = 0.02
"""Seconds, as between two houses. In a lab nothing is far, and the start of an interpreter would be all one sees."""


def lines(stage: Stage, *, quick: bool) -> Iterator[Line]:
    """Each machine has an engine of its own, and every fourth service is a container."""
    if lacking := missing():
        print(f"test machines need {', '.join(lacking)}: other machines are left out", file=sys.stderr)
        return
    rounds = 5 if quick else 15
    distances = [(ONE_WAY, f"{2000 * ONE_WAY:.0f} ms away", LIMIT), (0.0, "next door", None)]
    with opened(second=True) as lab:
        machines = [lab.machine(f"bench{number}", engine=True) for number in range(HOSTS)]
        for machine in machines:
            ensure_images(machine.engine)
        for delay, where, limit in distances[: 1 if quick else None]:
            yield from _compared(stage, lab, machines, delay, where, limit, rounds)


def _compared(
    stage: Stage, lab: Lab, machines: Sequence[Machine], delay: float, where: str, limit: float | None, rounds: int
) -> Iterator[Line]:
    with ExitStack() as held:
        ports = [held.enter_context(far_off(machine.address, 22, delay)) for machine in machines]
        few, crowded = (_alone(_Fleet(stage, lab, machines[:1], ports, each), rounds) for each in (EACH, HOSTS * EACH))
        fleet = _Fleet(stage, lab, machines, ports, EACH)
        with fleet.up():
            pairs = [(fleet.apply(), fleet.slowest()) for _ in range(rounds)]
    five, trips = (Sample(tuple(times)) for times in zip(*pairs, strict=True))
    what = f"no-op apply, {HOSTS} hosts {where}"
    told = f"{EACH} services each"
    yield Line(what, "H", five.median / trips.median, limit, {"ours": five, "the slowest host's trips": trips}, told)
    for one, services in ((crowded, HOSTS * EACH), (few, EACH)):
        title = f"{what}, beside 1 of {services}"
        yield Line(title, "H", five.median / one.median, None, {"ours": five, "one host": one})


def _alone(fleet: _Fleet, rounds: int) -> Sample:
    with fleet.up():
        return Sample(tuple(fleet.apply() for _ in range(rounds)))


@dataclass(slots=True)
class _Fleet:
    stage: Stage
    lab: Lab
    machines: Sequence[Machine]
    ports: Sequence[int]
    each: int
    """So many services on each of them."""

    @contextmanager
    def up(self) -> Iterator[None]:
        with ExitStack() as held:
            held.callback(self.stage.forget)
            held.callback(self._close)
            held.callback(self.stage.delete, self._spec())
            self.stage.apply(self._spec())
            yield

    def apply(self) -> float:
        started = time.perf_counter()
        self.stage.apply(self._spec())
        return time.perf_counter() - started

    def slowest(self) -> float:
        """Of all of them, each asked for itself: by a program that does nothing else; its start counts as ours does."""
        script = self.stage.directory / "listing"
        script.write_text(quote(joined([PROCESSES, MESH], "told")))
        return max(self._trips(line, script) for line in self._lines())

    def _trips(self, line: str, script: Path) -> float:
        started = time.perf_counter()
        self.stage.run(sys.executable, "-m", FLOOR, self._connections, line, script)
        return time.perf_counter() - started

    def _lines(self) -> list[str]:
        return [entry.name for entry in self._connections.iterdir() if entry.is_socket() and "." not in entry.name]

    @property
    def _connections(self) -> Path:
        return self.stage.home / "ssh"

    def _close(self) -> None:
        """What would stay open for ten minutes more."""
        for line in self._lines():
            self.stage.run("ssh", "-F", "none", "-S", self._connections / line, "-O", "exit", "--", "there")

    def _spec(self) -> Path:
        documents = [self._host(machine, port) for machine, port in zip(self.machines, self.ports, strict=False)]
        for machine in self.machines:
            documents += [self._service(machine, number) for number in range(self.each)]
        path = self.stage.directory / f"machines-{len(self.machines)}-{self.each}.yaml"
        path.write_text("\n---\n".join(map(json.dumps, documents)))
        return path

    def _host(self, machine: Machine, port: int) -> dict[str, object]:
        ssh = {"host": "127.0.0.1", "port": port, "user": "root", "hostKey": machine.host_key}
        spec = {"ssh": {**ssh, "identityFile": str(self.lab.identity)}, "address": machine.address}
        return self._document("Host", machine.name, spec)

    def _service(self, machine: Machine, number: int) -> dict[str, object]:
        runs = (
            {"container": {"image": IMAGE, "command": COMMAND}} if number % 4 == 0 else {"process": {"command": SLEEP}}
        )
        return self._document("Service", f"{machine.name}-{number}", {**runs, "runOn": machine.name})

    def _document(self, kind: str, name: str, spec: dict[str, object]) -> dict[str, object]:
        metadata = {"name": name, "namespace": self.stage.namespace}
        return {"apiVersion": "reconciler/v1", "kind": kind, "metadata": metadata, "spec": spec}

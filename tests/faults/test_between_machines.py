"""What can go wrong between us and another machine while something is done there: it converges, and nothing is done
twice. Services there write a line at each start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from reconciler.hosts.ssh import Ssh
from reconciler.hosts.sshline import Target
from reconciler.runtimes.docker.runtime import DockerRuntime
from reconciler.wiring import way_to_engine
from tests.image import ensure_images
from tests.machines.lab import Lab
from tests.machines.machine import Machine
from tests.machines.proxy import Proxy
from tests.scenarios.documents import box, changed, document, shell
from tests.scenarios.stage import Document, Stage, Told
from tests.waiting import until

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
pytestmark = [pytest.mark.engine, pytest.mark.root, pytest.mark.timeout(3600 if NIGHTLY else 180)]

CYCLES = 150 if NIGHTLY else 4
"""Of three actions, each cut once and each time at another byte."""
AT_ONCE = 4
RUNS = "echo $$STEP >> {file}; exec sleep 100000"


@pytest.fixture(scope="module")
def quay(lab: Lab) -> Machine:
    machine = lab.machine("quay", engine=True)
    ensure_images(machine.engine)
    return machine


@dataclass
class There:
    """A process and a container on another machine, behind a wire."""

    stage: Stage
    lab: Lab
    machine: Machine
    wire: Proxy
    spec: list[Document] = field(init=False)
    folder: str = field(init=False)

    def __post_init__(self) -> None:
        self.folder = f"/tmp/{self.stage.namespace}"
        ssh = {"host": "127.0.0.1", "port": self.wire.port, "user": "root", "hostKey": self.machine.host_key}
        ssh["identityFile"] = str(self.lab.identity)
        self.spec = [
            document("Host", "quay", ssh=ssh, address=self.machine.address, state=f"/root{self.folder}"),
            shell("bare", RUNS.format(file=f"{self.folder}/bare"), runOn="quay", env={"STEP": "1"}),
            box(
                "boxed", "sh", "-c", RUNS.format(file="/starts/boxed"), runOn="quay", env={"STEP": "1"},
                volumes=[{"hostPath": self.folder, "mountPath": "/starts"}],
            ),
        ]  # fmt: skip

    def clean(self) -> None:
        self.machine.run("rm", "-rf", self.folder)
        self.machine.run("mkdir", "-m", "777", self.folder)

    def starts(self) -> dict[str, list[str]]:
        said = self.machine.run("sh", "-c", f"cd {self.folder}; for one in *; do echo $one $(cat $one); done").decode()
        return {line.split()[0]: line.split()[1:] for line in said.splitlines()}

    def apply(self, *, step: int, expect: int | None = 0) -> Told:
        host, *services = self.spec
        return self.stage.apply(
            host, *(changed(one, env={"STEP": str(step)}) for one in services), "--timeout", "40", expect=expect
        )

    def delete(self, *, expect: int | None = 0) -> Told:
        return self.stage.cli("delete", "services", "--all", "--timeout", "40", expect=expect)


@pytest.fixture
def everywhere(stage: Stage, lab: Lab, quay: Machine) -> Iterator[list[There]]:
    """Several installations that work on the same machine at once, each behind a wire of its own."""
    stages = [stage, *(stage.other_home(f"home{i}", f"{stage.namespace}-{i}") for i in range(1, AT_ONCE))]
    made = [There(one, lab, quay, Proxy(quay.address)) for one in stages]
    for there in made:
        there.clean()
    yield made
    stage.clear()
    for there in made:
        there.wire.close()


def test_F35_a_connection_cut_after_any_byte_of_an_action_costs_nobody_a_second_start(
    everywhere: list[There],
) -> None:
    """To create, to change and to delete, with all that is stopped and removed for it. What a cut apply leaves undone
    the next one does, and the one after that finds nothing to do.
    """
    sizes = {name: measured(everywhere[0].wire, act) for name, act in actions(everywhere[0]).items()}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        mine = [range(number, CYCLES, AT_ONCE) for number in range(AT_ONCE)]
        cuts = sum(pool.map(lambda one: cut_again_and_again(*one, sizes), zip(everywhere, mine, strict=True)))
    assert cuts >= 2 * CYCLES, "most were cut somewhere"
    assert everywhere[0].apply(step=1).actions
    assert everywhere[0].apply(step=1).actions == []


def test_F35_when_every_sshd_is_killed_in_the_middle_of_a_stop_it_goes_on_from_there(
    everywhere: list[There], quay: Machine
) -> None:
    """Who is being ended says so, and takes his time; who is at it there dies with the connection."""
    there = everywhere[0]
    ends = f"trap 'echo x >> {there.folder}/asked; sleep 2; exit 0' TERM; "
    runs = f"echo $$STEP >> {there.folder}/bare; while :; do sleep 0.1; done"
    first = shell("bare", ends + runs, runOn="quay", env={"STEP": "1"})
    there.stage.apply(there.spec[0], first)
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(there.stage.apply, changed(first, env={"STEP": "2"}), "--timeout", "60", expect=None)
        until(lambda: "asked" in there.starts())
        quay.restart_sshd()
        under_way.result(timeout=90)
    there.stage.apply(changed(first, env={"STEP": "2"}), "--timeout", "60")

    assert there.starts()["bare"] == ["1", "2"]
    assert there.stage.apply(changed(first, env={"STEP": "2"}), "--timeout", "60").actions == []


def test_F35_an_engine_is_looked_at_over_the_next_connection_once_the_look_has_found_this_one_dead(
    lab: Lab, quay: Machine, tmp_path: Path
) -> None:
    """As after its machine was started anew: the one that stood leads nowhere, and nobody knows before it is used."""
    wire = Proxy(quay.address)
    key = {"identity_file": str(lab.identity), "host_key": quay.host_key}
    host = Ssh("quay", Target("127.0.0.1", port=wire.port, user="root", **key), tmp_path / "ssh")
    runtime = DockerRuntime(way_to_engine(host, "/run/docker.sock"), owner="o", host="quay")
    try:
        assert runtime.observe().problem == ""
        wire.cut_after(1)
        assert runtime.observe().problem == ""
        assert wire.cuts == 1
    finally:
        host.close()
        wire.close()


def cut_again_and_again(there: There, cycles: Iterable[int], sizes: Mapping[str, tuple[int, int]]) -> int:
    """How many were cut before they had come to their end."""
    for cycle in cycles:
        there.clean()
        heard, reset = cycle % 2 == 1, cycle // 2 % 2 == 0
        for number, (name, act) in enumerate(actions(there).items()):
            share = (cycle + (number + 1) / 4) / CYCLES
            there.wire.cut_after(int(sizes[name][heard] * share), heard=heard, reset=reset)
            act(expect=None)
            there.wire.cut_after(None)
            act()
        assert there.starts() == {"bare": ["1", "2"], "boxed": ["1", "2"]}, f"cycle {cycle}"
    return there.wire.cuts


def actions(there: There) -> dict[str, Callable[..., Told]]:
    return {"create": partial(there.apply, step=1), "change": partial(there.apply, step=2), "delete": there.delete}


def measured(wire: Proxy, act: Callable[[], object]) -> tuple[int, int]:
    """How many bytes are said and heard for it."""
    before = len(wire.sent), len(wire.received)
    act()
    return len(wire.sent) - before[0], len(wire.received) - before[1]

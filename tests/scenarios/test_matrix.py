"""Everybody calls everybody: processes and containers, here and on two other machines, wherever both ends are."""

from __future__ import annotations

import ipaddress
import itertools
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.image import ensure_images
from tests.machines.lab import Lab
from tests.machines.machine import Machine
from tests.scenarios.documents import SERVE, box, changed, document, server, shell
from tests.scenarios.stage import Document, Stage, eventually, get

pytestmark = [pytest.mark.engine, pytest.mark.root]

MINUTE = 60.0

SCRIPT = """
d=$(mktemp -d) && cat /proc/sys/kernel/random/uuid > $d/life
while kill -0 $$; do
  for peer in %s; do echo ${peer%%%%=*} $(busybox timeout 3 busybox wget -q -O - http://${peer#*=}/life); done > $d/new
  mv $d/new $d/heard; sleep 0.2
done 2>/dev/null &
exec busybox httpd -f -p %s -h $d
"""
"""Serves which life of it this is, and what it heard last from each of the others."""


class Everybody:
    """One service for each cell: a container and a process on each host. `homes` says on which."""

    def __init__(self, lab: Lab, machines: Iterable[Machine]) -> None:
        self.lab = lab
        self.machines = {machine.name: machine for machine in machines}
        self.homes = {f"{kind}-{host}": host for host in ("local", *self.machines) for kind in ("box", "native")}

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return list(itertools.permutations(self.homes, 2))

    def address(self, host: str) -> str:
        return self.machines[host].address if host in self.machines else self.lab.address

    def documents(self) -> list[Document]:
        return [*self.hosts(), *map(self._service, self.homes)]

    def hosts(self) -> list[Document]:
        here = document("Host", "local", address=self.lab.address)
        return [here, *(self._host(machine) for machine in self.machines.values())]

    def change_own_address(self) -> None:
        """As others are to know it from now on."""
        self.lab.address = self.lab.lan.next_address()
        added = ["ip", "addr", "add", f"{self.lab.address}/24", "dev", f"lab{self.lab.number}"]
        subprocess.run(added, check=True, capture_output=True)

    def _host(self, machine: Machine) -> Document:
        key = {"identityFile": str(self.lab.identity), "hostKey": machine.host_key}
        return document("Host", machine.name, ssh={"host": machine.address, "user": "root", **key})

    def _service(self, name: str) -> Document:
        """It is told of whom it depends on by variables of their names, and of the others by what it refers to."""
        before, after = [list(part) for part in _around(name, list(self.homes))]
        told = " ".join(f"{other}=${other.upper().replace('-', '_')}_ADDR" for other in before)
        contained = name.startswith("box")
        script = (SCRIPT % (f"{told} $PEERS", "80" if contained else "PORT")).replace("$", "$$")
        more = {
            "runOn": self.homes[name],
            "env": {"PEERS": " ".join(f"{other}=${{{other}.addr}}" for other in after)},
            "dependsOn": [{"service": other, "condition": "Started"} for other in before],
            "ports": [{"name": "http", **({"port": 80} if contained else {})}],
            "update": {"strategy": "Recreate"},
            "stop": {"graceSeconds": 1},
        }
        if contained:
            return box(name, "sh", "-c", script, **more)
        return shell(name, script.replace("-p PORT", "-p ${ports.http}"), **more)


def _around(name: str, names: list[str]) -> tuple[list[str], list[str]]:
    at = names.index(name)
    return names[:at], names[at + 1 :]


class Town:
    """What can be asked of them from outside."""

    def __init__(self, stage: Stage, everybody: Everybody) -> None:
        self._stage, self._everybody = stage, everybody

    def apply(self, **more: Any) -> Any:
        told = self._stage.apply(*self._everybody.documents(), "--timeout", "100", **more)
        assert told.json["settled"]
        return told

    def doors(self) -> dict[str, str]:
        """Where each is found on the LAN."""
        listed = self._stage.cli("get", "services", "-o", "json").json["items"]
        ports = {item["metadata"]["name"]: item["status"]["instances"][0]["ports"]["http"] for item in listed}
        return {name: f"{self._everybody.address(home)}:{ports[name]}" for name, home in self._everybody.homes.items()}

    def lives(self) -> dict[str, str]:
        """Once every one of them has heard from each of the others as it is now."""
        doors = self.doors()
        return dict(eventually(lambda: self._understood(doors), "each has heard from all of the others", MINUTE))

    def _understood(self, doors: Mapping[str, str]) -> dict[str, str]:
        with ThreadPoolExecutor(len(doors)) as pool:
            told = dict(zip(doors, pool.map(_asked, doors.values()), strict=True))
        lives = {name: life for name, (life, _) in told.items()}
        found = {(name, *line.split()) for name, (_, heard) in told.items() for line in heard.splitlines()}
        missing = {(a, b, lives[b]) for a, b in self._everybody.pairs} - found
        assert not missing, sorted(pair[:2] for pair in missing)
        return lives


def _asked(door: str) -> tuple[str, str]:
    return get(f"http://{door}/life").strip(), get(f"http://{door}/heard")


@pytest.fixture(scope="module")
def everybody(lab: Lab) -> Everybody:
    machines = [lab.machine(name, engine=True) for name in ("carl", "dora")]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda machine: ensure_images(machine.engine), machines))
    return Everybody(lab, machines)


def test_H1_H2_H3_H10_H11_everybody_reaches_everybody_whatever_happens(stage: Stage, everybody: Everybody) -> None:
    town = Town(stage, everybody)
    carl, dora = everybody.machines.values()
    town.apply()
    first = town.lives()
    assert town.apply().actions == []

    dora.run("kill", "-9", str(stage.status_of("native-dora")["instances"][0]["pid"]))
    os.kill(stage.status_of("native-local")["instances"][0]["pid"], signal.SIGKILL)
    stage.signal(stage.name("box-local"), "kill")
    carl.reboot()
    town.apply()
    assert differing(first, town.lives()) == {"native-dora", "native-local", "box-local", "native-carl", "box-carl"}

    carl.change_address()
    everybody.change_own_address()
    town.apply()
    town.lives()

    everybody.homes |= {"native-carl": "local", "box-dora": "carl"}
    town.apply()
    town.lives()
    assert town.apply().actions == []


def test_H11_H12_H19_H20_who_moves_is_followed_by_one_caller_after_the_other(
    stage: Stage, everybody: Everybody
) -> None:
    """And it is published where they find it now, and nowhere else."""
    hosts, (carl, dora) = everybody.hosts(), everybody.machines.values()
    task = document("Job", "task", runOn="dora", process={"command": ["true"]})
    alone = server("alone", runOn="carl")
    asked = server("asked", runOn="carl", ports=[{"name": "http", "port": 80, "bind": "0.0.0.0"}])
    caller = changed(
        server("caller", replicas=2, env={"IT": "${store.ip} ${store.host} ${store.port}"}), dependsOn=["store"]
    )
    store = server("store", runOn="carl", dependsOn=["task"])
    stage.apply(*hosts, task, alone, asked, caller, store, "--timeout", "100")

    ports = {name: port_of(stage, name) for name in ("alone", "asked", "store")}
    assert bound(carl, ports["alone"]) == {"127.0.0.1"}
    assert bound(carl, ports["asked"]) == {"0.0.0.0"}
    assert bound(carl, ports["store"]) == {carl.address}
    assert stage.environment_of("caller")["IT"] == f"{carl.address} {carl.address} {ports['store']}"

    told = stage.apply(changed(store, runOn="dora"), "--timeout", "100")

    assert fewest([action for action in told.actions if "caller/" in action]) == 2
    where = f"{dora.address}:{port_of(stage, 'store')}"
    assert [stage.environment_of("caller", index)["STORE_ADDR"] for index in (0, 1)] == [where] * 2
    assert stage.run_inside("caller", "wget", "-q", "-O", "-", f"http://{where}/index.html").strip() == "one"
    assert bound(dora, port_of(stage, "store")) == {dora.address}
    assert bound(carl, ports["store"]) == set()


def test_H5_H6_a_place_may_be_inside_of_another_and_what_runs_there_already_a_service(
    stage: Stage, everybody: Everybody
) -> None:
    """From here over SSH into a container, and in it a process; and what others run on both machines is found."""
    hosts, (carl, dora) = everybody.hosts(), everybody.machines.values()
    theirs = carl.engine.run(
        f"{stage.namespace}-theirs", *SERVE, HostConfig={"PortBindings": {"80/tcp": [{}]}}, ExposedPorts={"80/tcp": {}}
    )
    dora.run(
        "sh", "-c", "mkdir -p /root/www && echo native > /root/www/index.html && cp /bin/busybox /root/busybox-theirs"
    )
    dora.run("sh", "-c", "cd /root && setsid sh -c 'exec ./busybox-theirs httpd -f -p 8123 -h www' > /dev/null 2>&1 &")
    http = {"readiness": {"httpGet": {"path": "/index.html", "port": "http"}}}
    boxed = document(
        "Service",
        "boxed",
        runOn="carl",
        attachTo={"container": f"{stage.namespace}-theirs"},
        ports=[{"name": "http", "port": 80}],
        probes=http,
    )
    bare = document(
        "Service",
        "bare",
        runOn="dora",
        attachTo={"process": {"name": "busybox-theirs"}},
        ports=[{"name": "http", "port": 8123}],
        probes=http,
    )
    ask = "wget -q -O - $$BOXED_URL/index.html $$BARE_URL/index.html; exec sleep 10000"
    inner = document(
        "Job",
        "inner",
        **{"in": "service/trainer"},
        command=["sh", "-c", "echo $$WORD at $$(hostname)"],
        env={"WORD": "hush"},
    )
    told = stage.apply(
        *hosts,
        boxed,
        bare,
        shell("caller", ask, dependsOn=["boxed", "bare"]),
        box("trainer", runOn="carl"),
        inner,
        "--timeout",
        "60",
    )
    assert not [action for action in told.actions if "boxed/" in action or "bare/" in action]
    eventually(lambda: stage.cli("logs", "caller").out.split() == ["one", "native"], "it hears from both")
    where = carl.engine.inspect(stage.name("trainer"))["Config"]["Hostname"]
    eventually(lambda: stage.cli("logs", "job/inner").out == f"hush at {where}\n", "it runs in there")

    dora.run("sh", "-c", "kill $(pidof busybox-theirs)")
    assert "does not run on" in stage.apply(bare, "--timeout", "10", expect=1).waits[0][2]
    stage.cli("delete", "all", "--all")
    assert carl.engine.inspect(theirs)["State"]["Running"]
    carl.engine.remove(theirs)


def differing(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def port_of(stage: Stage, name: str) -> int:
    return int(stage.status_of(name)["instances"][0]["ports"]["http"])


def fewest(actions: Iterable[str]) -> int:
    """How many of two there were at any time."""
    steps = [{"Create": 1, "Stop": -1}.get(action.split()[0], 0) for action in actions]
    assert any(steps)
    return min(itertools.accumulate(steps, initial=2))


def bound(machine: Machine, port: int) -> set[str]:
    """Addresses on which somebody listens for it, by the machine's own kernel."""
    rows = machine.run("cat", "/proc/net/tcp", "/proc/net/tcp6").decode().splitlines()
    listening = [row.split()[1].split(":") for row in rows if row.split()[3] == "0A"]
    return {_address(address) for address, number in listening if int(number, 16) == port}


def _address(text: str) -> str:
    """As the kernel prints it: words of four bytes, each the wrong way round."""
    raw = b"".join(bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8))
    return str(ipaddress.ip_address(raw))

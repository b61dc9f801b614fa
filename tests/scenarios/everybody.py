"""A service in each cell of {process, container} x hosts, each of which calls all the others. What they hear they learn
from nothing but their variables.
"""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tests.machines.lab import Lab
from tests.machines.machine import Machine
from tests.scenarios.documents import box, document, shell
from tests.scenarios.stage import Document, Stage, eventually, get

MINUTE = 60.0

SCRIPT = """
d=$(mktemp -d) && cat /proc/sys/kernel/random/uuid > $d/life
round=0
while kill -0 $$; do
  round=$((round + 1))
  for peer in %s; do echo ${peer%%%%=*} $(busybox timeout 3 busybox wget -q -O - http://${peer#*=}/life); done > $d/new
  echo $round >> $d/new; mv $d/new $d/heard; sleep 0.2
done 2>/dev/null &
exec busybox httpd -f -p %s -h $d
"""
"""Serves which life of it this is, and what it heard from each of the others in its last round."""


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
        """Where each is found by us."""
        listed = self._stage.cli("get", "services", "-o", "json").json["items"]
        ports = {item["metadata"]["name"]: item["status"]["instances"][0]["ports"]["http"] for item in listed}
        return {name: f"{self._everybody.address(home)}:{ports[name]}" for name, home in self._everybody.homes.items()}

    def lives(self) -> dict[str, str]:
        """Once every one of them has heard from each of the others, as it is now, in a round that began now."""
        doors = self.doors()
        before = eventually(lambda: _asked(doors), "all of them answer", MINUTE)
        return dict(
            eventually(lambda: self._understood(_asked(doors), before), "each has heard from all others", MINUTE)
        )

    def _understood(self, told: Mapping[str, Answer], before: Mapping[str, Answer]) -> dict[str, str]:
        lives = {name: answer.life for name, answer in told.items()}
        missing = {(a, b) for a, b in self._everybody.pairs if told[a].heard.get(b) != lives[b]}
        assert not missing, sorted(missing)
        late = {a for a in told if lives[a] == before[a].life and told[a].round < before[a].round + 2}
        assert not late, sorted(late)
        return lives


@dataclass(frozen=True)
class Answer:
    life: str
    heard: dict[str, str]
    round: int


def _asked(doors: Mapping[str, str]) -> dict[str, Answer]:
    with ThreadPoolExecutor(len(doors)) as pool:
        return dict(zip(doors, pool.map(_answer, doors.values()), strict=True))


def _answer(door: str) -> Answer:
    *lines, last = get(f"http://{door}/heard").splitlines()
    heard = (line.split() for line in lines)
    return Answer(get(f"http://{door}/life").strip(), {w[0]: w[1] for w in heard if len(w) == 2}, int(last))


def differing(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}

"""Two sites with a router between them: who can't be reached otherwise is reached through a mesh, and nobody else."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.image import ensure_images
from tests.machines.lab import Lab
from tests.machines.machine import Machine
from tests.scenarios.documents import box, document, server, shell
from tests.scenarios.everybody import MINUTE, Everybody, Town, differing
from tests.scenarios.stage import Document, Stage, eventually

pytestmark = [
    pytest.mark.engine,
    pytest.mark.root,
    pytest.mark.skipif(not Path("/dev/net/tun").exists(), reason="this kernel has no tunnels"),
]

POOL = ipaddress.ip_network("10.42.0.0/16")
HEAR = "while :; do busybox timeout 3 busybox wget -q -O - http://%s/index.html && echo from %s; sleep 0.3; done"
"""Asks for ever, and writes down what it hears."""


class Sites:
    """`bert` is on our LAN; `cave` is in a house, whose router lets nobody in but to its sshd."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        house = lab.site()
        self.door, self.bert = lab.router("threshold", house), lab.machine("bertha")
        self.cave = lab.machine("cave", house, engine=True)
        ensure_images(self.cave.engine)
        self.let_in()

    def let_in(self) -> None:
        """To the sshd, by the router's one open port."""
        to = self.cave.address
        self.door.run(
            "iptables",
            "-t",
            "nat",
            "-I",
            "PREROUTING",
            "-p",
            "tcp",
            "--dport",
            "2222",
            "-j",
            "DNAT",
            "--to",
            f"{to}:22",
        )
        self.door.run("iptables", "-I", "FORWARD", "-p", "tcp", "-d", to, "--dport", "22", "-j", "ACCEPT")

    def documents(self) -> list[Document]:
        return [*self.apart(), self._host(self.bert, engine="none")]

    def apart(self) -> list[Document]:
        """Without whom is on our LAN."""
        here = document("Host", "local", address=self.lab.address)
        return [here, self._host(self.cave, host=self.door.address, port=2222)]

    def _host(self, machine: Machine, host: str = "", port: int = 22, **spec: Any) -> Document:
        ssh = {"host": host or machine.address, "port": port, "user": "root"}
        key = {"identityFile": str(self.lab.identity), "hostKey": machine.host_key}
        return document("Host", machine.name, ssh={**ssh, **key}, **spec)


def devices(machine: Machine | None) -> list[str]:
    """Of the mesh, on a machine, or here."""
    argv = ["ip", "-o", "link", "show"]
    said = machine.run(*argv) if machine else subprocess.run(argv, capture_output=True, check=True).stdout
    names = (line.split(": ")[1].split("@")[0] for line in said.decode().splitlines())
    return [name for name in names if name.startswith("rcm")]


def traces(machine: Machine) -> list[str]:
    """All that a mesh may leave behind."""
    processes = [line for line in machine.processes() if line.startswith("wireguard-go")]
    files = machine.run(
        "sh", "-c", "ls -d /root/.local/state/reconciler-hosted/mesh /run/wireguard/* 2>/dev/null", check=False
    )
    return [*devices(machine), *processes, *files.decode().split()]


def public(machine: Machine, device: str) -> str:
    return machine.run("wg", "show", device, "public-key").decode().strip()


def speaking(name: str, **spec: Any) -> Document:
    script = f"d=$(mktemp -d) && echo {name} > $d/index.html && exec busybox httpd -f -p PORT -h $d"
    return shell(name, script.replace("$", "$$").replace("PORT", "${ports.http}"), ports=[{"name": "http"}], **spec)


def hearing(name: str, whom: str, **spec: Any) -> Document:
    script = HEAR % (f"$${whom.upper()}_ADDR", whom)
    made = box(name, "sh", "-c", script, **spec) if spec.get("runOn") == "cave" else shell(name, script, **spec)
    made["spec"]["dependsOn"] = [whom]
    return made


@pytest.fixture(scope="module")
def sites(lab: Lab) -> Sites:
    return Sites(lab)


@pytest.fixture
def everybody(stage: Stage, sites: Sites) -> list[Document]:
    return [
        *sites.documents(),
        server("web", runOn="cave"),
        speaking("here"),
        hearing("ask", "web"),
        hearing("bask", "web", runOn="bertha"),
        hearing("lask", "here", runOn="bertha"),
        hearing("cask", "here", runOn="cave"),
    ]


CALLS = {"ask": "web", "bask": "web", "lask": "here", "cask": "here"}


def hears(stage: Stage, asker: str, more_than: int) -> int:
    count = stage.cli("logs", asker).out.count(f"from {CALLS[asker]}")
    assert count > more_than
    return count


def all_hear(stage: Stage, sites: Sites) -> None:
    """Something new, each of them."""
    for asker, called in CALLS.items():
        before = stage.cli("logs", asker).out.count("from ")
        eventually(lambda asker=asker, n=before: hears(stage, asker, n), f"{asker} hears from {called}", MINUTE)


def told(stage: Stage, machine: Machine | None, asker: str) -> str:
    """The host of whom it calls, in its own environment."""
    pid = stage.status_of(asker)["instances"][0]["pid"]
    path = f"/proc/{pid}/environ"
    said = machine.run("cat", path) if machine else Path(path).read_bytes()
    found = dict(line.split("=", 1) for line in said.decode().split("\0") if "=" in line)
    return found[f"{CALLS[asker].upper()}_HOST"]


@pytest.mark.timeout(600)
def test_H4_H8_H9_H11_who_has_no_other_way_is_reached_through_a_mesh_and_nobody_else(
    stage: Stage, sites: Sites, everybody: list[Document]
) -> None:
    """By its variables alone. What ends of it is made again, and when nobody needs it, nothing of it is left."""
    assert stage.apply(*everybody, "--timeout", "90").json["settled"]
    all_hear(stage, sites)
    assert stage.apply(*everybody, "--prune", "--timeout", "90").actions == [], "it needs nobody's document"

    inside = told(stage, None, "ask")
    assert ipaddress.ip_address(inside) in POOL
    assert told(stage, sites.bert, "bask") == inside
    assert told(stage, sites.bert, "lask") == sites.lab.address, "on a LAN nobody needs a mesh"
    published = sites.cave.engine.inspect(stage.name("web"))["NetworkSettings"]["Ports"]["80/tcp"]
    assert [one["HostIp"] for one in published] == [inside], "nowhere else than where its callers find it"
    (device,) = devices(sites.bert)
    peers = sites.bert.run("wg", "show", device, "allowed-ips").decode().split()[1::2]
    assert peers == [f"{inside}/32"], "it has to do with nobody else"
    assert devices(sites.door) == []
    drawn = {(one["caller"], one["callee"]): one["how"] for one in stage.cli("topology", "-o", "json").json["calls"]}
    assert drawn == {("ask", "web"): "mesh", ("bask", "web"): "mesh", ("cask", "here"): "mesh", ("lask", "here"): "lan"}

    sites.bert.run("sh", "-c", "kill -9 $(pidof wireguard-go)")
    eventually(lambda: devices(sites.bert) == [], "its device goes with it")
    healed = stage.apply(*everybody, "--timeout", "90")
    assert "Adjust mesh/bertha: its device" in healed.causes
    assert "Adjust mesh/cave: the device of bertha is another one" in healed.causes, "else it would be two minutes late"
    assert len(healed.actions) == 2, healed
    all_hear(stage, sites)

    before = public(sites.cave, device)
    turned = stage.cli("host", "rotate", "cave", "--timeout", "60")
    assert "mesh/cave rotated" in turned.out
    assert public(sites.cave, device) != before
    assert before not in sites.bert.run("wg", "show", device, "peers").decode(), "nobody knows the old one any more"
    all_hear(stage, sites)
    assert stage.apply(*everybody, "--timeout", "90").actions == []

    stage.delete(*everybody, "--timeout", "90")
    assert [traces(machine) for machine in (sites.bert, sites.cave, sites.door)] == [[], [], []]
    assert device not in devices(None)
    assert not (stage.home / "mesh").exists()


class Apart(Everybody):
    """A container and a process here, and others behind the router. They are found in the mesh by us too."""

    def __init__(self, sites: Sites) -> None:
        super().__init__(sites.lab, [sites.cave])
        self._sites = sites
        self.inside: dict[str, str] = {}

    def hosts(self) -> list[Document]:
        return self._sites.apart()

    def address(self, host: str) -> str:
        return self.inside[host]


@pytest.mark.timeout(600)
def test_H1_H2_H3_H10_H11_two_sites_reach_one_another_whatever_happens_at_either_end(
    stage: Stage, sites: Sites
) -> None:
    """Processes and containers at both: ended at either end with their devices, rebooted, elsewhere in their networks,
    moved. Addresses in the mesh stay.
    """
    apart, cave = Apart(sites), sites.cave
    town = Town(stage, apart)
    town.apply()
    apart.inside = members(stage)
    first = town.lives()
    (device,) = devices(cave)

    cave.run("kill", "-9", str(stage.status_of("native-cave")["instances"][0]["pid"]))
    stage.signal(stage.name("box-local"), "kill")
    cave.run("sh", "-c", "kill -9 $(pidof wireguard-go)")
    end_wireguard(device)
    eventually(lambda: device not in [*devices(cave), *devices(None)], "their devices go with them")
    town.apply()
    second = town.lives()
    assert differing(first, second) == {"native-cave", "box-local"}

    cave.reboot()
    town.apply()
    third = town.lives()
    assert differing(second, third) == {"native-cave", "box-cave"}

    cave.change_address()
    sites.door.change_address()
    apart.change_own_address()
    sites.let_in()
    town.apply()
    assert differing(third, town.lives()) == set(), "nobody is told anything that he did not know"

    apart.homes |= {"native-cave": "local", "box-local": "cave"}
    town.apply()
    town.lives()
    assert town.apply().actions == []
    assert members(stage) == apart.inside


def members(stage: Stage) -> dict[str, str]:
    """Their addresses."""
    return {one["host"]: one["address"] for one in stage.cli("topology", "-o", "json").json["mesh"]}


def end_wireguard(device: str) -> None:
    """Who makes the device here; machines have one of the same name, and all of them are seen from here."""

    def is_it(process: Path) -> bool:
        called = (process / "cmdline").read_bytes().split(b"\0")[:2] == [b"wireguard-go", device.encode()]
        return called and (process / "ns/net").stat().st_ino == Path("/proc/self/ns/net").stat().st_ino

    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if is_it(process):
                os.kill(int(process.name), signal.SIGKILL)

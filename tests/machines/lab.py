"""All machines of a test session, and the networks between them. Everything hangs on pipes of this process: when it
ends, for whatever reason, the kernel takes all of it away.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import absent
from tests.machines.machine import Machine, rig_directory
from tests.machines.namespaces import Namespace

PROGRAMS = ("unshare", "nsenter", "ip", "iptables", "bridge", "busybox", "ssh", "ssh-keygen", "/usr/sbin/sshd")


class Site:
    """A LAN segment. Its addresses are from the range that is set aside for testing networks, 198.18.0.0/15."""

    def __init__(self, switch: Namespace, number: int, ports: Iterator[int]) -> None:
        self._switch, self._bridge, self._ports = switch, f"lan{number}", ports
        self.network = f"198.{18 + number // 256}.{number % 256}"
        self._addresses = itertools.count(2)
        self.gateway = ""
        switch.configure(f"link add {self._bridge} type bridge", f"link set {self._bridge} up")

    def next_address(self) -> str:
        return f"{self.network}.{next(self._addresses)}"

    def plug(self, pid: int, name: str, address: str) -> str:
        """A cable from here to the namespace of a process, where its end is called `name`. Returns ours.

        Whoever has an address again, after a reboot, is known to its neighbours by the same number as before.
        """
        port = f"port{next(self._ports)}"
        number = ":".join(f"{int(part):02x}" for part in address.split("."))
        self._switch.configure(
            f"link add {port} type veth peer name {name} address 02:00:{number} netns {pid}",
            f"link set {port} master {self._bridge}",
            f"link set {port} up",
        )
        return port

    def unplug(self, port: str) -> None:
        """Both ends are gone then, even where a kernel takes its time to clear away what the other one was in."""
        self._switch.run(["ip", "link", "del", port], check=False, wholly=False)

    def block(self, port: str) -> None:
        self._switch.run(["bridge", "link", "set", "dev", port, "state", "0"], wholly=False)

    def unblock(self, port: str) -> None:
        self._switch.run(["bridge", "link", "set", "dev", port, "state", "3"], wholly=False)


class Lab:
    """`lan` is where the test itself is too."""

    def __init__(self, directory: Path, number: int) -> None:
        """`number` tells apart the labs of those who share a network namespace: at most 32."""
        self._directory, self.number = directory, number
        self._machines: list[Machine] = []
        self._ports, self._sites = itertools.count(1), itertools.count(number * 16)
        self.identity = directory / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", self.identity], check=True)
        self._switch = Namespace("switch", ["net"], "")
        self.lan = self.site()
        self._join(self.lan)

    def site(self) -> Site:
        return Site(self._switch, next(self._sites), self._ports)

    def machine(self, name: str, site: Site | None = None, *, engine: bool = False) -> Machine:
        key = self.identity.with_suffix(".pub").read_text().strip()
        made = Machine(name, self._room(name), site or self.lan, key, engine=engine)
        self._machines.append(made)
        return made

    def router(self, name: str, inner: Site) -> Machine:
        """Between `inner` and the LAN, as at the edge of a house: those inside get out, and nobody gets in."""
        made = self.machine(name)
        made.route_for(inner)
        return made

    def end(self) -> None:
        for machine in self._machines:
            machine.end()
        self._switch.end()  # the cables go with it, the one to us too

    def _room(self, name: str) -> Path:
        """Two modules may call theirs alike, and a module that was left for another begins once more."""
        rooms = (self._directory / f"{name}{number}" for number in ("", *range(2, 100)))
        room = next(room for room in rooms if not room.exists())
        room.mkdir()
        return room

    def _join(self, site: Site) -> None:
        """A cable from the LAN to the namespace that the test is in."""
        name = f"lab{self.number}"
        self.address = address = site.next_address()
        """Of the test itself, as machines see it."""
        site.plug(os.getpid(), name, address)
        lines = f"addr add {address}/24 dev {name}\nlink set {name} up\n"
        subprocess.run(["ip", "-batch", "-"], input=lines.encode(), check=True, capture_output=True)


def missing() -> list[str]:
    """What a lab needs and is not there."""
    return [program for program in PROGRAMS if shutil.which(program) is None] + ["root"] * (os.geteuid() != 0)


@contextlib.contextmanager
def opened(*, second: bool = False) -> Iterator[Lab]:
    """In a directory with a short name, for a socket's can't be long. Each worker may have two at once."""
    if lacking := missing():
        absent("root", f"test machines need {', '.join(lacking)}")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw15").removeprefix("gw")
    directory = Path(tempfile.mkdtemp(prefix="lab.", dir=rig_directory() or "/tmp"))
    lab = None
    try:
        lab = Lab(directory, int(worker) + 16 * second)
        yield lab
    finally:
        if lab:
            lab.end()
        shutil.rmtree(directory, ignore_errors=True)

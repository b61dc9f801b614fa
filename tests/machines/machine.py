"""One machine: what it has of its own, what can happen to it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tests.engine_api import Engine
from tests.machines.namespaces import Namespace
from tests.waiting import until

if TYPE_CHECKING:
    from tests.machines.lab import Site

BOOT = """
cd "$1"
for place in root home var/lib; do mount --bind "own/$place" "/$place"; done
for file in passwd shadow group hosts; do mount --bind "own/etc/$file" "/etc/$file"; done
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
cat /proc/sys/kernel/random/uuid > boot_id
mount --bind boot_id /proc/sys/kernel/random/boot_id
echo "$2" > /proc/sys/kernel/hostname
mkdir -p own/sockets /run/sshd
mount --bind own/sockets /mnt
mount --bind own/tmp /tmp
cd /
umask 022
/usr/sbin/sshd -D -e -f /var/lib/sshd/config 2>> /var/lib/sshd/log &
if [ -n "$3" ]; then
  ln -s /mnt/docker.sock /run/docker.sock
  dockerd --config-file=/var/lib/dockerd.json --pidfile=/run/docker.pid --exec-root=/run/docker --cgroup-parent="$3" \\
    --host=unix:///mnt/docker.sock > /var/lib/dockerd.log 2>&1 &
fi
"""
"""With the directory, the name and, for one with an engine, the cgroup. Inside, /tmp hides the directory."""

SSHD = """
HostKey /var/lib/sshd/host_key
AuthorizedKeysFile /var/lib/sshd/authorized/%u
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UseDNS no
PrintMotd no
MaxStartups 100
Match User sparse
  SetEnv PATH=/opt/nowhere:/var/lib/sparse
"""

NOBODY = "/usr/sbin/nologin"
USERS = {
    "root": (0, "/root", "/bin/sh"),
    "tester": (7001, "/home/tester", "/bin/bash"),
    "sparse": (7002, "/home/sparse", "/var/lib/sparse/sh"),
    "mute": (7004, "/home/mute", NOBODY),
}
"""`sparse` has nothing but busybox: no program of another make is on its PATH, its shell included."""

ENGINE_SECONDS = 40.0


class Machine:
    """`directory` outlives a reboot, as disks do."""

    def __init__(self, name: str, directory: Path, site: Site, key: str, *, engine: bool = False) -> None:
        self.name, self.directory, self.site = name, directory, site
        self.address = site.next_address()
        self._legs = [(site, self.address)]
        self._forwards = False
        self._cgroup = f"{_cgroup()}/{directory.parent.name}-{directory.name}" if engine else ""
        _furnish(directory, key)
        _make_host_key(directory)
        self.boot()

    # -- its life

    def boot(self) -> None:
        arguments = [str(self.directory), self.name, self._cgroup]
        kinds = ["net", "mount", "pid", "uts", "ipc", "mount-proc"]
        self._inside = Namespace(self.name, kinds, BOOT, *arguments)
        self._ports = [site.plug(self._inside.pid, f"eth{i}", address) for i, (site, address) in enumerate(self._legs)]
        legs = [f"addr add {address}/24 dev eth{i}" for i, (_, address) in enumerate(self._legs)]
        self._inside.configure("link set lo up", *legs, *(f"link set eth{i} up" for i in range(len(legs))))
        if self.site.gateway and self.site.gateway != self.address:
            self._inside.configure(f"route add default via {self.site.gateway}")
        if self._forwards:
            self._forward()
        self._until_listening()
        if self._cgroup:
            until(self.engine.answers, ENGINE_SECONDS)

    def end(self) -> None:
        """The power goes."""
        self._inside.end()

    def reboot(self) -> None:
        """All that ran is dead, what was in memory is gone, and the kernel has another boot id."""
        self.end()
        for (site, _), port in zip(self._legs, self._ports, strict=True):
            site.unplug(port)  # or who was here before would still answer at its address: that nobody listens
        _empty(self.directory / "own/tmp")
        self.boot()

    # -- what it is

    @property
    def host_key(self) -> str:
        """As it stands in a spec: type and key."""
        return " ".join((self.directory / "own/var/lib/sshd/host_key.pub").read_text().split()[:2])

    @property
    def boot_id(self) -> str:
        return (self.directory / "boot_id").read_text().strip()

    @property
    def engine(self) -> Engine:
        """As seen from the test, around the network."""
        return Engine(f"unix://{self.directory}/own/sockets/docker.sock")

    def run(self, *argv: str, stdin: bytes = b"", check: bool = True) -> bytes:
        """As if at its console."""
        return self._inside.run(argv, stdin=stdin, check=check)

    def processes(self) -> list[str]:
        """The command lines of all that runs there."""
        lines = (_command_line(pid) for pid in self._inside.processes())
        return [line for line in lines if line]

    # -- what happens to it

    def swap_host_key(self, kind: str = "ed25519") -> None:
        """The next connection is answered with another key."""
        _make_host_key(self.directory, kind)
        self.restart_sshd()

    def restart_sshd(self) -> None:
        """All of it at once, with every connection."""
        sshd = [pid for pid in self._inside.processes() if "sshd" in _command_line(pid).split(" ")[0]]
        for pid in sshd:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not any(_command_line(pid) for pid in sshd))
        self.run("/usr/sbin/sshd", "-f", "/var/lib/sshd/config")  # who is in the background before it listens
        self._until_listening()

    def _until_listening(self) -> None:
        until(lambda: b":0016 00000000:0000 0A " in self.run("cat", "/proc/net/tcp"))

    def freeze(self) -> None:
        """Whoever talks to it hears nothing any more, and the connection stands."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    @contextlib.contextmanager
    def partitioned(self) -> Iterator[None]:
        """What is sent to it and by it is lost without a word; the cable stays plugged in. Once it is back, those who
        reached it before do so again: until then a kernel still says that there is no way, of which it is sure.
        """
        reached = self._is_reached()
        for (site, _), port in zip(self._legs, self._ports, strict=True):
            site.block(port)
        try:
            yield
        finally:
            for (site, _), port in zip(self._legs, self._ports, strict=True):
                site.unblock(port)
            until(lambda: self._is_reached() or not reached)

    def _is_reached(self) -> bool:
        try:
            socket.create_connection((self.address, 22), timeout=1).close()
        except OSError:
            return False
        return True

    def change_address(self) -> str:
        """As a lease that was not renewed does."""
        self.address = self.site.next_address()
        self._legs[0] = (self.site, self.address)
        gateway = [f"route add default via {self.site.gateway}"] if self.site.gateway else []
        self._inside.configure("addr flush dev eth0", f"addr add {self.address}/24 dev eth0", *gateway)
        return self.address

    def held_by(self) -> str:
        """The lease that is in force here, of root's account: who holds it, and until when."""
        newest = "ls /root/.local/state/reconciler-hosted/lease/[0-9]* 2>/dev/null | sort -V | tail -n 1"
        words = self.run("sh", "-c", f'file=$({newest}); [ -z "$file" ] || cat "$file"').decode().split()
        return " ".join(words) if words and int(words[2]) > time.monotonic() else ""

    def route_for(self, inner: Site) -> None:
        """A second leg, into `inner`, whose machines it takes out under its own address, and nobody in."""
        address = inner.next_address()
        self._legs.append((inner, address))
        self._ports.append(inner.plug(self._inside.pid, "eth1", address))
        self._inside.configure(f"addr add {address}/24 dev eth1", "link set eth1 up")
        inner.gateway, self._forwards = address, True
        self._forward()

    def _forward(self) -> None:
        self.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        self.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "eth0", "-j", "MASQUERADE")
        self.run("iptables", "-A", "FORWARD", "-i", "eth0", "-m", "state", "--state", "NEW", "-j", "DROP")

    def _signal(self, number: int) -> None:
        for pid in self._inside.processes()[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _furnish(directory: Path, key: str) -> None:
    own = directory / "own"
    for place in ("root", "home", "var/lib/sshd/authorized", "var/lib/sparse", "etc", "sockets"):
        (own / place).mkdir(parents=True)
    (own / "tmp").mkdir()
    (own / "tmp").chmod(0o1777)
    (own / "var/lib/sshd/config").write_text(SSHD)
    (own / "var/lib/dockerd.json").write_text("{}")
    busybox = shutil.which("busybox")
    assert busybox is not None
    subprocess.run([busybox, "--install", "-s", own / "var/lib/sparse"], check=True)
    _write_users(own, key)
    (own / "etc/hosts").write_text("127.0.0.1 localhost\n")


def _make_host_key(directory: Path, kind: str = "ed25519") -> None:
    path = directory / "own/var/lib/sshd/host_key"
    for old in (path, path.with_suffix(".pub")):
        old.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", path], check=True)


def _write_users(own: Path, key: str) -> None:
    accounts = USERS | {"sshd": (7003, "/run/sshd", NOBODY), "nobody": (65534, "/nonexistent", NOBODY)}
    lines = [f"{name}:x:{uid}:{uid}::{home}:{shell}\n" for name, (uid, home, shell) in accounts.items()]
    (own / "etc/passwd").write_text("".join(lines))
    (own / "etc/group").write_text("".join(f"{name}:x:{uid}:\n" for name, (uid, _, _) in accounts.items()))
    (own / "etc/shadow").write_text("".join(f"{name}:*:19000:0:99999:7:::\n" for name in accounts))
    for name, (uid, home, _) in USERS.items():
        (own / "var/lib/sshd/authorized" / name).write_text(f"{key}\n")
        if home.startswith("/home/"):
            (own / home[1:]).mkdir(mode=0o700)
            os.chown(own / home[1:], uid, uid)


def _cgroup() -> str:
    """Beneath the rig's, which takes it away; a machine outside a rig has one beside everybody else's."""
    rig = rig_directory()
    return f"/{rig.name}" if rig else "/reconciler-machines"


def rig_directory() -> Path | None:
    """Of the rig that we are in: what lies there goes with it, even if nobody of us lives to take it away."""
    directory = Path(os.environ.get("DOCKER_HOST", "").removeprefix("unix://")).parent
    return directory if directory.name.startswith("reconciler-rig.") else None


def _empty(directory: Path) -> None:
    for entry in directory.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def _command_line(pid: int) -> str:
    """Empty for who is gone, and for who is dead and not yet buried."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""

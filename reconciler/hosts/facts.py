"""What a machine says about itself: one script, one round trip, and nothing but a POSIX shell needed."""

from __future__ import annotations

import time

from reconciler.errors import Refused
from reconciler.ports import Host
from reconciler.values import dataclass

SCRIPT = r"""
say() { printf '%s=%s\n' "$1" "$2"; }
first() { read -r line < "$1" && say "$2" "$line"; }
found() { command -v "$1" >/dev/null && command -v "$1"; }
now=$(date +%s.%N 2>/dev/null)
case $now in *[!0-9.]*|*.) now=$(date +%s) ;; esac
say now "$now"
say os "$(uname -s)"
say kernel "$(uname -r)"
say arch "$(uname -m)"
say uid "$(id -u)"
say user "$(id -un)"
say home "$HOME"
first /proc/sys/kernel/random/boot_id boot
for socket in "${DOCKER_HOST#unix://}" /var/run/docker.sock "$XDG_RUNTIME_DIR/docker.sock" \
    /run/podman/podman.sock "$XDG_RUNTIME_DIR/podman/podman.sock"; do
  if [ -S "$socket" ] && [ -w "$socket" ]; then say engine "$socket"; break; fi
done
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then say cgroups v2
elif [ -f /sys/fs/cgroup/unified/cgroup.controllers ]; then say cgroups hybrid
elif [ -d /sys/fs/cgroup/pids ] || [ -d /sys/fs/cgroup/memory ]; then say cgroups v1
fi
say wg "$(found wg)"
say wireguard_go "$(found wireguard-go)"
[ -d /sys/module/wireguard ] && say wireguard_kernel yes
[ -w /dev/net/tun ] && say tun yes
say python3 "$(found python3)"
:
"""
DEADLINE = 15.0
VALUE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Facts:
    """Empty where there is no such thing, or nobody would say. All of it is the machine's own word."""

    os: str
    kernel: str
    arch: str
    user: str
    uid: int
    home: str
    boot_id: str
    engine_socket: str
    """Of a container engine that this user may talk to."""
    cgroups: str
    """v2, hybrid or v1."""
    wg: str
    wireguard_go: str
    wireguard_kernel: bool
    tun: bool
    python3: str
    clock_skew: float
    """By how many seconds its clock is ahead of ours."""
    clock_error: float
    """How far from that it may be."""


def facts(host: Host) -> Facts:
    before = time.time()
    done = host.run(["sh", "-c", SCRIPT], deadline=DEADLINE)
    after = time.time()
    if done.exit_code:
        raise Refused(f"host {host.name} can't tell about itself: its shell ended with {done.exit_code}")
    said = _said(done.stdout)
    now, error = _clock(said.get("now", ""), after - before)
    return Facts(
        os=said.get("os", ""),
        kernel=said.get("kernel", ""),
        arch=said.get("arch", ""),
        user=said.get("user", ""),
        uid=int(said["uid"]) if said.get("uid", "").isdecimal() else -1,
        home=said.get("home", ""),
        boot_id=said.get("boot", ""),
        engine_socket=said.get("engine", ""),
        cgroups=said.get("cgroups", ""),
        wg=said.get("wg", ""),
        wireguard_go=said.get("wireguard_go", ""),
        wireguard_kernel="wireguard_kernel" in said,
        tun="tun" in said,
        python3=said.get("python3", ""),
        clock_skew=now - (before + after) / 2,
        clock_error=error,
    )


def _said(output: bytes) -> dict[str, str]:
    """Nothing in it may move a cursor, and nobody talks for long."""
    lines = (line.partition("=") for line in output.decode(errors="replace").splitlines())
    return {key: "".join(c if c.isprintable() else "?" for c in value)[:VALUE_LENGTH] for key, _, value in lines}


def _clock(now: str, took: float) -> tuple[float, float]:
    """Not every `date` knows parts of a second."""
    whole, _, part = now.partition(".")
    if not whole.isdecimal():
        raise Refused("its clock can't be read")
    return (float(now), took / 2) if part.isdecimal() else (int(whole) + 0.5, took / 2 + 0.5)

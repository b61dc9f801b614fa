"""What to ask a machine about itself, and how to read its answer. Nothing but a POSIX shell is needed there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import inf

from reconciler.model.hostfacts import HostFacts
from reconciler.model.observed import View

SCRIPT = r"""
say() { printf 'fact %s %s\n' "$1" "$2"; }
first() { read -r line < "$1" && say "$2" "$line"; } 2>/dev/null
found() { printf 'fact %s ' "$1"; command -v "$2" || echo; }
system() {
  set -- $(uname -srm)
  say os "$1"
  say kernel "$2"
  say arch "$3"
}
user() {
  set -- "$(id)"
  set -- "${1#uid=}"
  say uid "${1%%[!0-9]*}"
  set -- "${1#*(}"
  say user "${1%%)*}"
}
now=$(date +%s.%N 2>/dev/null)
case $now in *[!0-9.]*|*.) now=$(date +%s) ;; esac
say now "$now"
system
user
say home "$HOME"
first /proc/sys/kernel/random/boot_id boot
for socket in "${DOCKER_HOST#unix://}" /var/run/docker.sock "$XDG_RUNTIME_DIR/docker.sock" \
    /run/podman/podman.sock "$XDG_RUNTIME_DIR/podman/podman.sock"; do
  if [ -S "$socket" ] && [ -w "$socket" ]; then say engine "$socket"; break; fi
  [ -S "$socket" ] && say locked "$socket"
done
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then say cgroups v2
elif [ -f /sys/fs/cgroup/unified/cgroup.controllers ]; then say cgroups hybrid
elif [ -d /sys/fs/cgroup/pids ] || [ -d /sys/fs/cgroup/memory ]; then say cgroups v1
fi
found wg wg
found wireguard_go wireguard-go
[ -d /sys/module/wireguard ] && say wireguard_kernel yes
[ -w /dev/net/tun ] && say tun yes
found python3 python3
:
"""
"""Asked with each look, so it forks as little as it can."""
VALUE_LENGTH = 200


def read(lines: Iterable[str], before: float, after: float) -> HostFacts:
    """`before` and `after` it was asked, by our own clock."""
    said = _said(lines)
    skew, error = _clock(said.get("now", ""), before, after)
    return HostFacts(
        os=said.get("os", ""),
        kernel=said.get("kernel", ""),
        arch=said.get("arch", ""),
        user=said.get("user", ""),
        uid=int(said["uid"]) if said.get("uid", "").isdecimal() else -1,
        home=said.get("home", ""),
        boot_id=said.get("boot", ""),
        engine_socket=said.get("engine", ""),
        locked_socket=said.get("locked", ""),
        cgroups=said.get("cgroups", ""),
        wg=said.get("wg", ""),
        wireguard_go=said.get("wireguard_go", ""),
        wireguard_kernel="wireguard_kernel" in said,
        tun="tun" in said,
        python3=said.get("python3", ""),
        clock_skew=skew,
        clock_error=error,
    )


def explained(views: tuple[View, ...]) -> tuple[View, ...]:
    """Why an engine elsewhere does not answer, where the account there has seen why."""
    seen = {view.host: view.machine for view in views if view.machine}
    return tuple(_locked(view, facts) if (facts := seen.get(view.host)) else view for view in views)


def _locked(view: View, facts: HostFacts) -> View:
    if view.reachable or view.runtime != "docker" or facts.engine_socket or not facts.locked_socket:
        return view
    problem = f"user {facts.user} may not speak to the container engine at {facts.locked_socket} of host {view.host}"
    hint = f"add {facts.user} to its group there (`sudo usermod -aG docker {facts.user}`); processes go on without"
    return replace(view, problem=problem, hint=hint)


def _said(lines: Iterable[str]) -> dict[str, str]:
    """Nothing in it may move a cursor, and nobody talks for long."""
    facts = (line.split(" ", 2) for line in lines if line.startswith("fact "))
    return {word: _harmless(value) for _, word, value in (f for f in facts if len(f) == 3)}


def _harmless(value: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in value)[:VALUE_LENGTH]


def _clock(now: str, before: float, after: float) -> tuple[float, float]:
    """By how much it is ahead of ours, and how far from that it may be. Not every `date` knows parts of a second."""
    whole, _, part = now.partition(".")
    middle, error = (before + after) / 2, (after - before) / 2
    if not whole.isdecimal():
        return 0.0, inf
    return (float(now) - middle, error) if part.isdecimal() else (int(whole) + 0.5 - middle, error + 0.5)

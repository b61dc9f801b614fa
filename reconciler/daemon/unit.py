"""The unit under which systemd looks after the daemon. A value; who writes it where is for others."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping

from reconciler.values import dataclass

NAME = "reconciler.service"
WATCHDOG_SECONDS = 60
KEPT = ("PATH", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME")
"""What it finds programs, its engine and its settings by, as whoever installs it does."""

TEXT = """\
[Unit]
Description=reconciler: keeps what {home} declares
After=network-online.target docker.service podman.socket
Wants=network-online.target

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
{environment}Restart=always
RestartSec=1
WatchdogSec={watchdog}
TimeoutStopSec=20
# Only the daemon is stopped: what it looks after goes on running.
KillMode=process
# Workloads have control groups of their own below ours.
Delegate=yes

[Install]
WantedBy={target}
"""


@dataclass(frozen=True, slots=True)
class Unit:
    path: str
    text: str
    systemctl: str
    """The command that speaks to the right systemd: the machine's, or the user's own."""


def unit(home: str, flags: list[str], environment: Mapping[str, str], *, root: bool) -> Unit:
    config = environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME', '/root')}/.config"
    place = "/etc/systemd/system" if root else f"{config}/systemd/user"
    command = [sys.executable, "-m", "reconciler", "--home", home, "daemon", "run", *flags]
    text = TEXT.format(
        home=_escaped(home),
        command=_escaped(shlex.join(command)),
        environment="".join(
            f"Environment={_escaped(shlex.quote(f'{name}={environment[name]}'))}\n"
            for name in KEPT
            if environment.get(name)
        ),
        watchdog=WATCHDOG_SECONDS,
        target="multi-user.target" if root else "default.target",
    )
    return Unit(f"{place}/{NAME}", text, "systemctl" if root else "systemctl --user")


def _escaped(text: str) -> str:
    """A percent sign or a dollar means something to systemd."""
    return text.replace("%", "%%").replace("$", "$$")

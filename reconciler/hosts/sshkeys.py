"""The keys by which a host is known: pinned, trusted on a person's word, or in the user's own known_hosts."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.hosts.running import run
from reconciler.hosts.sshline import Target
from reconciler.hosts.sshsaid import PINNED

SECONDS = 5.0
EVERYBODY = "/etc/ssh/ssh_known_hosts"


def known(target: Target, ours: Path) -> list[str]:
    """As lines of known_hosts: the pin alone, where there is one, else those that we were told to trust first."""
    if target.host_key:
        return [f"{PINNED} {target.host_key}"]
    said = _configured(target)
    name = said.get("hostkeyalias") or _name(said.get("hostname", target.host), said.get("port", "22"))
    files = [str(ours), *said.get("userknownhostsfile", "").split(), EVERYBODY]
    return [line for file in files for line in _lines(name, os.path.expanduser(file))]  # noqa: PTH111 -- ssh's own words


def _configured(target: Target) -> dict[str, str]:
    """What ssh makes of it, by the user's own configuration too. Nobody is connected to."""
    config = ["-F", target.config] if target.config else []
    port = ["-p", str(target.port)] if target.port else []
    done = run(["ssh", "-G", *config, *port, "--", target.host], deadline=SECONDS)
    words = (line.partition(" ") for line in done.stdout.decode(errors="replace").splitlines())
    return {word: rest for word, _, rest in words}


def _name(host: str, port: str) -> str:
    return host if port == "22" else f"[{host}]:{port}"


def _lines(name: str, file: str) -> list[str]:
    if not Path(file).is_file():
        return []
    done = run(["ssh-keygen", "-F", name, "-f", file], deadline=SECONDS)
    lines = done.stdout.decode(errors="replace").splitlines()
    return [line for line in lines if line and not line.startswith(("#", "@"))]

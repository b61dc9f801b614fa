"""Under which address an editor finds the directory of a workload. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from reconciler.kinds.host import SshAccess

PLAIN = re.compile(r"[a-z0-9_.@-]+")
"""What stands in an address as it is. Editors fold capitals, and take a colon for their own."""


def in_container(name: str, path: str, *, context: str = "", host: str = "") -> str:
    """`name` on the engine that the editor finds by itself; else on that of a context, or of a DOCKER_HOST."""
    if context or host:
        where = {"context": context} if context else {"host": host}
        name = json.dumps({"containerName": f"/{name}", "settings": where}, separators=(",", ":"))
    return f"vscode-remote://attached-container+{name.encode().hex()}{quote(path)}"


def on_machine(path: str, way: SshAccess | None = None) -> str:
    """A plain directory; of another machine as ssh reaches it."""
    return f"vscode-remote://ssh-remote+{_machine(way)}{quote(path)}" if way else f"file://{quote(path)}"


def engine_of(way: SshAccess, socket: str) -> str:
    """The DOCKER_HOST by which an engine is reached over ssh; `socket` only where it is not the usual one."""
    user = f"{way.user}@" if way.user else ""
    host = f"[{way.host}]" if ":" in way.host else way.host
    return f"ssh://{user}{host}{f':{way.port}' if way.port else ''}{socket}"


def _machine(way: SshAccess) -> str:
    plain = f"{way.user}@{way.host}" if way.user else way.host
    if way.port is None and PLAIN.fullmatch(plain):
        return plain
    words = {"hostName": way.host, "user": way.user, "port": way.port}
    return json.dumps({k: v for k, v in words.items() if v}, separators=(",", ":")).encode().hex()

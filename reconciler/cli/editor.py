"""Under which address an editor finds the directory of a workload. Pure."""

from __future__ import annotations

import json
from urllib.parse import quote


def in_container(name: str, path: str, *, context: str = "", host: str = "") -> str:
    """`name` on the engine that the editor finds by itself; else on that of a context, or of a DOCKER_HOST."""
    if context or host:
        where = {"context": context} if context else {"host": host}
        name = json.dumps({"containerName": f"/{name}", "settings": where}, separators=(",", ":"))
    return f"vscode-remote://attached-container+{name.encode().hex()}{quote(path)}"


def on_machine(path: str, *, machine: str = "") -> str:
    """A plain directory; of another machine as ssh reaches it."""
    return f"vscode-remote://ssh-remote+{machine}{quote(path)}" if machine else f"file://{quote(path)}"

"""What an engine holds of one namespace as a short text, the same for as long as nothing that could matter changes.

That is what wears the namespace's label, whoever's it is, what has a name as its things have, and what is on its
networks. Others can't matter to who is there, has his name and his ports, and runs: the engine gives away each of
these once.

Apart from `wire`, and with next to nothing imported, since whoever asks it has 30 ms to live.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterable, Sequence
from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LISTS = ("/containers/json?all=1", "/networks", "/volumes")
"""Unfiltered: foreign things hold names and ports too."""
BUFFERED = 256
"""So many events an engine remembers. Who finds fewer of them has seen all."""
NAMESPACE = "dev.reconciler.namespace"
"""As the table of labels says, which is not imported here; a test holds the two together."""
FRESH = "Less than a second"
CODE = re.compile(r"\(\d+\)")
UNORDERED = ("Names", "Ports", "Mounts")
"""Lists that the engine tells in the order in which it happens to come by."""


def glance(path: str, namespace: str, since: float, seconds: float) -> str:
    """Of the engine behind a unix socket. Raises OSError or ValueError for one that does not answer wholly.

    Limits and the engine's restart policy stand in no list. So its events tell whether any were changed `since`.
    """
    deadline = time.monotonic() + seconds
    events = f"/events?since={since:.6f}&until={time.time():.6f}"
    asked = [_ask(path, target, deadline) for target in (*LISTS, events)]
    *lists, happened = [_answer(connection, deadline) for connection in asked]
    return digest([json.loads(told) for told in lists], namespace) if _untouched(happened, namespace) else ""


def _untouched(events: bytes, namespace: str) -> bool:
    """An event of a container tells its labels along."""
    told = [json.loads(line) for line in events.splitlines()]
    updated = (event["Actor"]["Attributes"] for event in told if event.get("Action") == "update")
    return len(told) < BUFFERED and all(worn.get(NAMESPACE) != namespace for worn in updated)


def digest(lists: Sequence[Any], namespace: str) -> str:
    """Of the lists as they came. Empty while something is so young that it may not stay."""
    containers, networks, volumes = lists
    ours = [item for item in containers if _matters(item, item.get("Names") or [], namespace)]
    if any(FRESH in str(item.get("Status")) for item in ours):
        return ""
    world = [
        sorted((_steady(item) for item in ours), key=_id),
        sorted((item for item in networks if _matters(item, [item["Name"]], namespace)), key=_id),
        sorted((item for item in volumes["Volumes"] or [] if _matters(item, [item["Name"]], namespace)), key=_id),
    ]
    return sha256(json.dumps(world, sort_keys=True).encode()).hexdigest()


def digest_of_ours(containers: Sequence[Any]) -> str:
    """Of a list of nothing but ours, whatever their namespaces; for who looks again and again."""
    world = sorted((_steady(item) for item in containers), key=_id)
    return sha256(json.dumps(world, sort_keys=True).encode()).hexdigest()


def _matters(item: dict[str, Any], names: Iterable[str], namespace: str) -> bool:
    joined = (item.get("NetworkSettings") or {}).get("Networks") or {}
    labelled = (item.get("Labels") or {}).get(NAMESPACE) == namespace
    return labelled or any(name.removeprefix("/").startswith(f"{namespace}-") for name in (*names, *joined))


def _id(item: dict[str, Any]) -> str:
    return str(item.get("Id") or item["Name"])


def _steady(item: dict[str, Any]) -> dict[str, Any]:
    """Without its age. How it ended stays: "Exited (1) 3 minutes ago" is told with the code."""
    status = str(item.get("Status"))
    word, code = status.partition(" ")[0], CODE.search(status)
    lists = {name: sorted(item.get(name) or [], key=str) for name in UNORDERED}
    return {**item, **lists, "Status": [word, code and code[0]]}


def _ask(path: str, target: str, deadline: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(max(deadline - time.monotonic(), 0.001))
    connection.connect(path)
    connection.sendall(f"GET {target} HTTP/1.0\r\nHost: engine\r\n\r\n".encode())
    return connection


def _answer(connection: socket.socket, deadline: float) -> bytes:
    """A body that was cut off is no JSON."""
    pieces = []
    with connection:
        while True:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            piece = connection.recv(1 << 20)
            if not piece:
                break
            pieces.append(piece)
    head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    if head[9:12] != b"200":
        raise ValueError("no answer")
    return body

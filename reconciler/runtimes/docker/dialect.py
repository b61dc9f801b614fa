"""Podman's socket speaks Docker's language with an accent. All that it says otherwise is put into Docker's words here,
so that nobody else has to know whom he speaks with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

SAYINGS: tuple[tuple[re.Pattern[str], int, str], ...] = tuple(
    (re.compile(pattern), status, words)
    for pattern, status, words in (
        (r'the container name "(\S+)" is already in use by (\w+)', 409, r"the name \1 is in use by container \2"),
        (r"network name (\S+) already used", 409, r"network \1 already exists"),
        (r"can only (?:kill|create exec sessions on) running containers", 409, "the container is not running"),
        (r"has associated containers with it", 403, "the network has active endpoints"),
        (r"volume (\S+) is being used by the following container\(s\): (\w+)", 409, r"volume \1 is in use by \2"),
        (r"already (?:being removed|in the process of being removed)", 409, "removal is already in progress"),
        (r'unknown user error looking up user "(.*?)"', 400, r"the image knows no user '\1'"),
    )
)
"""What Podman says, with the status that Docker gives for it (it has one for nearly everything: 500) and its words."""


def engine_name(version: Mapping[str, Any]) -> str:
    """Of its answer about its version: `podman` or `docker`."""
    parts = [str(part.get("Name")) for part in version.get("Components") or ()]
    return "podman" if "Podman Engine" in parts else "docker"


def as_docker(status: int, body: bytes) -> tuple[int, bytes]:
    """A refusal as Docker would have given it."""
    try:
        message = str(json.loads(body)["message"])
    except (ValueError, RecursionError, KeyError, TypeError):
        return status, body
    for pattern, meant, words in SAYINGS:
        if found := pattern.search(message):
            return meant, json.dumps({"message": found.expand(words)}).encode()
    return status, body


def signal_name(told: str) -> str:
    """Of a container's own stop signal, which Podman tells as a number."""
    if not told.isdecimal():
        return told
    from signal import Signals  # noqa: PLC0415 -- for those who speak with Podman

    return Signals(int(told)).name


def is_noise(output: bytes) -> bool:
    """What Podman mixes into a command's output when that ends while its input still flows."""
    return output.startswith(b"Error: ") and b" unixpacket @->/proc/self/fd/" in output

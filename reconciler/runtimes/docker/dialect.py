"""Podman's socket speaks Docker's language with an accent. All that it says otherwise is put into Docker's words here,
so that nobody else has to know whom he speaks with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.model import labels
from reconciler.model.observed import Facts, Phase

JSON = Mapping[str, Any]

MARK = "container=podman"
"""In the environment of all that it makes."""
OWN_VARIABLES = frozenset({"container", "TERM", "HOME", "HOSTNAME"})
UNTOLD = frozenset({"devices", "gpus", "cap_add", "cap_drop"})  # rights are told as what came of them
PHASES = {
    "configured": Phase.CREATED,
    "initialized": Phase.CREATED,
    "stopping": Phase.RUNNING,
    "stopped": Phase.EXITED,
}
"""Of its own states: `stopped` has ended, and only waits to be cleaned up after."""
OWN_NETWORK = "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9"
"""The id of the one that each Podman has."""
FIXED = frozenset({"limits", "engine_restart"})
EVERYBODY = "0.0.0.0"  # noqa: S104 -- compared with, not bound

STEP = re.compile(r"STEP (\d+/\d+): (.*)")
LABEL = re.compile(r'^LABEL "([^"]*)"=')

SAYINGS: tuple[tuple[re.Pattern[str], int, str], ...] = tuple(
    (re.compile(pattern), status, words)
    for pattern, status, words in (
        (r'the container name "(\S+)" is already in use by (\w+)', 409, r"the name \1 is in use by container \2"),
        (r"network name (\S+) already used", 409, r"network \1 already exists"),
        (r"can only (?:kill|create exec sessions on) running containers", 409, "the container is not running"),
        (r"is running or paused, refusing to clean up", 409, "the container is paused"),
        (r"as it is (\w+) - running or paused containers cannot be removed", 409, r"the container is \1"),
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


def ignores_limits(facts: Mapping[str, Any]) -> bool:
    """Of its answers about its version and about itself: without a word, and it tells of its containers as if none had
    been asked for.
    """
    return engine_name(facts) == "podman" and bool(facts.get("Rootless")) and str(facts.get("CgroupVersion")) == "1"


def understandable(create: dict[str, Any]) -> dict[str, Any]:
    """The body of a create as Podman has to be told it. By 0.0.0.0 it means nobody: its firewall lets in only what is
    sent to that very address. Everybody is meant by none.
    """
    asked = create["HostConfig"]["PortBindings"]
    opened = {inside: [_opened(place) for place in places] for inside, places in asked.items()}
    return {**create, "HostConfig": {**create["HostConfig"], "PortBindings": opened}}


def _opened(place: dict[str, str]) -> dict[str, str]:
    return {**place, "HostIp": ""} if place["HostIp"] == EVERYBODY else place


def bound_to(address: str) -> str:
    """Of a port in its list."""
    return address or EVERYBODY


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


def familiar(image: str, asked: str) -> str:
    """Podman tells an image by its whole name, and so never as one asked for it; that is what others compare."""
    places = ("docker.io/library/", "docker.io/", "localhost/")
    names = {f"{place}{name}" for place in places for name in (asked, f"{asked}:latest")}
    return asked if asked and image in {*names, f"{asked}:latest"} else image


def network_name(name: str) -> str:
    """The one where those are who asked for none: Podman lists it as Docker does, but its members as in `podman`."""
    return "bridge" if name == "podman" else name


def all_networks(listed: Sequence[JSON]) -> Sequence[JSON]:
    """With the host's own, which containers may join though Podman does not list it."""
    names = {network["Id"]: network["Name"] for network in listed}
    told = OWN_NETWORK not in names or "host" in names.values()
    return listed if told else [*listed, {"Id": "host", "Name": "host"}]


def described(inspected: JSON, image: JSON | None) -> tuple[JSON, JSON | None]:
    """A container and the config of its image, as if Docker had made the one from the other: what Podman fills in by
    itself counts as given by the image.
    """
    config, host = inspected["Config"], inspected["HostConfig"]
    if MARK not in (config.get("Env") or ()):
        return inspected, image
    asked = str((config.get("Labels") or {}).get(labels.IMAGE, ""))
    joined = (inspected.get("NetworkSettings") or {}).get("Networks") or {}
    told = {
        **inspected,
        "NetworkSettings": {"Networks": {network_name(name): one for name, one in joined.items()}},
        "Config": {**config, "Image": familiar(str(config.get("Image") or ""), asked)},
        "HostConfig": {**host, "CapDrop": []} if host.get("Privileged") else host,  # it tells what the machine lacks
    }
    own = [text for text in config["Env"] if text.partition("=")[0] in OWN_VARIABLES]
    if image is None:
        return told, None
    given = image.get("Config") or {}
    env, directory = [*(given.get("Env") or ()), *own], given.get("WorkingDir") or "/"
    return told, {**image, "Config": {**given, "Env": env, "WorkingDir": directory}}


def understood(facts: Facts, inspected: JSON) -> Facts:
    """Without what its inspection does not tell, or not wholly; and with what it can't change on the living thing."""
    if MARK not in (inspected["Config"].get("Env") or ()):
        return facts
    told = {name: value for name, value in facts.fields.items() if name not in UNTOLD}
    return replace(facts, fields=told, fixed=FIXED)


def signal_name(told: str) -> str:
    """Of a container's own stop signal, which Podman tells as a number."""
    if not told.isdecimal():
        return told
    from signal import Signals  # noqa: PLC0415 -- for those who speak with Podman

    return Signals(int(told)).name


def build_line(line: str) -> str:
    """What a build tells, in Docker's form: `STEP 2/3: LABEL "a"="b"` is `Step 2/3 : LABEL a="b"`."""
    found = STEP.match(line)
    if not found:
        return line
    number, done = found.groups()
    return f"Step {number} : " + LABEL.sub(r"LABEL \1=", done)


def is_noise(output: bytes) -> bool:
    """What Podman mixes into a command's output when that ends while its input still flows."""
    return output.startswith(b"Error: ") and b" unixpacket @->/proc/self/fd/" in output

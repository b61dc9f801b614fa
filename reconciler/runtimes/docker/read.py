"""The engine's JSON as observations. Pure: nothing here asks anybody anything.

Everything is read, foreign things too: they hold names and ports, and a person may want to know them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from reconciler.model import labels
from reconciler.model.observed import INSTANCE, Binding, Facts, Observed, Phase, Stranger
from reconciler.runtimes.docker import dialect
from reconciler.runtimes.docker.adopted import Record
from reconciler.runtimes.docker.facts import facts
from reconciler.runtimes.docker.uptime import Moments, exit_code

RUNTIME = "docker"
JSON = Mapping[str, Any]

PHASES = {
    "created": Phase.CREATED,
    "running": Phase.RUNNING,
    "restarting": Phase.RUNNING,
    "paused": Phase.PAUSED,
    "exited": Phase.EXITED,
    "dead": Phase.EXITED,
    "removing": Phase.REMOVING,
    **dialect.PHASES,
}
DETAILS = {
    "restarting": "the engine is restarting it",
    "dead": "the engine could not remove it wholly",
}


def containers(
    items: Any, owner: str, moments: Moments, now: float, known_networks: Collection[str] | None = None,
    adopted: Record | None = None,
) -> tuple[Observed, ...]:  # fmt: skip
    """All of a list. Raises KeyError, TypeError or ValueError for what is no list of containers."""
    listed = (container(item, owner, moments, now, known_networks) for item in _listed(items))
    found = tuple(as_adopted(one, adopted[one.id], owner) if adopted and one.id in adopted else one for one in listed)
    moments.forget_all_but({one.id for one in found})
    return found


def made_from(items: Any) -> dict[str, str]:
    """The image of each container of a list, by id."""
    return {item["Id"]: str(item.get("ImageID") or "") for item in _listed(items)}


def networks(items: Any, owner: str) -> tuple[Observed, ...]:
    return tuple(network(item, owner) for item in dialect.all_networks(_listed(items)))


def volumes(answer: Any, owner: str) -> tuple[Observed, ...]:
    """No volumes at all are written as null. A warning about some driver makes the rest no less true."""
    return tuple(volume(item, owner) for item in _listed(answer["Volumes"] or []))


def container(
    item: JSON, owner: str, moments: Moments, now: float, known_networks: Collection[str] | None = None
) -> Observed:
    state, status = str(item["State"]), str(item.get("Status") or "")
    phase = PHASES.get(state, Phase.UNKNOWN)
    restarting = state == "restarting"
    ended = phase is Phase.EXITED or restarting
    runs = phase in {Phase.RUNNING, Phase.PAUSED} and not restarting
    identity = _text(item["Id"])
    seen = Observed(
        id=identity,
        name=_name(item),
        kind=INSTANCE,
        runtime=RUNTIME,
        phase=phase,
        bindings=tuple(sorted(_bindings(item, runs=runs), key=lambda b: (b.port, b.protocol, b.address))),
        networks=tuple(sorted(_networks(item, known_networks))),
        exit_code=exit_code(status) if ended else None,
        started_at=moments.tell(identity, "start", status, now) if runs else None,
        finished_at=moments.tell(identity, "end", status, now) if ended else None,
        image=str(item.get("Image") or ""),
        detail=DETAILS.get(state, "" if phase is not Phase.UNKNOWN else f"the engine calls it {state!r}"),
        restarting=restarting,
    )
    return _owned(seen, _labels(item), owner, indexed=True)


def as_adopted(seen: Observed, worn: Mapping[str, str], owner: str) -> Observed:
    """As if it wore these labels. What its own say of another installation stays true."""
    if seen.owner:
        return seen
    found = _owned(seen, worn, owner, indexed=True)
    return replace(found, adopted=True, image=found.made_from or found.image) if found.key else seen


def strangers(items: Any, moments: Moments, now: float) -> Iterator[Stranger]:
    """All of a list, ours too; whoever asks knows which those are."""
    for item in _listed(items):
        worn = {str(name): str(value) for name, value in (item.get("Labels") or {}).items()}
        published = {
            f"{port['PrivatePort']}/{port.get('Type') or 'tcp'}": int(port["PublicPort"])
            for port in item.get("Ports") or ()
            if port.get("PublicPort")
        }
        yield Stranger(container(item, "", moments, now), worn, str(item.get("ImageID") or ""), published)


def network(item: JSON, owner: str) -> Observed:
    addresses = (item.get("IPAM") or {}).get("Config") or []
    seen = Observed(
        id=_text(item["Id"]),
        name=_text(item["Name"]),
        kind="network",
        runtime=RUNTIME,
        gateway=_gateway(addresses),
    )
    return _owned(seen, _labels(item), owner, indexed=False)


def _gateway(addresses: list[JSON]) -> str:
    """Of a subnet that somebody chose, the host has the first address, and the engine does not say so."""
    told = next((str(one["Gateway"]).partition("/")[0] for one in addresses if one.get("Gateway")), "")
    subnet = next((str(one["Subnet"]) for one in addresses if one.get("Subnet")), "")
    if told or not subnet:
        return told
    from ipaddress import ip_network  # noqa: PLC0415 -- few choose one

    return str(ip_network(subnet)[1])


def volume(item: JSON, owner: str) -> Observed:
    seen = Observed(id=_text(item["Name"]), name=item["Name"], kind="volume", runtime=RUNTIME)
    return _owned(seen, _labels(item), owner, indexed=False)


def deepened(seen: Observed, inspected: JSON, image: JSON | None = None, stale: str = "") -> Observed:
    """The same container, with what only a closer look tells. `image` is the one that it was made from."""
    state = inspected["State"]
    in_hosts = inspected["HostConfig"].get("NetworkMode") == "host" and not seen.networks
    ended = seen.phase is Phase.EXITED or seen.restarting
    causes = ("OOM killed" if state.get("OOMKilled") else "", str(state.get("Error") or ""))
    return replace(
        seen,
        pid=_whole(state.get("Pid")) or None,
        networks=("host",) if in_hosts else seen.networks,  # not every engine counts it as a network
        started_at=moment(state.get("StartedAt")) if seen.phase is not Phase.CREATED else None,
        finished_at=moment(state.get("FinishedAt")) if ended else None,
        exit_code=_whole(state.get("ExitCode")) if ended else None,
        detail="; ".join(text for text in (*causes, seen.detail) if text),
        facts=_of_ones_own(seen, dialect.understood(facts(*dialect.described(inspected, image), stale), inspected)),
    )


def _of_ones_own(seen: Observed, found: Facts) -> Facts:
    """An adopted one was made from the image that its spec names, by whatever name."""
    if not (seen.adopted and seen.made_from):
        return found
    return replace(found, fields={**found.fields, "image": seen.made_from})


def moment(text: str | None) -> float | None:
    """Seconds since 1970. The engine writes nanoseconds, and the year 1 for never."""
    if not text or text.startswith("0001-"):
        return None
    whole, _, rest = text.rstrip("Z").partition(".")
    fraction = "".join(character for character in rest if character.isdecimal())[:6]
    return datetime.fromisoformat(f"{whole}.{fraction or '0':0<6}+00:00").timestamp()


def _listed(items: Any) -> list[JSON]:
    if not isinstance(items, list):
        raise TypeError(f"a list was expected, not {type(items).__name__}")
    return items


def _text(value: Any) -> str:
    """By what things are told apart has to be what it should be: an engine elsewhere may say anything."""
    if not isinstance(value, str):
        raise TypeError(f"a text was expected, not {type(value).__name__}")
    return value


def _whole(value: Any) -> int | None:
    if not (value is None or isinstance(value, int)):
        raise TypeError(f"a number was expected, not {type(value).__name__}")
    return value


def _labels(item: JSON) -> Mapping[str, str]:
    return {name: _text(value) for name, value in (item.get("Labels") or {}).items()}


def _name(item: JSON) -> str:
    """Links of other containers stand among the names too, as /other/alias. One that is being removed may have none."""
    names = [name.removeprefix("/") for name in item.get("Names") or []]
    return next((name for name in names if "/" not in name), str(item["Id"])[:12])


def _networks(item: JSON, known: Collection[str] | None) -> Iterator[str]:
    """A container keeps the id of a network that was removed under it, and will not start in a new one of its name."""
    for name, joined in (item.get("NetworkSettings", {}).get("Networks") or {}).items():
        identity = (joined or {}).get("NetworkID")
        if known is None or identity in known or identity in {None, "", name}:  # Podman joins by name, and keeps no id
            yield dialect.network_name(name)


def _bindings(item: JSON, *, runs: bool) -> Iterator[Binding]:
    """Podman lists those of who does not run too, but nobody holds them."""
    for port in (item.get("Ports") or []) if runs else ():
        if port.get("PublicPort"):
            inside = int(port.get("PrivatePort") or 0)
            address = dialect.bound_to(str(port.get("IP") or ""))
            yield Binding(int(port["PublicPort"]), str(port.get("Type") or "tcp"), address, inside)


def _owned(seen: Observed, worn: Mapping[str, str], owner: str, *, indexed: bool) -> Observed:
    """Ours only when the labels are whole and the owner is us. Whoever else wears them keeps its owner's name."""
    wearer = worn.get(labels.OWNER, "")
    key = labels.read_key(worn)
    fingerprint = worn.get(labels.FINGERPRINT, "")
    whole = key is not None and (key.index is not None) == indexed and bool(fingerprint)
    if not whole or wearer != owner:
        return replace(seen, owner=wearer)
    return replace(
        seen,
        key=key,
        owner=wearer,
        fingerprint=fingerprint,
        generation=labels.read_generation(worn),
        made_from=worn.get(labels.IMAGE, ""),
        grants=labels.read_grants(worn),
        image=dialect.familiar(seen.image, worn.get(labels.IMAGE, "")),
    )

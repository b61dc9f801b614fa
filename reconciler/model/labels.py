"""The one table of labels. Whoever writes one and whoever reads one does it through here."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.desired import ContainerPayload, Desired
from reconciler.model.key import Key
from reconciler.model.observed import Grant

PREFIX = "dev.reconciler"
OWNER = f"{PREFIX}.owner"
NAMESPACE = f"{PREFIX}.namespace"
KIND = f"{PREFIX}.kind"
NAME = f"{PREFIX}.name"
INDEX = f"{PREFIX}.index"
FINGERPRINT = f"{PREFIX}.fingerprint"
PORTS = f"{PREFIX}.ports"
GENERATION = f"{PREFIX}.generation"
IMAGE = f"{PREFIX}.image"
PULL = f"{PREFIX}.pull"
"""`Always`, where it is to be made anew as soon as its image's name means another one."""
ALWAYS = "Always"
BUILT_BY = f"{PREFIX}.build.owner"
BUILT_FOR = f"{PREFIX}.build.for"
"""On an image that we have built: for whom, as namespace/name. Not what containers wear, who inherit all of this."""
BUILT_FROM = f"{PREFIX}.build.digest"
MOST_INDEX, MOST_GENERATION = 10**6, 10**12
NONE = "none"
"""A fingerprint that nothing has."""


def write(desired: Desired) -> dict[str, str]:
    """The labels that say what a thing is and whose."""
    key = desired.key
    labels = {
        OWNER: desired.owner,
        NAMESPACE: key.namespace,
        KIND: key.kind,
        NAME: key.name,
        FINGERPRINT: desired.fingerprint,
        GENERATION: str(desired.generation),
    }
    if key.index is not None:
        labels[INDEX] = str(key.index)
    if isinstance(desired.payload, ContainerPayload):
        labels[IMAGE] = desired.payload.image
        if desired.payload.pull_policy == ALWAYS:
            labels[PULL] = ALWAYS
    if desired.grants:
        labels[PORTS] = write_grants(desired.grants)
    return labels


def read_key(labels: Mapping[str, str]) -> Key | None:
    """Whom the labels speak of; None when they are not ours or not whole."""
    kind, namespace, name = (labels.get(part, "") for part in (KIND, NAMESPACE, NAME))
    if not (kind and namespace and name):
        return None
    return Key(kind, namespace, name, number(labels.get(INDEX, ""), MOST_INDEX))


def read_generation(labels: Mapping[str, str]) -> int:
    return number(labels.get(GENERATION, ""), MOST_GENERATION) or 0


def number(text: str, most: int) -> int | None:
    """Of digits that anybody may have written: none that is larger, or that takes longer to read than it is worth."""
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(most)):
        return None
    return found if (found := int(text)) <= most else None


def write_grants(grants: Mapping[str, Grant]) -> str:
    """`http=8081/8080,admin=20003/auto`: the port that was given, and the request that it answers."""
    return ",".join(f"{name}={grants[name].port}/{grants[name].request}" for name in sorted(grants))


def read_grants(labels: Mapping[str, str]) -> dict[str, Grant]:
    """Leaves out what it can't read: somebody may have edited it."""
    grants: dict[str, Grant] = {}
    for item in labels.get(PORTS, "").split(","):
        name, equals, rest = item.partition("=")
        port, slash, request = rest.partition("/")
        if name and equals and slash and (granted := number(port, 65535)):
            grants[name] = Grant(granted, request)
    return grants

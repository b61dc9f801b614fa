"""The closer look: each container of ours inspected, and the image that it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.errors import Unreachable
from reconciler.model import labels
from reconciler.model.observed import INSTANCE, Observed, Phase
from reconciler.runtimes.docker import read
from reconciler.runtimes.docker.connection import Connection
from reconciler.runtimes.docker.hanging import Hanging
from reconciler.runtimes.docker.images import Images
from reconciler.runtimes.docker.uptime import Moments
from reconciler.runtimes.docker.wire import Reply

JSON = Mapping[str, Any]


class Closer:
    """Remembers images, which never change under their id."""

    def __init__(self, connection: Connection, moments: Moments, images: Images) -> None:
        self._connection = connection
        self._inspections = Hanging(connection)
        self._registries = images
        self._moments = moments
        self._images: dict[str, JSON | None] = {}

    def look(self, seen: Sequence[Observed], made_from: Mapping[str, str] = {}) -> tuple[Observed, ...]:
        """Our own, closer. One that can't be looked at is unknown, one that has gone meanwhile is left out; the
        others are none the worse for it. Images that the list has named, in `made_from`, are asked for along with them.
        """
        ours = [one for one in seen if one.kind == INSTANCE and one.key is not None]
        images = self._unknown({made_from[one.id] for one in ours if made_from.get(one.id)})
        paths = [*(f"/containers/{one.id}/json" for one in ours), *(f"/images/{image}/json" for image in images)]
        answers = self._inspections.get_each(paths)
        told = {one.id: _told(reply) for one, reply in zip(ours, answers, strict=False)}
        self._learn(images, answers[len(ours) :])
        self._know_images({str(found.get("Image")) for found in told.values() if isinstance(found, Mapping)})
        self._registries.ask_registries(filter(None, map(_pulled_always, told.values())))
        closer = (self._deepened(one, told[one.id]) if one.id in told else one for one in seen)
        return tuple(one for one in closer if one is not None)

    def _deepened(self, one: Observed, told: JSON | str | None) -> Observed | None:
        if told is None:
            return None
        if isinstance(told, str):
            return _unknown(one, told)
        try:
            image = self._images.get(str(told["Image"]))
            found = read.deepened(one, told, image, self._stale(told, image))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return _unknown(one, repr(error))
        self._moments.learn(one.id, "start", found.started_at)
        self._moments.learn(one.id, "end", found.finished_at)
        return found

    def _stale(self, told: JSON, image: JSON | None) -> str:
        name = _pulled_always(told)
        return self._registries.newer(name, image) if name and image else ""

    def _know_images(self, identities: set[str]) -> None:
        new = self._unknown(identities)
        self._learn(new, self._connection.get_each([f"/images/{i}/json" for i in new]))

    def _unknown(self, identities: set[str]) -> list[str]:
        return sorted(identities - self._images.keys())

    def _learn(self, identities: Sequence[str], answers: Iterable[Reply | Unreachable]) -> None:
        """An image that was removed under its container is not asked for again: it can't come back as it was."""
        for identity, reply in zip(identities, answers, strict=True):
            told = _told(reply)
            if not isinstance(told, str):
                self._images[identity] = told


def _pulled_always(told: JSON | str | None) -> str:
    """The name of its image, where that is to be looked up again and again."""
    config = told.get("Config") if isinstance(told, Mapping) else None
    marks = config.get("Labels") if isinstance(config, Mapping) else None
    always = isinstance(marks, Mapping) and marks.get(labels.PULL) == labels.ALWAYS
    return str(config.get("Image", "")) if isinstance(config, Mapping) and always else ""


def _told(reply: Reply | Unreachable) -> JSON | str | None:
    """What is told of it; why nothing is, as a text; None if there is no such thing."""
    if isinstance(reply, Unreachable):
        return reply.message
    if reply.status == 404:
        return None
    if reply.status != 200:
        return reply.message
    try:
        told = reply.json()
    except Unreachable as error:
        return error.message
    return told if isinstance(told, Mapping) else "no description of it"


def _unknown(one: Observed, why: str) -> Observed:
    return replace(one, phase=Phase.UNKNOWN, detail=f"inspecting it failed: {why}")

"""Images of one's own: how they are built, and what can be wrong with an image's name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Literal, Protocol

from reconciler.kinds.base import EDGE, VARIABLE_REST, VARIABLE_START, Fault
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """How its image is made, here and by the engine, before the old one stops."""

    __pydantic_config__ = EDGE

    context: str = "."
    """Directory whose files the build may copy; relative to the spec file. What its .dockerignore names stays out, and
    so does .git, unless .dockerignore says !.git."""
    dockerfile: str = "Dockerfile"
    """The file that says how; relative to the context, and in it."""
    args: dict[str, str] = field(default_factory=dict)
    """Values of the Dockerfile's ARGs. They stay readable in the image: no place for secrets."""
    target: str = ""
    """The stage to build; by default the last one."""
    rebuild_on: Literal["Context", "Dockerfile"] = "Context"
    """What makes it be built anew: any change of what the context holds, or of the Dockerfile alone, for a context that
    is worked in. A change of args or target always does."""


class Imaged(Protocol):
    """What a container says of its image."""

    @property
    def image(self) -> str: ...

    @property
    def build(self) -> Build | None: ...


def image_faults(container: Imaged) -> Iterator[Fault]:
    image = container.image
    if container.build:
        yield from _build_faults(image, container.build)
    elif not image:
        yield Fault(("container",), "neither image nor build is given", "image: nginx:1.27, or build: {context: .}")
    if image != image.strip() or any(c.isspace() for c in image):
        yield Fault(("container", "image"), f"{image!r} is not an image reference", "like nginx:1.27")
    elif image.startswith("-"):
        yield Fault(("container", "image"), f"{image!r} starts with a dash", "like nginx:1.27")


def _build_faults(image: str, build: Build) -> Iterator[Fault]:
    if "@" in image:
        yield Fault(("container", "image"), "what is built here has no digest yet", "a name, and a tag if you like")
    named = build.dockerfile
    if not named or named.startswith("/") or ".." in named.split("/"):
        message = f"{named!r} does not lie in the build context"
        yield Fault(("container", "build", "dockerfile"), message, "a path inside context, like Dockerfile")
    for name in build.args:
        if not name or name[0] not in VARIABLE_START or not set(name) <= VARIABLE_REST:
            yield Fault(("container", "build", "args", name), f"{name!r} is not an ARG's name", "letters, digits and _")

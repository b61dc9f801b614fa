"""What Docker can do and Podman 4.3 can't, each with its reason. A test that states such a thing says so by its name
here, and nowhere else is any test left out on Podman.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.engine_api import Engine

CHANGE_IN_PLACE = "Podman has no call that changes limits or the restart policy of one that lives: it is made anew"
ASK_REGISTRY = "Podman has no call that asks a registry without pulling"
TELL_EVERY_FIELD = "Podman tells some fields in its own way, and has no call to change a container in place"
TELL_AT_ONCE = "Podman waits for two minutes before it tells that a registry limits how often one may pull"

TWO_OF_ONE_NAME = "Podman makes no two networks of one name"


def skip_on_podman(engine: Engine, lack: str) -> None:
    if engine.kind == "podman":
        pytest.skip(lack)


def plain(image: str) -> str:
    """As it was asked for: Podman tells `docker.io/library/app:latest` of `app`, and where it would pull what was built
    here. Docker's own word is kept.
    """
    for place in ("docker.io/library/", "docker.io/", "localhost/"):
        if image.startswith(place):
            return image.removeprefix(place).removesuffix(":latest")
    return image


def changes_in_place(engine: Engine) -> bool:
    """Limits and the restart policy; networks both do. Where it can't, the same is reached by one that is made anew."""
    return engine.kind != "podman"


def given(env: Iterable[str]) -> list[str]:
    """What a container was given. Podman adds the name that it has as a host, which is another one's each time."""
    return sorted(item for item in env if not item.startswith("HOSTNAME="))


def tells_who_lacked_memory(engine: Engine) -> bool:
    return engine.kind != "podman"


def tells_its_logs_limit(engine: Engine) -> bool:
    """Podman keeps it, and has no word for it."""
    return engine.kind != "podman"


def names_are_always_answered(engine: Engine) -> bool:
    """Podman's name server begins anew whenever somebody comes or goes, and loses what it is asked meanwhile."""
    return engine.kind != "podman"


def gives_a_link_as_such(engine: Engine) -> bool:
    """What is asked for by the name of a symbolic link; those in a directory both keep."""
    return engine.kind != "podman"

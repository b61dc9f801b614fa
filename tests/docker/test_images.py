"""Images pulled from a real registry on this machine: when, how often, and what is said when it fails."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from reconciler.core.verdict import Matches, Replace, verdict
from reconciler.errors import ImageUnavailable
from reconciler.model.desired import Desired
from reconciler.model.observed import Observed
from reconciler.runtimes.docker.endpoint import resolve
from reconciler.runtimes.docker.runtime import DockerRuntime
from tests.docker.conftest import OWNER, World
from tests.docker.registry import Registry, serving
from tests.engine_api import EngineError
from tests.podman_lacks import ASK_REGISTRY, TELL_AT_ONCE, skip_on_podman


@pytest.fixture
def registry(world: World) -> Iterator[Registry]:
    with serving() as it:
        prefix = it.image("x").partition("/")[0]
        try:
            yield it
        finally:
            for image in world.engine.get("/images/json?all=1"):
                for tag in [tag for tag in image["RepoTags"] or [] if tag.startswith(prefix)]:
                    forget(world, tag)


def forget(world: World, image: str) -> None:
    try:
        world.engine.delete(f"/images/{image}?force=1")
    except EngineError as error:
        if error.status != 404:
            raise


def test_a_missing_image_is_pulled_once_and_then_used(world: World, registry: Registry) -> None:
    image = registry.image("app")
    desired = world.service("web", image=image)
    world.runtime.prepare(desired)
    asked = len(registry.asked)
    world.runtime.prepare(desired)
    assert asked
    assert len(registry.asked) == asked, "it is there now"
    assert image in world.engine.get(f"/images/{image}/json")["RepoTags"]


def test_always_means_again(world: World, registry: Registry) -> None:
    image = registry.image("app")
    desired = world.service("web", image=image, pull_policy="Always")
    world.runtime.prepare(desired)
    first = world.engine.get(f"/images/{image}/json")["Id"]
    registry.publish("two")
    world.runtime.prepare(desired)
    assert world.engine.get(f"/images/{image}/json")["Id"] != first


def test_many_instances_of_one_image_pull_it_once(world: World, registry: Registry) -> None:
    desired = [world.service("web", image=registry.image("app"), pull_policy="Always", index=i) for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(world.runtime.prepare, desired))
    fetched = [path for path in registry.asked if "/manifests/" in path]
    assert len(fetched) <= 4, "a look and a fetch, and again for those who came while it was under way"


def test_progress_is_told(world: World, registry: Registry) -> None:
    told: list[tuple[str, str]] = []
    runtime = DockerRuntime(
        lambda: resolve(os.environ), owner=OWNER, progress=lambda image, text: told.append((image, text))
    )
    runtime.prepare(world.service("web", image=registry.image("app")))
    runtime.close()
    assert {image for image, _ in told} == {registry.image("app")}
    assert [told[0][1], told[-1][1]] == ["pulling", "pulled"]
    assert any("Pull" in text for _, text in told)


def test_an_image_that_does_not_exist_is_told_as_such(world: World, registry: Registry) -> None:
    with pytest.raises(ImageUnavailable, match="no such image, or it is private"):
        world.runtime.prepare(world.service("web", image=registry.image("missing")))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "the registry refuses"),
        (403, "no such image, or it is private|the registry refuses"),  # Podman, to whom a no is a no
        (429, "limits how often"),
        (500, "could not"),
    ],
)
def test_a_registry_that_says_no_is_told_apart(world: World, registry: Registry, status: int, words: str) -> None:
    if status == 429:
        skip_on_podman(world.engine, TELL_AT_ONCE)
    registry.failure = status
    with pytest.raises(ImageUnavailable, match=words) as failed:
        world.runtime.prepare(world.service("web", image=registry.image("app")))
    assert failed.value.hint


def test_R7_always_means_made_anew_once_the_registry_has_another_one_and_not_before(
    world: World, registry: Registry
) -> None:
    skip_on_podman(world.engine, ASK_REGISTRY)
    image = registry.image("app")
    desired = world.service(
        "web", image=image, command=("/sh", "-c", "read x"), tty=True, init=False, pull_policy="Always"
    )
    world.runtime.prepare(desired)
    assert verdict(desired, world.made(desired, deep=True)) == Matches()

    registry.publish("two")
    assert verdict(desired, seen(world, desired)) == Matches(), "a registry is not asked in every pass"
    other = DockerRuntime(lambda: resolve(os.environ), owner=OWNER)
    judged = verdict(desired, next(one for one in other.observe(deep=True).objects if one.key == desired.key))
    assert isinstance(judged, Replace)
    assert f"image {image} is sha256:" in judged.cause

    other.prepare(desired)
    world.engine.remove(desired.name)
    other.create(desired)
    assert (
        verdict(desired, next(one for one in other.observe(deep=True).objects if one.key == desired.key)) == Matches()
    )
    registry.failure = 500
    third = DockerRuntime(lambda: resolve(os.environ), owner=OWNER)
    last = next(one for one in third.observe(deep=True).objects if one.key == desired.key)
    assert verdict(desired, last) == Matches(), "who can't be asked proves nothing"
    other.close()
    third.close()


def test_registries_are_asked_all_at_once_and_waited_for_no_longer_than_for_one(
    world: World, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass holds up all others. Each answer comes only once all were asked for; one never comes in time."""
    skip_on_podman(world.engine, ASK_REGISTRY)
    names = [registry.image(f"app-{number}") for number in range(6)]
    all_asked, released = threading.Barrier(len(names), timeout=20), threading.Event()
    met: set[str] = set()

    def hold(path: str) -> None:
        name = path.split("/")[2]
        if name not in met:
            met.add(name)
            all_asked.wait()
        if name == "app-0":
            released.wait(30)

    registry.hold = hold
    monkeypatch.setattr("reconciler.runtimes.docker.images.ASK_SECONDS", 3)
    images = world.runtime._images
    began = time.monotonic()
    images.ask_registries(names)
    assert time.monotonic() - began < 3 * 4
    runs = {"Id": "sha256:other", "RepoDigests": ["app@sha256:other"]}
    assert images.newer(names[0], runs) == "", "who has not answered proves nothing"
    assert all("in its registry now" in images.newer(name, runs) for name in names[1:])
    released.set()


def seen(world: World, desired: Desired) -> Observed:
    found = world.see(desired, deep=True)
    assert found
    return found

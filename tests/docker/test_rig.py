"""The ground that the other tests stand on."""

from __future__ import annotations

from tests.engine_api import Engine


def test_an_engine_with_both_test_images_answers(engine: Engine) -> None:
    tags = {tag for image in engine.get("/images/json") for tag in image["RepoTags"] or []}
    assert {"reconciler-test:latest", "reconciler-test:2"} <= tags


def test_a_foreign_container_can_be_made_and_removed(engine: Engine, namespace: str) -> None:
    container = engine.run(f"{namespace}-foreign")
    try:
        assert engine.inspect(container)["State"]["Running"]
    finally:
        engine.remove(container)

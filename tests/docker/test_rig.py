"""The ground that the other tests stand on."""

from __future__ import annotations

from tests.engine_api import Engine


def test_an_engine_with_both_test_images_answers(engine: Engine) -> None:
    ids = {engine.get(f"/images/reconciler-test:{tag}/json")["Id"] for tag in ("latest", "2")}
    assert len(ids) == 2


def test_a_foreign_container_can_be_made_and_removed(engine: Engine, namespace: str) -> None:
    container = engine.run(f"{namespace}-foreign")
    try:
        assert engine.inspect(container)["State"]["Running"]
    finally:
        engine.remove(container)

"""What is done is done to the container that was observed, whoever has its name by now."""

from __future__ import annotations

from reconciler.model.desired import Stop
from reconciler.model.observed import Phase
from tests.docker.conftest import World


def test_a_stop_reaches_the_one_that_was_seen_and_not_who_has_its_name_now(world: World) -> None:
    desired = world.service("web")
    seen = world.made(desired)
    world.engine.post(f"/containers/{seen.id}/rename?name={desired.name}-away")
    stranger = world.engine.run(desired.name)
    world.runtime.stop(seen, Stop("KILL", 0))
    there = {one.id: one.phase for one in world.view().objects}
    assert (there[seen.id], there[stranger]) == (Phase.EXITED, Phase.RUNNING)

"""A preview is the planner, folded over a world that is a value."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.core.planner import plan
from reconciler.core.preview import MAX_WAVES, adjusted, created, fold, launched, removed, started, stopped
from reconciler.errors import Gone, NameTaken, PortInUse, Refused
from reconciler.kinds.service import Restart
from reconciler.model.observed import Binding, Observed, Phase, View
from tests.core.build import EMPTY, NOW, container, graph, http, key, rendered, seen, settled, stranger

WEB = graph(container("web", ports=(http(8080),)))
DESIRED = rendered(WEB).desired[key("web")]


def running() -> View:
    return launched(created(View("docker"), DESIRED, NOW), DESIRED, NOW)


def test_a_preview_ends_where_nothing_is_left_to_do() -> None:
    waves = list(
        fold(graph(*(container(f"s{i}", depends_on=(f"s{i - 1}",) if i else ()) for i in range(5))), EMPTY, {}, NOW)
    )
    assert waves[-1].settled
    assert [str(action.key) for wave in waves[1:-1] for action in wave.actions] == [
        f"service/shop/s{i}/0" for i in range(5)
    ]


def test_a_preview_of_a_settled_world_is_one_empty_plan() -> None:
    assert [wave.settled for wave in fold(WEB, settled(WEB), {}, NOW)] == [True]


def test_a_preview_ends_although_a_job_never_does() -> None:
    job = container("job", restart=Restart(policy="OnFailure"))
    from reconciler.kinds.service import Dependency

    web = container("web", depends_on=(Dependency(service="job", condition="Completed"),))
    waves = list(fold(graph(job, web), EMPTY, {}, NOW))
    assert len(waves) < MAX_WAVES
    assert "it still runs" in str(waves[-1])


def test_its_first_wave_is_the_plan() -> None:
    assert next(iter(fold(WEB, EMPTY, {}, NOW))) == plan(WEB, EMPTY, {}, NOW)


def test_what_is_made_is_there_but_does_not_run() -> None:
    [thing] = created(View("docker"), DESIRED, NOW).objects
    assert (thing.phase, thing.bindings, thing.name) == (Phase.CREATED, (), "shop-web-0")


def test_what_is_launched_runs_and_holds_its_ports() -> None:
    [thing] = running().objects
    assert (thing.phase, thing.bindings) == (Phase.RUNNING, (Binding(8080, "tcp", "127.0.0.1"),))


def test_making_it_twice_makes_it_once() -> None:
    assert created(running(), DESIRED, NOW + 1) == running()


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(NameTaken):
        created(View("docker", objects=(stranger("shop-web-0"),)), DESIRED, NOW)


def test_a_port_that_is_taken_leaves_it_created() -> None:
    view = created(View("docker", objects=(stranger(bindings=(Binding(8080),)),)), DESIRED, NOW)
    with pytest.raises(PortInUse) as raised:
        launched(view, DESIRED, NOW)
    assert (raised.value.port, raised.value.holder) == (8080, "container stranger (id-stranger)")
    assert any(thing.phase is Phase.CREATED for thing in view.objects)


def test_stopping_frees_the_ports_and_is_idempotent() -> None:
    once = stopped(running(), running().objects[0], NOW)
    assert (once.objects[0].phase, once.objects[0].bindings) == (Phase.EXITED, ())
    assert stopped(once, once.objects[0], NOW + 1) == once


def test_starting_again_takes_the_ports_again() -> None:
    once = stopped(running(), running().objects[0], NOW)
    [thing] = started(once, once.objects[0], DESIRED, NOW + 1).objects
    assert (thing.phase, thing.started_at, thing.exit_code) == (Phase.RUNNING, NOW + 1, None)


def test_what_runs_is_not_removed() -> None:
    with pytest.raises(Refused, match="stop it first"):
        removed(running(), running().objects[0])


def test_a_network_in_use_is_not_removed() -> None:
    world = settled(WEB)
    with pytest.raises(Refused, match="in use"):
        removed(world.view("docker"), seen(world, key("default", None, "network")))


def test_removing_what_is_gone_is_a_success() -> None:
    assert removed(View("docker"), stranger()) == View("docker")


def test_to_change_what_is_gone_is_refused() -> None:
    with pytest.raises(Gone):
        stopped(View("docker"), stranger(), NOW)


def test_it_gets_its_name_back_and_goes_on() -> None:
    odd = replace(running().objects[0], name="odd", phase=Phase.PAUSED)
    [thing] = adjusted(View("docker", objects=(odd,)), odd, DESIRED, ("rename", "unpause")).objects
    assert (thing.name, thing.phase) == ("shop-web-0", Phase.RUNNING)


def test_only_the_object_that_was_seen_is_changed() -> None:
    twin = Observed("other", "shop-web-0", "service", "docker", bindings=(Binding(1),))
    view = stopped(replace(running(), objects=(*running().objects, twin)), running().objects[0], NOW)
    assert twin in view.objects

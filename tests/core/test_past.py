"""F10: the clock is set by a year, in either direction: nothing that was to be done waits for a year."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.core.backoff import held_back
from reconciler.core.health import ProbeState, Role, advance, due
from reconciler.core.past import TREMBLE, lies_ahead
from reconciler.core.planner import plan
from reconciler.kinds.probes import Probe, Probes, TcpSocket
from reconciler.kinds.service import Dependency, Restart, Update
from reconciler.model.observed import Snapshot
from reconciler.model.plan import Record
from tests.core.build import changed, container, graph, key, settled

NOW, YEAR = 2e9, 365 * 86400.0
RESTART = Restart(initial_seconds=1, max_seconds=300, reset_after_seconds=600)


def test_a_moment_that_trembles_is_believed() -> None:
    assert not lies_ahead(NOW, NOW)
    assert not lies_ahead(NOW + TREMBLE, NOW)
    assert lies_ahead(NOW + YEAR, NOW)


@pytest.mark.parametrize("jump", [-YEAR, YEAR])
def test_a_back_off_ends_with_one_try_and_goes_on_from_there(jump: float) -> None:
    crashed = Record(7, NOW, "f")
    assert held_back(key("web"), "f", crashed, RESTART, NOW + 1)
    then = NOW + 1 + jump
    assert held_back(key("web"), "f", crashed, RESTART, then) is None
    tried = replace(crashed, failures=crashed.failures + 1, last_at=then)
    assert held_back(key("web"), "f", tried, RESTART, then + 0.5), "one try, and no storm"


@pytest.mark.parametrize("jump", [-YEAR, YEAR])
def test_probes_are_asked_at_once_and_their_failures_count(jump: float) -> None:
    probe = Probe(tcp_socket=TcpSocket(port=80), initial_delay_seconds=60, failure_threshold=2)
    never_asked = ProbeState(NOW)
    assert due(Probes(readiness=probe), never_asked, NOW + 1) == ()
    assert due(Probes(readiness=probe), never_asked, NOW + 1 + jump) == (Role.READINESS,)
    state, spec = ProbeState(NOW - 100), Probes(liveness=probe)
    for moment, ok in ((NOW, True), (NOW + jump, False), (NOW + jump + 10, False)):
        assert due(spec, state, moment) == (Role.LIVENESS,)
        state = advance(spec, state, Role.LIVENESS, ok, "", moment)
        assert due(spec, state, moment + 1) == ()
    assert state.of(Role.LIVENESS).bad


@pytest.mark.parametrize("jump", [-YEAR, YEAR])
def test_who_needs_what_has_started_does_not_wait_for_a_year(jump: float) -> None:
    """What has no probes is Ready some moments after its start, whatever the clock says of that."""
    db = container("db")
    both = graph(db, container("web", depends_on=(Dependency(service="db"),)))
    world = started(settled(graph(db)), NOW)
    assert "Create web/0" not in briefly(plan(both, world, {}, NOW + 0.1))
    assert "Create web/0" in briefly(plan(both, world, {}, NOW + 0.1 + jump))


@pytest.mark.parametrize("jump", [-YEAR, YEAR])
def test_an_update_that_is_half_way_goes_on(jump: float) -> None:
    """The one that is new has to have been Ready for half a minute before the other one's turn."""
    new = graph(container("web", replicas=2, update=Update(max_surge=0, max_unavailable=1, min_ready_seconds=30)))
    world = started(changed(settled(new), key("web", 1), fingerprint="of old"), NOW)
    assert not plan(new, world, {}, NOW + 5).actions
    assert "Remove web/1" in briefly(plan(new, world, {}, NOW + 5 + jump))


def started(world: Snapshot, moment: float) -> Snapshot:
    """As if everything had begun then; nobody has asked how it is."""
    for thing in world.objects():
        if thing.key and thing.kind == "service":
            world = changed(world, thing.key, started_at=moment)
    return replace(world, health={})


def briefly(planned: object) -> str:
    return str(planned).replace("service/shop/", "")

"""How one instance stands, by what can be seen of it."""

from __future__ import annotations

import pytest

from reconciler.core.standing import STEADY_SECONDS, Stands, standing
from reconciler.kinds.probes import Exec, Probe, Probes
from reconciler.kinds.service import Restart, ServiceSpec
from reconciler.model.observed import Health, Observed, Phase, Snapshot
from tests.core.build import NOW

PLAIN = ServiceSpec()
PROBED = ServiceSpec(probes=Probes(readiness=Probe(exec=Exec(command=("true",)))))


def stands(spec: ServiceSpec, health: Health | None = None, **how: object) -> Stands:
    thing = Observed("id", "web", "service", "docker", **how)
    return standing(spec, thing, Snapshot(health={"id": health} if health else {}), NOW).stands


def test_what_is_not_there_is_absent() -> None:
    assert standing(PLAIN, None, Snapshot(), NOW).stands is Stands.ABSENT


def test_without_probes_it_is_ready_once_it_has_not_ended_at_once() -> None:
    young = standing(PLAIN, Observed("id", "w", "service", "docker", started_at=NOW - 0.1), Snapshot(), NOW)
    assert young.stands is Stands.STARTING
    assert young.until == pytest.approx(NOW - 0.1 + STEADY_SECONDS)
    assert stands(PLAIN, started_at=NOW - STEADY_SECONDS) is Stands.READY


def test_what_the_engine_is_about_to_start_anew_is_not_ready() -> None:
    """It counts as running between two runs; to call it Ready would be a false green."""
    thing = Observed("id", "w", "service", "docker", restarting=True, exit_code=3, detail="the engine is restarting it")
    told = standing(PLAIN, thing, Snapshot(), NOW)
    assert (told.stands, told.message) == (Stands.STARTING, "the engine is restarting it, after exit code 3")
    assert stands(PROBED, Health(), restarting=True) is Stands.STARTING


def test_with_probes_it_is_what_they_say() -> None:
    assert stands(PROBED) is Stands.STARTING
    assert stands(PROBED, Health(ready=False)) is Stands.STARTING
    assert stands(PROBED, Health(started=False)) is Stands.STARTING
    assert stands(PROBED, Health(live=False)) is Stands.SICK
    assert stands(PROBED, Health()) is Stands.READY


@pytest.mark.parametrize(
    ("policy", "code", "expected"),
    [
        ("Always", 0, Stands.DOWN),
        ("Always", 1, Stands.DOWN),
        ("OnFailure", 0, Stands.COMPLETED),
        ("OnFailure", 1, Stands.DOWN),
        ("OnFailure", None, Stands.DOWN),
        ("Never", 0, Stands.COMPLETED),
        ("Never", 137, Stands.FAILED),
        ("Never", None, Stands.FAILED),
    ],
)
def test_what_an_end_means_depends_on_the_policy(policy: str, code: int | None, expected: Stands) -> None:
    assert stands(ServiceSpec(restart=Restart(policy=policy)), phase=Phase.EXITED, exit_code=code) is expected


@pytest.mark.parametrize("phase", [Phase.CREATED, Phase.PAUSED, Phase.REMOVING, Phase.UNKNOWN])
def test_what_does_not_run_is_down(phase: Phase) -> None:
    assert stands(PLAIN, phase=phase) is Stands.DOWN


def test_an_end_is_told_with_its_detail() -> None:
    thing = Observed("id", "w", "service", "docker", phase=Phase.EXITED, exit_code=137, detail="OOM killed")
    assert standing(PLAIN, thing, Snapshot(), NOW).message == "it exited with code 137 (OOM killed)"


def test_what_is_started_by_a_launcher_is_starting() -> None:
    assert stands(PLAIN, phase=Phase.STARTING) is Stands.STARTING

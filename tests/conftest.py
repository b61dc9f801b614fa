"""What all tests share: the engine, a home and a namespace of their own, and at the end a look for what they left."""

from __future__ import annotations

import gc
import itertools
import os
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import leaks
from tests.engine_api import Engine
from tests.image import ensure_images

if TYPE_CHECKING:
    from tests.machines.lab import Lab

SESSION = "RECONCILER_TEST_SESSION"
REQUIRED = frozenset(filter(None, os.environ.get("RECONCILER_REQUIRE", "").split(",")))
"""What has to be there: `engine,root,podman` in CI, where a skip for want of it is a failure."""

_count = itertools.count()
_before = pytest.StashKey[frozenset[str]]()


gc.set_threshold(50_000, 20, 50)
"""Values by the thousand are no garbage: to look for some as often as Python does takes a seventh of the whole time."""


def pytest_configure(config: pytest.Config) -> None:
    _load_hypothesis_profile()
    if _is_worker(config):
        return
    os.environ[SESSION] = secrets.token_hex(3)
    config.stash[_before] = leaks.find(os.environ[SESSION])


def pytest_collection_finish() -> None:
    """Thousands of tests stay to the end: nobody needs to look for garbage among them again and again."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Once, after all workers have ended: what is there now and was not before is a leak, and fails the run."""
    yield
    if _is_worker(session.config):
        return
    left = leaks.left_after_grace(os.environ[SESSION], session.config.stash[_before])
    session.config.stash[_left] = left
    if left.things:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


_left = pytest.StashKey[leaks.Left]()
SMALL_WORLDS = ("worlds", "edges", "longest")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    passed = terminalreporter.stats.get("passed", [])
    if cases := sum(value for report in passed for name, value in report.user_properties if name == "cases"):
        terminalreporter.write_line(f"{cases} cases of properties were tried")
    found = {name: [v for report in passed for n, v in report.user_properties if n == name] for name in SMALL_WORLDS}
    if found["worlds"]:
        counted = f"{sum(found['worlds'])} small worlds, {sum(found['edges'])} edges between them"
        terminalreporter.write_line(f"{counted}; the longest road to rest: {max(found['longest'])} passes")
    if kills := [value for report in passed for name, value in report.user_properties if name == "kills"]:
        places = sum(value for report in passed for name, value in report.user_properties if name == "places")
        terminalreporter.write_line(f"crash points: {sum(kills)} kills at {places} places of {len(kills)} scenarios")
    told = [told for report in passed for told in report.user_properties]
    if hits := [value for name, value in told if name == "disturbed"]:
        wrong = Counter({name: sum(value for n, value in told if n == name) for name in ("lost", "made twice")})
        terminalreporter.write_line(_disturbed(hits, wrong))
    if warm := [value for name, value in told if name == "ssh"]:
        terminalreporter.write_line(f"a command over an open connection: {1000 * warm[0]:.1f} ms (median)")
    if frozen := [value for name, value in told if name == "frozen"]:
        terminalreporter.write_line(f"a frozen host is told after {frozen[0]:.1f} s, and the others went on")
    if mutants := sum(value for report in passed for name, value in report.user_properties if name == "mutants"):
        terminalreporter.write_line(f"{mutants} mutants were killed")
    _tell(terminalreporter, config.stash.get(_left, leaks.Left()))


def _tell(terminalreporter: pytest.TerminalReporter, left: leaks.Left) -> None:
    for network in left.miscounted:
        terminalreporter.write_line(f"nobody is in it, and the engine does not let it go: {network}")
    if left.things:
        terminalreporter.section("LEAKED: tests left this behind", red=True)
        for thing in left.things:
            terminalreporter.line(thing)


def _disturbed(hits: Sequence[tuple[str, float]], wrong: Counter[str]) -> str:
    kinds = ", ".join(f"{count} {how}" for how, count in Counter(how for how, _ in hits).items())
    seconds = sorted(after for _, after in hits)
    p50, p95 = (seconds[int(share * (len(seconds) - 1))] for share in (0.5, 0.95))
    healed = f"well again after {p50:.1f} s (p50), {p95:.1f} s (p95), {seconds[-1]:.1f} s (longest)"
    came_of_it = f"{len(hits) - wrong['lost']} found, {wrong['lost']} lost, {wrong['made twice']} made twice"
    return f"loop disturbed at {len(hits)} points ({kinds}): {came_of_it}; {healed}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") and os.geteuid() != 0:
        absent("root", "needs root")
    if item.get_closest_marker("engine") and "engine" not in getattr(item, "fixturenames", ()):
        item.fixturenames.append("engine")


@pytest.fixture(scope="session")
def engine() -> Engine:
    """A real container engine, with the test images."""
    found = Engine.reachable()
    if found is None:
        absent("engine", "no container engine answers; `make test` as root starts one")
    ensure_images(found)
    return found


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Test machines, and networks between them: one lab for each worker."""
    from tests.machines.lab import opened

    with opened() as made:
        yield made


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of its own."""
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    monkeypatch.setenv("RECONCILER_HOME", str(path))
    return path


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test of any worker uses."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw")
    return f"t{os.environ[SESSION]}-{worker}-{next(_count)}"


def absent(what: str, reason: str) -> None:
    """Skips the test, unless what it needs is demanded."""
    if what in REQUIRED:
        pytest.fail(f"{reason}, and RECONCILER_REQUIRE demands it", pytrace=False)
    pytest.skip(reason)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _load_hypothesis_profile() -> None:
    from hypothesis import HealthCheck, settings

    slow = [HealthCheck.too_slow]
    settings.register_profile("default", max_examples=200, deadline=None, suppress_health_check=slow)
    settings.register_profile("nightly", max_examples=100_000, deadline=None, suppress_health_check=slow)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

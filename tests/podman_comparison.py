"""Two engines, the same results: one run notes how each test ended, and another is compared with it.

pytest -p tests.podman_comparison --outcomes FILE ...
pytest -p tests.podman_comparison --same-as FILE ...
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

RANK = ("passed", "skipped", "failed")
STORIES = "tests/scenarios/"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("engines")
    group.addoption("--outcomes", type=Path, help="note in this file how each test ended")
    group.addoption("--same-as", type=Path, help="compare with such a file, and fail where they differ")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcomes(config.option.outcomes, config.option.same_as))


class Outcomes:
    def __init__(self, ours: Path | None, theirs: Path | None) -> None:
        self.file = ours
        self.other: dict[str, str] = json.loads(theirs.read_text()) if theirs and theirs.exists() else {}
        self.seen: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of set-up, call and teardown the worst."""
        worst = max(self.seen.get(report.nodeid, "passed"), report.outcome, key=RANK.index)
        self.seen[report.nodeid] = worst

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.file:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(json.dumps(self.seen, indent=1, sort_keys=True))
        if self.differing and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.common:
            return
        stories = [test for test in self.common if test.startswith(STORIES)]
        same = len(self.common) - len(self.differing) - len(self.left_out)
        terminalreporter.section("Docker and Podman")
        terminalreporter.line(
            f"{len(self.common)} tests ran on both, {len(stories)} of them scenarios: {same} end the same"
        )
        for test in self.left_out:
            terminalreporter.line(f"only on one: {test} ({self.seen[test]} here, {self.other[test]} there)")
        for test in self.differing:
            terminalreporter.line(f"DIFFERS: {test} ({self.seen[test]} here, {self.other[test]} there)", red=True)

    @property
    def common(self) -> list[str]:
        return sorted(self.seen.keys() & self.other.keys())

    @property
    def left_out(self) -> list[str]:
        """Skipped on one of them, with a reason that stands in the test."""
        return [test for test in self.common if {self.seen[test], self.other[test]} == {"passed", "skipped"}]

    @property
    def differing(self) -> list[str]:
        return [test for test in self.common if self.seen[test] != self.other[test] and test not in self.left_out]

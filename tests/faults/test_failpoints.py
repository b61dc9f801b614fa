"""Failpoints: the words they are asked for in, when they act, and that they are where their list says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections import Counter
from pathlib import Path

import pytest

from reconciler import failpoints
from reconciler.errors import OutcomeUnknown, Refused, UsageError
from reconciler.failpoints import EFFECTS, POINTS, STEPS, Failpoints, failpoint
from tests import warm

POINT = "docker.create.before"
SPEC = """
apiVersion: reconciler/v1
kind: Service
metadata: {name: web, namespace: points}
spec: {process: {command: [sleep, "100000"]}, stop: {graceSeconds: 0}}
"""


def passing(text: str, times: int, chance: list[float] | None = None) -> list[str]:
    """What each passing of the point came to."""
    points = Failpoints(f"{POINT}={text}", chance=(chance or [0.0] * 100).pop)
    return [_outcome(points) for _ in range(times)]


def _outcome(points: Failpoints) -> str:
    try:
        points.passed(POINT)
    except (Refused, OutcomeUnknown) as error:
        return f"{error.reason}: {error.message}"
    return "-"


def test_an_error_is_a_refusal_with_its_own_words() -> None:
    assert passing("error(disk full; really)", 2) == ["Refused: disk full; really"] * 2


def test_an_unknown_outcome_has_a_type_of_its_own() -> None:
    assert passing("unknown", 1) == [f"OutcomeUnknown: failpoint {POINT}"]


def test_a_term_that_is_used_up_gives_way_to_the_next() -> None:
    assert passing("2*off->1*error(a)->1*unknown(b)", 6) == ["-", "-", "Refused: a", "OutcomeUnknown: b", "-", "-"]


def test_what_chance_passes_over_is_left_to_the_next_term_and_is_not_counted() -> None:
    assert passing("50%1*error(a)->error(b)", 3, [0.9, 0.0, 0.1, 0.0, 0.7]) == [
        "Refused: b",
        "Refused: a",
        "Refused: b",
    ]


def test_a_point_that_nobody_asked_for_does_nothing() -> None:
    Failpoints(f"{POINT}=error").passed("docker.create.after")


def test_several_points_are_asked_for_at_once() -> None:
    points = Failpoints(f" {POINT} = error(a;b) ;; store.write.after=off; ")
    assert _outcome(points) == "Refused: a;b"


def test_threads_that_pass_together_are_counted_exactly() -> None:
    points = Failpoints(f"{POINT}=137*off->100*error->off")
    told: Counter[str] = Counter()
    threads = [
        threading.Thread(target=lambda: told.update([_outcome(points) for _ in range(100)]), daemon=True)
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == {"-": 700, f"Refused: failpoint {POINT}": 100}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("docker.craete.before=kill", "no point is called 'docker.craete.before'"),
        (f"{POINT}=explode", "no action is called 'explode'; there are off, kill, error, unknown, sleep, print"),
        (f"{POINT}=kill(", "is not of the form"),
        (f"{POINT}=", "is not of the form"),
        (POINT, "is not of the form NAME=TERM->TERM"),
        (f"{POINT}=off->", "is not of the form [P%][N*]action[(argument)]"),
        (f"{POINT}=sleep", "sleep takes a number of milliseconds"),
        (f"{POINT}=sleep(1.5)", "sleep takes a number of milliseconds"),
        (f"{POINT}=kill {POINT}=kill", "is not of the form"),
    ],
)
def test_wrong_words_are_a_usage_error_that_lists_the_points(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as told:
        Failpoints(text)
    assert complaint in told.value.message
    assert all(point in told.value.hint for point in POINTS)


def test_arming_twice_with_the_same_words_goes_on_counting_and_without_them_turns_all_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(failpoints, "_armed", None)
    environment = {failpoints.VARIABLE: f"{POINT}=1*off->1*error(now)"}
    failpoints.arm(environment)
    failpoint("docker", "Create", "before")
    failpoints.arm(environment)
    with pytest.raises(Refused, match="now"):
        failpoint("docker", "Create", "before")
    assert capsys.readouterr().err.count("failpoints are on") == 1
    failpoints.arm({})
    failpoint("docker", "Create", "before")


def test_every_point_of_the_list_is_in_the_code_and_no_other() -> None:
    package = Path(failpoints.__file__).parent
    text = "\n".join(path.read_text() for path in package.rglob("*.py") if path.name != "failpoints.py")
    called = re.findall(r"\bfailpoint\((.*)\)", text)
    assert sorted(call.strip('"') for call in called if "," not in call) == sorted(STEPS)
    assert [call for call in called if "," in call] == [
        'desired.runtime, "prepare", "before"',
        'desired.runtime, "prepare", "after"',
        'runtime, action.verb, "before"',
        'runtime, action.verb, "after"',
    ]
    assert len(POINTS) == len(EFFECTS) + len(STEPS)


# -- on the command line


class Program:
    """One home, and the program with failpoints on."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "web.yaml").write_text(SPEC)

    def run(self, *arguments: str, points: str = "", trace: str = "") -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "RECONCILER_HOME": str(self.directory / "home"),
            "DOCKER_HOST": f"unix://{self.directory}/nobody.sock",
            "PYTHONUTF8": "1",
            **({failpoints.VARIABLE: points} if points else {}),
            **({failpoints.TRACE: trace} if trace else {}),
        }
        return warm.run(arguments, env=environment, cwd=self.directory, seconds=60)

    def apply(self, points: str = "", trace: str = "") -> subprocess.CompletedProcess[str]:
        return self.run("apply", "-f", "web.yaml", points=points, trace=trace)


@pytest.fixture
def program(tmp_path: Path):  # noqa: ANN201 -- a generator
    it = Program(tmp_path)
    yield it
    gone = it.run("delete", "all", "--all", "-n", "points", "--ignore-not-found")
    assert gone.returncode == 0, gone.stderr


def test_the_program_says_that_points_are_on_and_passes_them_in_order(program: Program, tmp_path: Path) -> None:
    told = program.apply(trace=str(tmp_path / "trace"))
    assert told.returncode == 0, told.stderr
    assert "note: failpoints are on" in told.stderr
    passed = (tmp_path / "trace").read_text().split()
    steps = [name for name in passed if not name.startswith("store.")]
    assert steps == [
        "source.keep.before",
        "source.keep.drafted",
        "source.keep.replaced",
        "source.keep.after",
        "process.prepare.before",
        "process.prepare.after",
        "process.create.before",
        "process.directory.made",
        "process.cgroup.made",
        "process.labels.written",
        "process.directory.filled",
        "process.service.launched",
        "process.create.after",
    ]
    assert "failpoints" not in program.apply().stderr


def test_killed_means_killed(program: Program) -> None:
    told = program.apply("process.create.after=1*kill")
    assert told.returncode == -signal.SIGKILL
    again = program.apply()
    assert (again.returncode, again.stdout) == (0, "service/web unchanged\n")


def test_an_error_at_an_effect_is_told_as_any_other_refusal_and_the_next_apply_does_better(program: Program) -> None:
    told = program.apply("process.create.before=1*error(the moon is full)")
    assert told.returncode == 1
    assert "error: service/web: Refused: the moon is full" in told.stderr
    assert program.apply().returncode == 0


def test_a_diary_that_refuses_is_gone_on_without(program: Program) -> None:
    told = program.apply("store.write.before=error(disk full)")
    assert told.returncode == 0, told.stderr
    assert "can't be used (disk full" in told.stderr


def test_desired_state_that_can_not_be_kept_is_an_error_and_nothing_has_happened(program: Program) -> None:
    told = program.apply("source.keep.before=error(disk full)")
    assert told.returncode == 1
    assert "error: disk full" in told.stderr
    assert not (program.directory / "home" / "processes").exists()


@pytest.mark.parametrize("verb", [("apply", "-f", "web.yaml"), ("status",)])
def test_a_wrong_string_is_a_usage_error_before_anything_happens(program: Program, verb: tuple[str, ...]) -> None:
    told = program.run(*verb, points="web.create.before=kill")
    assert told.returncode == 2
    assert "no point is called 'web.create.before'" in told.stderr
    assert "docker.create.before" in told.stderr
    assert not (program.directory / "home").exists()


def test_help_and_version_need_not_know_of_points(program: Program) -> None:
    assert program.run("version", points="nonsense").returncode == 0
    assert "failpoint" not in program.run("--help").stdout.lower()

"""The controller of a campaign is killed at random moments, and whoever comes next goes on: in the end it is as if
nobody had been killed.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.scenarios.campaigns import campaign, left, lines, manifest, status
from tests.scenarios.stage import IMAGE, Document, Stage, eventually

RUNS = 60
KILLS = 10
NIGHTLY = settings.default.max_examples >= 100_000
SEED = int(os.environ.get("CAMPAIGN_SEED", "0")) or random.randrange(1, 10**6)
SAY = 'echo "${run.id} $$" >> ../executed; echo "{\\"n\\": ${matrix.n}, \\"square\\": $((${matrix.n} * ${matrix.n}))}"'
IN_BOX = 'echo "{\\"n\\": ${matrix.n}, \\"square\\": $((${matrix.n} * ${matrix.n}))}"'


def bench(name: str, *, native: bool, runs: int) -> Document:
    spec: dict[str, Any] = {"matrix": {"n": list(range(runs // 3))}, "cycles": 3, "order": "shuffled", "seed": 4}
    if native:
        return campaign(name, **{"process": {"command": ["sh", "-c", SAY], "workingDir": "./work"}, **spec})
    return campaign(name, **{"process": None, "container": {"image": IMAGE, "command": ["sh", "-c", IN_BOX]}, **spec})


def outcome(stage: Stage, name: str) -> list[Any]:
    """What a researcher goes by: not when, nor how often it had to be begun."""
    kept = ("id", "params", "cycle", "state", "exitCode", "result", "error")
    return [{name: line[name] for name in kept} for line in lines(stage, name)]


def killed_again_and_again(stage: Stage, name: str, runs: int, kills: int, *options: str) -> Iterator[int]:
    """Each time at a random moment while a random run is under way; gives the number of runs that had ended by then."""
    chance = random.Random(SEED)
    print(f"CAMPAIGN_SEED={SEED}")
    for goal in sorted(chance.sample(range(1, runs - 1), kills)):
        with subprocess.Popen(
            stage.argv("run", name, "--resume", *options), env=stage.environment, cwd=stage.directory,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        ) as child:  # fmt: skip
            eventually(lambda: ended(stage, name) >= goal or child.poll() is not None, f"{goal} runs have ended", 120)  # noqa: B023
            time.sleep(chance.uniform(0, 0.1))
            assert child.poll() is None, child.stderr.read() if child.stderr else ""
            child.kill()
        yield ended(stage, name)


def ended(stage: Stage, name: str) -> int:
    return sum(run["state"] == "completed" for run in manifest(stage, name)["runs"])


def proven(stage: Stage, *, native: bool, runs: int, kills: int, options: tuple[str, ...] = ()) -> None:
    (stage.directory / "work").mkdir()
    documents = [bench("bench", native=native, runs=runs), bench("calm", native=native, runs=runs)]
    for document in documents:
        document["spec"] = {name: value for name, value in document["spec"].items() if value is not None}
    stage.apply(*documents)
    calm = stage.start_cli("run", "calm", "-q", *options)
    moments = list(killed_again_and_again(stage, "bench", runs, kills, *options))
    stage.cli("run", "bench", "--resume", *options)
    out, err = calm.communicate(timeout=300)
    assert calm.returncode == 0, (out, err)

    assert len(moments) == kills
    tree = status(stage, "bench")
    assert (tree["state"], tree["completed"], tree["failed"]) == ("completed", runs, 0)
    assert Counter(line["id"] for line in lines(stage, "bench")) == Counter(run["id"] for run in tree["runs"])
    assert {line["state"] for line in lines(stage, "bench")} == {"completed"}
    assert outcome(stage, "bench") == outcome(stage, "calm")
    assert left(stage) == []


def test_L16_L17_L21_sixty_runs_and_ten_kills_leave_what_sixty_runs_leave(stage: Stage) -> None:
    proven(stage, native=True, runs=RUNS, kills=KILLS)

    done = Counter(line.split()[0] for line in (stage.directory / "executed").read_text().splitlines())
    assert len(done) == RUNS
    twice = {run: times for run, times in done.items() if times != 2}
    assert not twice, "each once by the calm one, and once by the killed one: what goes on is taken over"


@pytest.mark.parametrize("strategy", ["ephemeral", "persistent"])
def test_L3_L4_L21_so_it_is_with_containers_of_both_strategies(stage: Stage, strategy: str) -> None:
    """A smaller one by day; all sixty runs by night."""
    runs, kills = (RUNS, KILLS) if NIGHTLY else (6, 2)
    proven(stage, native=False, runs=runs, kills=kills, options=("--strategy", strategy, "--yes"))

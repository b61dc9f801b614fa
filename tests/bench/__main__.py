"""`python -m tests.bench [--quick] [--json FILE] [--only WORD]`: the table of bars.

Exit code 1 says that a bar was missed. Containers need an engine, which `python -m tests.rig run` brings along.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tests.bench import containers, healing, machines, peers, planning, processes, resting, startup
from tests.bench.contest import Contest, Line
from tests.bench.stage import Stage, stage

HEAD = f"{'what':44} {'bar':4} {'ours':>9} {'beside':>9}  {'ratio':>6} {'limit':>6}  ok   spread of ours"


def main() -> int:
    given = _arguments()
    found: list[Line] = []
    print(HEAD)
    with stage() as held:
        for line in _lines(held, quick=given.quick, only=given.only):
            print(_row(line), flush=True)
            found.append(line)
    for name in peers.absent():
        print(f"{name} is not installed, and so was left out")
    if given.json:
        given.json.write_text(json.dumps([{**asdict(line), "ok": line.ok} for line in found], indent=2))
    return 1 if any(line.ok is False for line in found) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure, beside the limit.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller worlds: two minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there too")
    parser.add_argument("--only", default="", metavar="WORD", help="only lines whose title or bar holds this")
    return parser.parse_args()


def _lines(held: Stage, *, quick: bool, only: str) -> Iterator[Line]:
    for contest in _contests(held, quick=quick):
        if _wanted(contest, only):
            yield from contest.lines()
    if only in "P9 memory":
        yield processes.memory(held)
    if only in "P7 killed process":
        yield from healing.lines(held, quick=quick)
    if only in "P10 at rest":
        yield from resting.lines(held, quick=quick)
    if held.engine and only in "H other machines, hosts":
        yield from machines.lines(held, quick=quick)
    if only in "P12 plan":
        yield from planning.lines(quick=quick)


def _contests(held: Stage, *, quick: bool) -> Iterator[Contest]:
    yield from startup.contests(held, quick=quick)
    if held.engine is None:
        print("no container engine answers: containers are left out", file=sys.stderr)
    else:
        yield from containers.contests(held, quick=quick)
    yield from processes.contests(held, quick=quick)
    yield from healing.contests(held, quick=quick)
    yield from resting.contests(held, quick=quick)


def _wanted(contest: Contest, only: str) -> bool:
    return only in f"{contest.bar} {contest.title}"


def _row(line: Line) -> str:
    ours, beside = ("", "")
    spread = line.remark
    if line.samples:
        first, *rest = line.samples.values()
        ours = f"{first.median:.3f}s"
        beside = f"{rest[0].median:.3f}s" if rest else ""
        spread = f"{first.spread[0]:.3f}–{first.spread[1]:.3f}"
    limit = "" if line.limit is None else f"{line.limit:.2f}"
    verdict = {True: "yes", False: "NO", None: ""}[line.ok]
    return f"{line.title:44} {line.bar:4} {ours:>9} {beside:>9}  {line.ratio:6.2f} {limit:>6}  {verdict:4} {spread}"


if __name__ == "__main__":
    sys.exit(main())

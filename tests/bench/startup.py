"""What it costs to be started at all, beside an interpreter that does nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tests.bench.contest import Contest, Contestant
from tests.bench.stage import Stage

LINES = {"--help": 4.0, "version": 4.0, "status": None}
"""The bar for `status` is for one that asks a daemon; this one looks by itself."""


def contests(stage: Stage, *, quick: bool) -> Iterator[Contest]:
    for line, limit in LINES.items():
        contestants = [
            Contestant("ours", lambda line=line: stage.reconciler(line)),  # type: ignore[misc]
            Contestant("python -c pass", lambda: stage.run(sys.executable, "-c", "pass")),
        ]
        yield Contest(f"reconciler {line}", "P11", contestants, limit, 9 if quick else 21)

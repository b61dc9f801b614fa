"""A campaign as scripts and tables read it: its state, and what its runs brought."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reconciler.core.campaign import manifest as manifests
from reconciler.core.campaign.manifest import Manifest, Run, State
from reconciler.core.moments import iso
from reconciler.kinds.matrix import Scalar, written


def status(manifest: Manifest, *, attended: bool, gap: float = 0.0, now: float = 0.0) -> dict[str, Any]:
    """The names and their order are a contract."""
    left = manifests.eta(manifest, gap, now) if attended else None
    return {
        "state": str(manifests.state(manifest, attended=attended)),
        "completed": len(manifest.of(State.COMPLETED)),
        "failed": len(manifest.of(State.FAILED)),
        "pending": len(manifest.of(State.PENDING)),
        "running": len(manifest.of(State.RUNNING)),
        "skipped": len(manifest.of(State.SKIPPED)),
        "total": len(manifest.runs),
        "etaSeconds": None if left is None else round(left, 1),
        "name": manifest.name,
        "namespace": manifest.namespace,
        "strategy": manifest.strategy,
        "startedAt": moment(manifest.begun_at),
        "finishedAt": moment(manifest.finished_at),
        "results": manifest.results,
        "fingerprint": manifest.fingerprint,
        "runs": [run_tree(run) for run in manifest.runs],
    }


def unbegun(name: str, namespace: str, runs: Sequence[Run]) -> dict[str, Any]:
    """Of one that nobody has run yet."""
    counts = {"completed": 0, "failed": 0, "pending": len(runs), "running": 0, "skipped": 0, "total": len(runs)}
    trees = [run_tree(run) for run in runs]
    return {"state": str(State.PENDING), **counts, "name": name, "namespace": namespace, "runs": trees}


def run_tree(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "params": run.params,
        "cycle": run.cycle,
        "state": str(run.state),
        "attempts": run.attempts,
        "exitCode": run.exit_code,
        "startedAt": moment(run.started_at),
        "finishedAt": moment(run.finished_at),
        "log": run.log or None,
        "error": run.error or None,
        "reason": run.reason or None,
        "hint": run.hint or None,
        "result": dict(run.result),
        "fingerprint": run.fingerprint or None,
    }


def json_lines(runs: Iterable[Run]) -> str:
    """One line for each run that has ended, in order."""
    return "".join(json.dumps(run_tree(run), ensure_ascii=False) + "\n" for run in runs if run.over)


def table(runs: Sequence[Run]) -> str:
    """The same as CSV: a column for each parameter, and for each field of what the runs said at their end."""
    ended = [run for run in runs if run.over]
    params = list(dict.fromkeys(name for run in runs for name in run.params))
    results = sorted({name for run in ended for name in run.result})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    first = ("id", "cycle", "state", "attempts", "exitCode", "startedAt", "finishedAt", "seconds", "error")
    writer.writerow([*first, *params, *(f"result.{name}" for name in results)])
    for run in ended:
        own = (run.id, run.cycle, run.state, run.attempts, run.exit_code)
        times = (moment(run.started_at), moment(run.finished_at))
        seconds = None if run.seconds is None else round(run.seconds, 3)
        given = [_cell(run.params.get(name)) for name in params]
        writer.writerow([*own, *times, seconds, run.error, *given, *(_cell(run.result.get(name)) for name in results)])
    return out.getvalue()


def result_of(lines: Iterable[bytes]) -> Mapping[str, Scalar | None]:
    """The last line that is a JSON object: its scalar fields are what the run brought."""
    found: Mapping[str, Scalar | None] = {}
    for line in lines:
        text = line.strip()
        if text.startswith(b"{") and text.endswith(b"}"):
            found = _scalars(text) or found
    return found


def _scalars(text: bytes) -> Mapping[str, Scalar | None] | None:
    try:
        tree = json.loads(text, parse_constant=lambda _: None, parse_float=_finite)  # NaN is no JSON
    except (ValueError, RecursionError):
        return None
    if not isinstance(tree, dict):
        return None
    return {name: value for name, value in tree.items() if value is None or isinstance(value, str | int | float)}


def _finite(text: str) -> float | None:
    """1e999 is JSON, and infinite; what we write of that is not."""
    return number if math.isfinite(number := float(text)) else None


def _cell(value: Scalar | None) -> str:
    return "" if value is None else written(value)


def moment(at: float | None) -> str | None:
    """As exactly as runs are measured."""
    return iso(at, "milliseconds")

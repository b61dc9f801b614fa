"""Campaigns as values, and what is left of them: in the world, in the manifest, in the folder of results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reconciler.runtimes.process.directory import LABELS
from tests.scenarios.documents import document
from tests.scenarios.stage import IMAGE, Document, Stage


def campaign(name: str, *command: str, native: bool = True, **spec: Any) -> Document:
    """Of native processes, unless told otherwise. Each has a folder of results of its own."""
    runs = {"process": {"command": list(command)}} if native else {"container": {"image": IMAGE, "command": [*command]}}
    return document("Campaign", name, **{**runs, "results": f"./results/{name}", **spec})


def script(name: str, text: str, **spec: Any) -> Document:
    return campaign(name, "sh", "-c", text, **spec)


def status(stage: Stage, name: str) -> Any:
    return stage.cli("campaign", "status", name, "-o", "json").json


def states(stage: Stage, name: str) -> list[str]:
    return [run["state"] for run in status(stage, name)["runs"]]


def manifest(stage: Stage, name: str) -> Any:
    """Straight from the file, for who can't wait."""
    return json.loads((stage.home / "campaigns" / f"{stage.namespace}.{name}" / "manifest.json").read_text())


def lines(stage: Stage, name: str) -> list[Any]:
    return [json.loads(line) for line in folder(stage, name).joinpath("runs.jsonl").read_text().splitlines()]


def folder(stage: Stage, name: str) -> Path:
    return stage.directory / "results" / name


def left(stage: Stage) -> list[str]:
    """All that campaigns have left in the world: containers, processes, labelled service directories. Of a removal that
    is killed at its very end an empty folder may stay.
    """
    mark = f"RECONCILER_KEY=campaign/{stage.namespace}/"
    containers = [
        item["Names"][0] for item in stage.engine.get("/containers/json?all=1")
        if item["Labels"].get("dev.reconciler.kind") == "campaign"
        and item["Labels"].get("dev.reconciler.namespace") == stage.namespace
    ]  # fmt: skip
    processes = [str(process) for process in stage.processes() if mark in environ(process.pid)]
    folders = (stage.home / "processes").glob(f"{stage.namespace}.*")
    directories = [path.name for path in folders if any((path / name).exists() for name in LABELS)]
    return [*containers, *processes, *directories]


def environ(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""

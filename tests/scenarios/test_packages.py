"""A process and its files: brought to another machine, where nothing was prepared for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.machines.lab import Lab
from tests.machines.machine import Machine
from tests.scenarios.documents import document
from tests.scenarios.stage import Document, Stage, eventually

pytestmark = [pytest.mark.engine, pytest.mark.root]

STATE = ".local/state/reconciler-hosted"


@pytest.fixture(scope="module")
def parcel(lab: Lab) -> Machine:
    return lab.machine("parcel")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """With more in them than one piece holds."""
    folder = tmp_path / "greeter"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "words.sh").write_text("word=first\n")
    (folder / "lib" / "notes.md").write_text("not for others\n")
    (folder / "large").write_bytes(bytes(5 << 20))
    (folder / "greet").write_text("#!/bin/sh\n. ./lib/words.sh\necho $word $MODE $(cat made)\nexec sleep 10000\n")
    (folder / "greet").chmod(0o755)
    return folder


def host(lab: Lab, machine: Machine, name: str, user: str) -> Document:
    ssh = {"host": machine.address, "user": user, "identityFile": str(lab.identity), "hostKey": machine.host_key}
    return document("Host", name, ssh=ssh, engine="none")


def greeter(name: str, files: Path, where: str) -> Document:
    setup = ["sh", "-c", "echo set up >> made"]
    package = {"path": str(files), "exclude": ["**/*.md"], "setup": setup, "env": {"MODE": "fast"}}
    return document("Service", name, runOn=where, process={"command": ["./greet"], "package": package})


def said(stage: Stage, name: str) -> str:
    return stage.cli("logs", name).out.rpartition("\n")[0].rpartition("\n")[2]


def test_H3_H7_a_process_and_its_files_run_where_nothing_was_prepared(
    stage: Stage, lab: Lab, parcel: Machine, files: Path
) -> None:
    """For root, and for somebody to whom nothing but busybox is known there."""
    users = {"parcel": "/root", "sparse": "/home/sparse"}
    known = [host(lab, parcel, "parcel", "root"), host(lab, parcel, "sparse", "sparse")]
    spec = [greeter("one", files, "parcel"), greeter("two", files, "parcel"), greeter("poor", files, "sparse")]

    def packages(home: str) -> list[str]:
        return sorted(parcel.run("ls", "-A", f"{home}/{STATE}/packages").decode().split())

    stage.apply(*known, *spec, "--timeout", "90")
    for name in ("one", "two", "poor"):
        eventually(lambda name=name: said(stage, name) == "first fast set up", f"{name} is set up once and runs")
    before = {home: packages(home) for home in users.values()}
    assert {len(found) for found in before.values()} == {1}, "once on each host"
    tree = f"/root/{STATE}/packages/{before['/root'][0]}/tree"
    assert parcel.run("ls", f"{tree}/lib").split() == [b"words.sh"]
    assert parcel.run("cat", f"{tree}/../setup.log") == b""
    assert stage.apply(*known, *spec, "--timeout", "90").actions == []

    (files / "lib" / "words.sh").write_text("word=second\n")
    stage.apply(*known, *spec, "--timeout", "90")
    for name in ("one", "two", "poor"):
        eventually(lambda name=name: said(stage, name) == "second fast set up", f"{name} has the new files")
    after = {home: packages(home) for home in users.values()}
    assert {len(found) for found in after.values()} == {1}, "what nobody is started from any more is gone"
    assert after != before

    (files / "greet").write_text("#!/no/such/shell\n")
    failed = stage.apply(*known, *spec, "--timeout", "90", expect=1)
    assert "/no/such/shell" in failed.out + failed.err
    assert stage.status_of("one")["instances"][0]["phase"] == "Running", "the old one goes on"

    stage.cli("delete", "all", "--all")
    assert {home: packages(home) for home in users.values()} == {"/root": [], "/home/sparse": []}

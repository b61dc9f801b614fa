"""Packing by hand what would be delivered, and looking into what others packed."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

from tests.cli.conftest import Run

SPEC = """
apiVersion: reconciler/v1
kind: Service
metadata: {name: NAME}
spec: {process: {command: [./run], package: {path: app, exclude: ["*.log"]}}}
"""


def test_H7_the_same_files_are_the_same_archive_wherever_and_whenever_they_are_packed(cli: Run, tmp_path: Path) -> None:
    for place, time in (("one", 1_000_000), ("other", 2_000_000)):
        app = tmp_path / place / "app"
        (app / "lib").mkdir(parents=True)
        (app / "run").write_text("#!/bin/sh\n")
        (app / "run").chmod(0o755 if time == 1_000_000 else 0o700)
        (app / "lib" / ("long" * 40)).write_text("x" * 1000)
        (app / "out.log").write_text(place)
        os.utime(app / "run", (time, time))
        (tmp_path / place / "web.yaml").write_text(SPEC.replace("NAME", "web"))
    built = [
        cli("package", "build", "-f", f"{place}/web.yaml", "--out", f"{place}.tar", "-o", "json")
        for place in ("one", "other")
    ]
    told = [json.loads(done.stdout) for done in built]
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "other.tar").read_bytes()
    assert told[0] == {**told[1], "file": "one.tar"}
    assert told[0]["files"] == 2
    with tarfile.open(tmp_path / "one.tar") as tar:
        assert [(m.name[:8], m.mode, m.mtime, m.uid) for m in tar] == [
            ("lib", 0o755, 0, 0), ("lib/long", 0o644, 0, 0), ("run", 0o755, 0, 0),
        ]  # fmt: skip
    seen = json.loads(cli("package", "inspect", "one.tar", "-o", "json").stdout)
    assert {name: seen[name] for name in told[0]} == told[0]
    assert [member["name"][:8] for member in seen["members"]] == ["lib", "lib/long", "run"]


def test_H7_what_nobody_should_unpack_is_refused_with_its_name(cli: Run, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as tar:
        link = tarfile.TarInfo("app/etc")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
    refused = cli("package", "inspect", "evil.tar.gz")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "evil.tar.gz is not to be unpacked: 'app/etc' is a symbolic link" in refused.stderr
    assert cli("package", "inspect", "missing.tar").returncode == 1


def test_it_says_what_is_to_be_packed_where_that_is_not_clear(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "all.yaml").write_text(SPEC.replace("NAME", "web") + "---" + SPEC.replace("NAME", "api"))
    assert "several packages: web, api" in cli("package", "build", "-f", "all.yaml").stderr
    assert cli("package", "build", "-f", "all.yaml", "api").stdout.startswith("api.tar: 0 files")
    assert "one of web, api" in cli("package", "build", "-f", "all.yaml", "db").stderr
    assert cli("package", "build").returncode == 2
    (tmp_path / "app" / "link").symlink_to("/etc")
    failed = cli("package", "build", "app", "--out", "app.tar")
    assert failed.returncode == 1
    assert "link is a symbolic link, which is not delivered" in failed.stderr
    assert sorted(path.name for path in tmp_path.glob("*.tar*")) == ["api.tar"]

"""What a process is delivered with lies beside it once, set up once, for as long as something is started from it: on
this machine, and by another one's shell, here without a wire.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.fingerprint import fingerprint, package_of
from reconciler.errors import Refused
from reconciler.kinds.package import Package as PackageSpec
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.workload import Process
from reconciler.model.desired import Desired, Package, ProcessPayload, Stop
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase
from reconciler.model.resource import Resource
from reconciler.ports import Completed
from reconciler.runtimes.process.runtime import ProcessRuntime
from reconciler.runtimes.remote import packages
from reconciler.runtimes.remote.runtime import RemoteProcesses
from reconciler.sources.contexts import Contexts
from tests.contract.elsewhere import Wire
from tests.contract.harness import OWNER
from tests.waiting import until

TELLS = ("sh", "-c", 'pwd; cat app/*.txt; echo "$MODE"; echo over; exec sleep 1000')


class Damaging(Wire):
    """What goes over it may be damaged."""

    damaged = False

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", deadline: float = 30.0) -> Completed:
        if self.damaged and stdin:
            stdin = stdin.replace(b"hello", b"HELLO")
        return super().run(argv, stdin=stdin, deadline=deadline)


class Grounds:
    """A runtime, and where its state lies."""

    def __init__(self, kind: str, state: Path, files: Path, namespace: str) -> None:
        self.state, self.files, self.namespace = state, files, namespace
        self.wire = Damaging()
        self.runtime: Any = (
            ProcessRuntime(str(state), OWNER) if kind == "here" else RemoteProcesses(self.wire, OWNER, state=str(state))
        )

    def package(self, *setup: str, **spec: Any) -> Package:
        process = Process(command=("x",), package=PackageSpec(path=str(self.files), **spec))
        key = Key("service", "shop", "x")
        found, unreadable = Contexts().read([Resource(key, ServiceSpec(process=process))], lambda *_: "")
        assert not unreadable
        return package_of(next(iter(found.values())), setup, {"MODE": "fast"})

    def desired(self, name: str, package: Package, command: tuple[str, ...] = TELLS) -> Desired:
        key = Key("service", self.namespace, name, 0)
        payload = ProcessPayload(command=command, package=package, env=package.env)
        return Desired(key=key, runtime="process", payload=payload, fingerprint=fingerprint(payload), owner=OWNER)

    def begun(self, desired: Desired) -> Observed:
        self.runtime.prepare(desired)
        self.runtime.create(desired)
        return self.see(desired)

    def see(self, desired: Desired) -> Observed:
        return next(thing for thing in self.runtime.observe().objects if thing.key == desired.key)

    def said(self, desired: Desired) -> list[str]:
        key = desired.key
        log = self.state / "processes" / f"{key.namespace}.{key.name}.0" / "log"
        return log.read_text().split() if log.exists() else []

    def kept(self) -> set[str]:
        """Packages, and whatever else lies beside them."""
        found = {path.name for path in (self.state / "packages").glob("*")}
        return {name for name in found if not name.endswith(".turn")}

    def end(self, seen: Observed) -> None:
        self.runtime.stop(seen, Stop("KILL", 0))
        self.runtime.remove(seen)


@pytest.fixture(params=["here", "there", "sparse"])
def grounds(
    request: pytest.FixtureRequest, tmp_path: Path, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Grounds]:
    """`sparse`: nothing is found there but busybox."""
    if request.param == "sparse":
        if not (busybox := shutil.which("busybox")):
            pytest.skip("there is no busybox")
        (tmp_path / "bin").mkdir()
        subprocess.run([busybox, "--install", "-s", tmp_path / "bin"], check=True)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    files = tmp_path / "files"
    (files / "app").mkdir(parents=True)
    (files / "app" / "a.txt").write_text("hello\n")
    (files / "run").write_text("#!/bin/sh\nexec sleep 1000\n")
    (files / "run").chmod(0o755)
    made = Grounds(request.param, tmp_path / "state", files, namespace)
    yield made
    for thing in made.runtime.observe().objects:
        if thing.pid and thing.phase is Phase.RUNNING:
            os.killpg(thing.pid, signal.SIGKILL)
        if thing.key and thing.kind == "service":
            until(lambda thing=thing: made.end(thing) is None)
    assert made.kept() == set(), "nothing is left of what nobody is started from"


def test_H7_what_several_are_started_from_is_there_once_and_set_up_once(grounds: Grounds) -> None:
    package = grounds.package("sh", "-c", 'echo "set up $MODE" >> app/b.txt; echo done')
    one, other = grounds.desired("one", package), grounds.desired("other", package)
    for desired in (one, other):
        grounds.begun(desired)
        until(lambda desired=desired: grounds.said(desired)[-1:] == ["over"])
    place = grounds.state / "packages" / package.id
    assert grounds.said(one) == [f"{place}/tree", "hello", "set", "up", "fast", "fast", "over"] == grounds.said(other)
    assert grounds.kept() == {package.id}
    assert (place / "setup.log").read_text() == "done\n"
    assert (place / "tree" / "app" / "a.txt").stat().st_mode & 0o777 == 0o644
    assert (place / "tree" / "run").stat().st_mode & 0o777 == 0o755


def test_H7_another_content_is_another_package_and_each_stays_for_as_long_as_it_is_used(grounds: Grounds) -> None:
    first = grounds.desired("one", grounds.package())
    seen = grounds.begun(first)
    (grounds.files / "app" / "a.txt").write_text("hello again\n")
    second = grounds.desired("other", grounds.package())
    assert second.fingerprint != first.fingerprint
    grounds.begun(second)
    ids = [desired.payload.package.id for desired in (first, second)]  # type: ignore[union-attr]
    assert grounds.kept() == set(ids)
    grounds.end(seen)
    assert grounds.kept() == {ids[1]}
    grounds.runtime.clear_away(first.key)
    assert grounds.kept() == {ids[1]}
    until(lambda: grounds.said(second)[1:3] == ["hello", "again"])


def test_H7_a_setup_that_fails_says_so_with_its_last_words_and_nothing_is_started(grounds: Grounds) -> None:
    bad = grounds.desired("one", grounds.package("sh", "-c", "echo no such thing as sugar >&2; exit 3"))
    with pytest.raises(Refused, match="exit code 3: no such thing as sugar") as refused:
        grounds.runtime.prepare(bad)
    assert "setup.log" in refused.value.hint
    with pytest.raises(Refused, match="exit code 3"):
        grounds.runtime.create(bad)
    assert not [thing for thing in grounds.runtime.observe().objects if thing.key]
    missing = grounds.desired("one", grounds.package("no-such-program"))
    with pytest.raises(Refused, match="setup of its package"):
        grounds.runtime.prepare(missing)
    grounds.runtime.clear_away(bad.key)
    assert grounds.kept() == set()


def test_H7_what_a_cut_has_left_is_made_anew(grounds: Grounds) -> None:
    package = grounds.package("sh", "-c", "echo whole > app/b.txt")
    half = grounds.state / "packages" / package.id / "tree" / "app"
    half.mkdir(parents=True)
    (half / "left.txt").write_text("half\n")
    desired = grounds.desired("one", package)
    grounds.begun(desired)
    until(lambda: grounds.said(desired)[-1:] == ["over"])
    assert grounds.said(desired)[1:3] == ["hello", "whole"]


@pytest.mark.parametrize(("first", "named"), [("#!/no/such/interpreter", "/no/such/interpreter"),
                                              ("#!/usr/bin/env nosuchthing", "nosuchthing")])  # fmt: skip
def test_H7_a_missing_interpreter_is_named_before_anything_is_stopped(grounds: Grounds, first: str, named: str) -> None:
    (grounds.files / "run").write_text(f"{first}\n")
    desired = grounds.desired("one", grounds.package(), ("./run",))
    with pytest.raises(Refused, match=named):
        grounds.runtime.prepare(desired)
    with pytest.raises(Refused, match="nosuchprogram"):
        grounds.runtime.prepare(replace(desired, payload=replace(desired.payload, command=("nosuchprogram",))))
    grounds.runtime.clear_away(desired.key)


def test_H7_what_somebody_is_about_to_use_is_not_swept_away(grounds: Grounds) -> None:
    package = grounds.package()
    desired = grounds.desired("one", package)
    assert isinstance(desired.payload, ProcessPayload)
    kept = grounds.runtime._packages
    with kept.ready(desired.key, desired.payload if isinstance(grounds.runtime, ProcessRuntime) else package):
        grounds.runtime.clear_away(desired.key)
        assert grounds.kept() == {package.id}
    grounds.runtime.clear_away(desired.key)
    assert grounds.kept() == set()


@pytest.mark.parametrize("grounds", ["there"], indirect=True)
def test_H7_what_was_damaged_on_its_way_is_not_unpacked(grounds: Grounds, monkeypatch: pytest.MonkeyPatch) -> None:
    (grounds.files / "large").write_bytes(os.urandom(100_000))
    monkeypatch.setattr(packages, "PIECE", 30_000)
    desired = grounds.desired("one", grounds.package())
    grounds.wire.damaged = True
    with pytest.raises(Refused, match="not what was sent"):
        grounds.runtime.prepare(desired)
    assert grounds.kept() == set()
    grounds.wire.damaged = False
    grounds.runtime.prepare(desired)
    sent = grounds.state / "packages" / desired.payload.package.id / "tree" / "large"  # type: ignore[union-attr]
    assert sent.read_bytes() == (grounds.files / "large").read_bytes()
    grounds.runtime.clear_away(desired.key)


@pytest.mark.parametrize("grounds", ["there"], indirect=True)
def test_H21_what_a_host_lacks_for_packages_is_named(
    grounds: Grounds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desired = grounds.desired("one", grounds.package())
    found = {name: shutil.which(name) or "" for name in ("sh", "cat", "tar")}
    (tmp_path / "bin").mkdir()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path / "bin"))
        for more, lacking in (("sh cat", "no tar"), ("tar", "sha256sum or openssl")):
            for name in more.split():
                (tmp_path / "bin" / name).symlink_to(found[name])
            with pytest.raises(Refused) as refused:
                grounds.runtime.prepare(desired)
            assert lacking in str(refused.value)

"""A second apply of the same is answered from a note and one look; whatever differs is noticed, and looked into."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.model import labels
from reconciler.runtimes.docker import glance
from tests import warm
from tests.cli.test_imports import HEAVY
from tests.engine_api import Engine
from tests.podman_lacks import CHANGE_IN_PLACE, skip_on_podman
from tests.waiting import until

pytestmark = pytest.mark.engine

WAY = """
import json, sys
from reconciler.cli import main
sys.settrace(lambda *_: None)  # who is watched ends in the usual way
try:
    main()
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
except SystemExit as end:
    print(json.dumps(end.code), file=sys.stderr)
"""
SPEC = """\
apiVersion: reconciler/v1
kind: Service
metadata: {name: web}
spec:
  container: {image: reconciler-test, command: [sleep, "1000"]}
  stop: {signal: KILL}
  env: {STEP: "${STEP:-0}"}
  envFrom: [{secret: keys}]
  volumes: [{config: page, mountPath: /page}]
---
apiVersion: reconciler/v1
kind: Secret
metadata: {name: keys}
spec: {env: {TOKEN: TOKEN}}
---
apiVersion: reconciler/v1
kind: Config
metadata: {name: page}
spec: {files: {text: ./page.txt}}
"""


class Stack:
    """A directory of specs, its home, and a namespace of its own."""

    def __init__(self, directory: Path, environment: dict[str, str], namespace: str, engine: Engine) -> None:
        self.directory = directory
        self.home = directory / "home"
        self.specs = directory / "specs"
        self.namespace = namespace
        self.engine = engine
        self.environment = {**environment, "RECONCILER_HOME": str(self.home), "TOKEN": "canary-7731"}
        self.specs.mkdir()
        (self.specs / "page.txt").write_text("one\n")
        (self.specs / "stack.yaml").write_text(SPEC)

    def apply(self, *more: str) -> tuple[subprocess.CompletedProcess[str], bool]:
        """Also whether the short way was taken."""
        return self.run("apply", "-f", "specs", "-n", self.namespace, *more)

    def run(self, *arguments: str) -> tuple[subprocess.CompletedProcess[str], bool]:
        ran = subprocess.run(
            [sys.executable, "-c", WAY, *arguments],
            env=self.environment, cwd=self.directory, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60, check=True,
        )  # fmt: skip
        *said, end = ran.stderr.splitlines()
        told = json.loads(end)
        if isinstance(told, list):
            assert ({"click", "dataclasses"} | HEAVY) & set(told) == set()
        ran.stderr = "".join(f"{line}\n" for line in said)
        ran.returncode = told if isinstance(told, int) else 0
        return ran, isinstance(told, list)

    def settled(self) -> None:
        """Applied until the short way is taken: nothing is noted of what is younger than a second."""
        until(self._noted)
        until(lambda: self.apply()[1])

    def _noted(self) -> bool:
        self.warm("apply", "-f", "specs", "-n", self.namespace)
        return any((self.home / "cache").glob("apply-*.json"))

    def warm(self, *arguments: str) -> None:
        """Where it does not matter which way is taken."""
        ran = warm.run(arguments, env=self.environment, cwd=self.directory, seconds=60)
        assert ran.returncode == 0, ran.stderr

    @property
    def note(self) -> Path:
        (only,) = (self.home / "cache").glob("apply-*.json")
        return only

    @property
    def container(self) -> str:
        return f"{self.namespace}-web-0"


@pytest.fixture
def stack(tmp_path: Path, environment: dict[str, str], namespace: str, engine: Engine) -> Iterator[Stack]:
    it = Stack(tmp_path, environment, namespace, engine)
    try:
        yield it
    finally:
        it.warm("delete", "all", "--all", "-n", namespace)


def test_the_short_way_says_what_the_long_way_says(stack: Stack) -> None:
    stack.settled()
    short, taken = stack.apply()
    stack.note.unlink()
    long, taken_again = stack.apply()
    assert (taken, taken_again) == (True, False)
    assert (short.stdout, short.stderr, short.returncode) == (long.stdout, long.stderr, long.returncode)
    assert short.stdout == "config/page unchanged\nsecret/keys unchanged\nservice/web unchanged\n"


def test_each_form_of_output_has_its_own_note(stack: Stack) -> None:
    stack.settled()
    first, _ = stack.apply("-o", "json")
    second, short = stack.apply("-o", "json")
    assert short
    assert second.stdout == first.stdout
    assert json.loads(second.stdout)["settled"] is True


def stop(stack: Stack) -> None:
    stack.engine.post(f"/containers/{stack.container}/stop?t=0")


def pause(stack: Stack) -> None:
    stack.engine.post(f"/containers/{stack.container}/pause")


def rename(stack: Stack) -> None:
    stack.engine.post(f"/containers/{stack.container}/rename?name={stack.container}-away")


def remove(stack: Stack) -> None:
    stack.engine.remove(stack.container)


def leave_the_network(stack: Stack) -> None:
    body = {"Container": stack.container, "Force": True}
    stack.engine.post(f"/networks/{stack.namespace}-default/disconnect", body)


def change_a_variable(stack: Stack) -> None:
    stack.environment["STEP"] = "1"


def change_a_secret(stack: Stack) -> None:
    stack.environment["TOKEN"] = "canary-7732"


def change_a_file(stack: Stack) -> None:
    (stack.specs / "page.txt").write_text("two\n")


def change_the_spec(stack: Stack) -> None:
    (stack.specs / "stack.yaml").write_text(SPEC.replace('"1000"', '"1001"'))


def add_a_spec(stack: Stack) -> None:
    more = "apiVersion: reconciler/v1\nkind: Config\nmetadata: {name: more}\nspec: {data: {a: b}}\n"
    (stack.specs / "more.yaml").write_text(more)


def change_what_is_kept(stack: Stack) -> None:
    stack.warm("scale", "web", "--replicas", "0", "-n", stack.namespace)


CHANGES = [
    stop, pause, rename, remove, leave_the_network, change_a_variable, change_a_secret, change_a_file, change_the_spec,
    add_a_spec, change_what_is_kept,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_noticed_and_closed(stack: Stack, change: Callable[[Stack], None]) -> None:
    stack.settled()
    change(stack)
    ran, short = stack.apply()
    assert not short
    assert ran.returncode == 0, ran.stderr
    assert "configured" in ran.stdout or "created" in ran.stdout
    inspected = stack.engine.inspect(stack.container)
    assert inspected["State"]["Running"]
    assert not inspected["State"]["Paused"]


def test_what_is_deleted_is_made_again(stack: Stack) -> None:
    stack.settled()
    stack.warm("delete", "service", "web", "-n", stack.namespace)
    ran, short = stack.apply()
    assert not short
    assert "service/web created" in ran.stdout


def test_a_damaged_note_and_one_that_others_can_write_are_passed_over(stack: Stack) -> None:
    stack.settled()
    whole = stack.note.read_bytes()
    for content in (b"", b"{}", b"[]", b"\xff", whole[:-20], b"[" * 100_000):
        stack.note.write_bytes(content)
        ran, short = stack.apply()
        assert (short, ran.returncode) == (False, 0), ran.stderr
        assert stack.apply()[1], "a fresh note has taken its place"
    stack.note.chmod(0o666)
    assert not stack.apply()[1]


def test_another_directory_another_engine_and_a_config_file_are_another_matter(stack: Stack) -> None:
    stack.settled()
    config = Path(stack.environment["HOME"]) / ".config/reconciler/config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("namespace: elsewhere\n")
    assert not stack.apply()[1]
    config.unlink()
    assert stack.apply()[1]
    engine = stack.environment.pop("DOCKER_HOST")
    stack.environment["DOCKER_HOST"] = "unix:///nowhere/docker.sock"
    ran, short = stack.apply("--timeout", "1")
    assert (short, ran.returncode) == (False, 1)
    stack.environment["DOCKER_HOST"] = engine
    assert stack.apply()[1]


def test_what_comes_through_a_pipe_is_read_by_the_long_way_only(stack: Stack) -> None:
    pipe = stack.directory / "pipe.yaml"
    os.mkfifo(pipe)

    def apply(spec: str) -> str:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(pipe.write_text, spec)
            ran, short = stack.run("apply", "-f", "pipe.yaml", "-n", stack.namespace)
        assert not short
        return ran.stdout

    spec = SPEC.replace("./page.txt", "specs/page.txt")
    apply(spec)
    assert "service/web unchanged" in apply(spec)
    assert "service/web unchanged" in apply(spec)
    assert "service/web configured" in apply(spec.replace('"1000"', '"1001"'))


def test_probes_and_processes_are_looked_at_each_time(stack: Stack) -> None:
    probed = SPEC.replace("  stop:", "  probes: {readiness: {exec: {command: ['true']}}}\n  stop:")
    native = SPEC.replace(
        'container: {image: reconciler-test, command: [sleep, "1000"]}', "process: {command: [sleep, '9']}"
    )
    for text in (probed, native.replace("  volumes: [{config: page, mountPath: /page}]\n", "")):
        (stack.specs / "stack.yaml").write_text(text)
        for _ in range(3):
            ran, short = stack.apply()
            assert (short, ran.returncode) == (False, 0), ran.stderr


def test_a_note_tells_no_secret_and_is_for_nobody_else(stack: Stack) -> None:
    stack.settled()
    assert b"canary-7731" not in stack.note.read_bytes()
    assert stack.note.stat().st_mode & 0o777 == 0o600
    assert stack.note.parent.stat().st_mode & 0o777 == 0o700
    assert stack.note.stat().st_uid == os.geteuid()


def test_what_others_do_meanwhile_is_no_matter(stack: Stack) -> None:
    stack.settled()
    other = stack.engine.run(f"bystander-of-{stack.namespace}")
    try:
        assert stack.apply()[1]
    finally:
        stack.engine.remove(other)


def test_who_takes_a_name_like_ours_or_joins_our_network_is_noticed(stack: Stack) -> None:
    stack.settled()
    for name, config in (
        (f"{stack.namespace}-other", {}),
        (f"guest-of-{stack.namespace}", {"HostConfig": {"NetworkMode": f"{stack.namespace}-default"}}),
    ):
        other = stack.engine.run(name, **config)
        try:
            assert not stack.apply()[1]
        finally:
            stack.engine.remove(other)


def test_the_label_of_the_namespace_is_the_one_of_the_table() -> None:
    assert glance.NAMESPACE == labels.NAMESPACE


def test_a_limit_that_was_changed_behind_our_back_is_noticed_though_no_list_tells_it(stack: Stack) -> None:
    skip_on_podman(stack.engine, CHANGE_IN_PLACE)
    stack.settled()
    stack.engine.post(f"/containers/{stack.container}/update", {"PidsLimit": 99})
    again, short = stack.apply()
    assert (short, "configured" in again.stdout) == (False, True)
    assert not stack.engine.inspect(stack.container)["HostConfig"]["PidsLimit"]
    stack.settled()


def test_looking_leaves_no_note(stack: Stack) -> None:
    stack.settled()
    stack.note.unlink()
    for line in (["diff", "-f", "specs"], ["apply", "-f", "specs", "--dry-run"]):
        ran, short = stack.run(*line, "-n", stack.namespace)
        assert (short, ran.returncode) == (False, 0), ran.stderr
    assert not list((stack.home / "cache").glob("apply-*"))


def test_where_a_daemon_does_the_work_the_next_but_one_is_told_the_short_way_too(stack: Stack) -> None:
    stack.warm("apply", "-f", "specs", "-n", stack.namespace)
    stack.warm("daemon", "start")
    try:
        stack.settled()
        short, _ = stack.apply()
        assert short.stdout == "config/page unchanged\nsecret/keys unchanged\nservice/web unchanged\n"
        change_the_spec(stack)
        changed, taken = stack.apply()
        assert not taken
        assert "service/web configured" in changed.stdout
    finally:
        stack.warm("daemon", "stop")

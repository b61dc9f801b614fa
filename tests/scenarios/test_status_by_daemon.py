"""A status that the daemon tells is the one that a command would have found by itself."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli.shortcuts import daemon_status
from tests.scenarios.daemon import Daemon
from tests.scenarios.documents import native
from tests.scenarios.stage import Stage, eventually

FORMS = (
    (), ("-A",), ("web",), ("-o", "json"), ("-o", "wide"), ("-o", "name"), ("--no-headers",), ("services",),
    ("-l", "team=none"), ("-n", "nowhere"),
)  # fmt: skip


@pytest.fixture
def daemon(stage: Stage) -> Iterator[Daemon]:
    it = Daemon(stage)
    yield it
    it.kill()


def alone(stage: Stage) -> dict[str, str]:
    """An environment in which nobody but ourselves may answer."""
    return {"RECONCILER_FAILPOINTS_TRACE": str(stage.directory / "trace")}


def told(stage: Stage, *words: str, **env: str) -> daemon_status.Words | None:
    given = {**stage.environment, **env}
    with pytest.MonkeyPatch.context() as here:
        here.setenv("HOME", given["HOME"])  # where `~` leads to
        here.chdir(stage.directory)
        return daemon_status.answer(["status", *words], given)


def ageless(text: str) -> str:
    """Time goes on while one looks twice."""
    return re.sub(r"\b\d+s( *)", "AGE", text)


def test_it_says_the_same_in_each_form_and_of_each_state(stage: Stage, daemon: Daemon) -> None:
    daemon.start()
    documents = [native("web"), native("halted", replicas=0), native("over", "false", restart={"policy": "Never"})]
    stage.apply(*documents, "--timeout", "5s", expect=None)
    eventually(lambda: "Failed" in stage.cli("status", "over").out, "it is over")
    for form in FORMS:
        long_way = stage.cli("status", "-n", stage.namespace, *form, env=alone(stage), expect=None)
        short = told(stage, "-n", stage.namespace, *form)
        assert short is not None, form
        assert ageless(short.stdout) == ageless(long_way.out), form
        assert short.stderr == long_way.err.replace(_note(long_way.err), ""), form


def _note(text: str) -> str:
    """That points of failure are on."""
    return next((line for line in text.splitlines(keepends=True) if "RECONCILER_FAILPOINTS" in line), "")


def test_whatever_is_not_plain_goes_the_long_way(stage: Stage, daemon: Daemon, tmp_path: Path) -> None:
    assert told(stage) is None, "no daemon"
    pid = daemon.start()
    assert told(stage) is not None
    for words in (("-w",), ("-Aw",), ("--watch",), ("--help",), ("-v",), ("--home", "/nowhere"), ("no-such-thing",)):
        assert told(stage, *words) is None, words
    assert told(stage, DOCKER_HOST="unix:///elsewhere.sock") is None, "it looks at another engine"
    assert told(stage, HOME=str(tmp_path)) is None
    assert stage.cli("status", "no-such-thing", expect=None).code != 0
    os.kill(pid, signal.SIGSTOP)
    try:
        assert told(stage) is None, "it hangs"
        assert "nothing is declared" in stage.cli("status").out
    finally:
        os.kill(pid, signal.SIGCONT)
    config = Path(stage.environment["HOME"]) / ".config" / "reconciler"
    config.mkdir(parents=True, exist_ok=True)
    (config / "config.yaml").write_text("output: name\n")
    assert told(stage) is None, "it may say anything"


def test_its_logs_stay_as_they_are(stage: Stage, daemon: Daemon) -> None:
    daemon.start()
    assert told(stage) is not None
    stage.apply(native("web"))
    assert told(stage) is not None
    stage.cli("stop", "web")
    assert daemon.done("Create") == 1
    assert daemon.done("Stop") == 1

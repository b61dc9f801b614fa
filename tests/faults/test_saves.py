"""Whatever way files are saved, copied or checked out: what changed is applied, once, and nothing else is touched."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.engine.repositories import Repository
from tests.faults.brought import Sources, sleeper, text
from tests.faults.saves import TRACES, replay
from tests.scenarios.documents import config
from tests.scenarios.stage import PROGRAM, Stage, eventually

REPLACED = {"Stop web/0": 1, "Remove web/0": 1, "Create web/0": 1}
"""What the change of its command comes to, however it is made."""
OTHERS = ("b", "c", "deep")
FIRST = 100001
MANY = 500 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 200


@pytest.fixture
def sources(stage: Stage) -> Iterator[Sources]:
    it = Sources(stage)
    yield it
    it.daemon.kill()


@pytest.fixture
def specs(stage: Stage) -> Path:
    """web, which is edited, and others, which are not."""
    path = stage.directory / "specs"
    fill(path, FIRST)
    return path


def fill(path: Path, number: int) -> None:
    (path / "below").mkdir(parents=True, exist_ok=True)
    (path / "web.yaml").write_text(text(sleeper("web", number)))
    (path / "others.yaml").write_text(text(sleeper("b", FIRST), sleeper("c", FIRST)))
    (path / "below" / "deep.yaml").write_text(text(sleeper("deep", FIRST)))


def begin(sources: Sources, path: Path) -> dict[str, int]:
    """The pids of who is not to be touched, once all is in force and at rest."""
    sources.stage.apply(sources.directory("specs", path))
    for name in ("web", *OTHERS):
        sources.come(name, FIRST)
    sources.stage.cli("wait", "--all", "--for=condition=Ready", "--timeout", "60s", "services")
    sources.oracle.begin()
    return sources.pids(*OTHERS)


def saves(specs: Path) -> dict[str, Callable[[int], object]]:
    file = specs / "web.yaml"
    found: dict[str, Callable[[int], object]] = {}
    for name, trace in TRACES.items():
        found[name] = lambda number, trace=trace: replay(trace, specs, text(sleeper("web", number)))
    found["sed itself"] = partial(real_sed, file)
    if shutil.which("vim"):
        found["vim itself"] = partial(real_vim, file)
    return found


def real_vim(file: Path, number: int) -> None:
    substitute = f"%s/{number - 1}/{number}/"
    argv = ["vim", "-es", "-u", "NONE", "-N", "--cmd", "set backupskip=", "-c", substitute, "-c", "wq", file.name]
    subprocess.run(argv, check=True, cwd=file.parent, capture_output=True, stdin=subprocess.DEVNULL)


def real_sed(file: Path, number: int) -> None:
    subprocess.run(["sed", "-i", f"s/{number - 1}/{number}/", file.name], check=True, cwd=file.parent)


@pytest.mark.timeout(300)
def test_F40_F41_a_save_by_any_editor_is_one_change_of_one_service(sources: Sources, specs: Path) -> None:
    sources.oracle.start()
    untouched = begin(sources, specs)
    expected: Counter[str] = Counter()
    number = FIRST
    for name, save in saves(specs).items():
        if "wait" not in TRACES.get(name, ""):  # else it is saved as it was: for a while something else was there
            number += 1
            expected.update(REPLACED)
        save(number)
        sources.come("web", number)
        eventually(lambda: sources.oracle.deeds() == expected, f"{name}: nothing else is done")
    halt_until_events_are_lost(sources, specs)
    (specs / "web.yaml").write_text(text(sleeper("web", FIRST)))
    sources.come("web", FIRST)
    expected.update(REPLACED)
    eventually(lambda: sources.ready("specs")[0] == "Synced", "it is at rest")
    sources.oracle.check(expected)
    assert sources.pids(*OTHERS) == untouched


def halt_until_events_are_lost(sources: Sources, specs: Path) -> None:
    """The daemon stands still while more happens than the kernel keeps for it."""
    pid = sources.daemon.status()["pid"]
    os.kill(pid, signal.SIGSTOP)
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for _ in range(most // 2 + 100):
        (specs / "below" / "burst").touch()
        (specs / "below" / "burst").unlink()
    os.kill(pid, signal.SIGCONT)


@pytest.mark.timeout(300)
def test_F40_a_checkout_and_a_rebase_of_many_files_touch_only_what_they_change(sources: Sources, specs: Path) -> None:
    repo = Repository(specs)
    for number in range(MANY):
        (specs / f"config-{number}.yaml").write_text(text(config(f"config-{number}", of="one")))
    repo.commit("one")
    repo.git("checkout", "-q", "-b", "two")
    for number in range(MANY):
        (specs / f"config-{number}.yaml").write_text(text(config(f"config-{number}", of="two")))
    repo.commit("two", web=text(sleeper("web", FIRST + 1)))
    repo.git("checkout", "-q", "main")
    sources.oracle.start()
    untouched = begin(sources, specs)

    repo.git("checkout", "-q", "two")
    sources.come("web", FIRST + 1)
    eventually(lambda: sources.ready("specs")[0] == "Synced", "it is at rest")
    sources.oracle.check(REPLACED, passes=1)

    sources.oracle.begin()
    repo.git("checkout", "-q", "main")
    repo.commit("elsewhere", more=text(config("more", of="main")))
    repo.git("checkout", "-q", "two")
    for number in range(5):
        repo.commit(f"step {number}", **{f"step-{number}": text(config(f"step-{number}", of="two"))})
    repo.commit("the last one", web=text(sleeper("web", FIRST + 2)))
    repo.git("rebase", "-q", "main")
    sources.come("web", FIRST + 2)
    eventually(lambda: "config/step-4" in names(sources), "the whole branch is in force")
    eventually(lambda: sources.ready("specs")[0] == "Synced", "it is at rest")
    touched = {deed.split()[1] for deed in sources.oracle.deeds()}
    assert touched == {"web/0"}
    assert len(names(sources)) == MANY + 6
    assert sources.pids(*OTHERS) == untouched


def names(sources: Sources) -> set[str]:
    return set(sources.stage.cli("get", "configs", "-o", "name").out.split())


@pytest.mark.timeout(300)
def test_F41_without_inotify_a_swapped_directory_is_found_all_the_same(sources: Sources, stage: Stage) -> None:
    """In a user namespace of its own, whose limits are its own too: each watch is refused with ENOSPC."""
    for version, number in (("v1", FIRST), ("v2", FIRST + 1)):
        fill(stage.directory / version, number)
    current = stage.directory / "current"
    current.symlink_to("v1")
    limit = 'echo 0 >/proc/sys/user/max_inotify_watches; exec "$@"'
    argv = ["unshare", "--user", "--map-root-user", "sh", "-ec", limit, "sh", *PROGRAM, "daemon", "start"]
    started = subprocess.run(argv, env=stage.environment, capture_output=True, text=True, check=False)
    if started.returncode:
        pytest.skip(f"no user namespaces here: {started.stderr}")
    pid = int(started.stdout.partition("pid ")[2].partition(")")[0])
    assert Path(f"/proc/{pid}/ns/user").readlink() != Path("/proc/self/ns/user").readlink()
    untouched = begin(sources, current)
    eventually(lambda: f"{current}: inotify can't be used" in sources.daemon.log, "it says so")
    (stage.directory / "next").symlink_to("v2")
    (stage.directory / "next").rename(current)
    sources.come("web", FIRST + 1)
    eventually(lambda: sources.ready("specs")[0] == "Synced", "it is at rest")
    eventually(lambda: sources.oracle.deeds() == REPLACED, f"{sources.oracle.deeds()}")
    assert sources.pids(*OTHERS) == untouched

"""A directory is told of once whatever happens in it has settled, by inotify or without."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.sources.stamps import is_remote, stamps
from reconciler.sources.watching import LONGEST_DEBOUNCE, Directories
from tests.alarms import Told, listening
from tests.waiting import until

ROOT = str(Path(__file__).parents[2])
KEY = "team/specs"


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    """A directory with a spec, another one below it, and what does not count."""
    path = tmp_path / "specs"
    (path / "deep").mkdir(parents=True)
    (path / "web.yaml").write_text("one\n")
    (path / "deep" / "db.yaml").write_text("one\n")
    (path / ".git").mkdir()
    return path


@contextmanager
def watched(*paths: Path, notes: list[str] | None = None) -> Iterator[Told]:
    said: list[str] = []
    with watching({str(path): frozenset([KEY]) for path in paths}, said if notes is None else notes) as told:
        yield told
    assert notes is not None or said == [], "inotify works here"


@contextmanager
def watching(paths: Mapping[str, frozenset[str]], notes: list[str]) -> Iterator[Told]:
    """From when all of them were looked at for the first time."""
    with listening(Directories(lambda: paths, notes.append)) as told:
        for key in {key for keys in paths.values() for key in keys}:
            told.first(key)
        told.quiet(0.3)
        told.listen_from_now()
        yield told


@pytest.fixture
def told(specs: Path) -> Iterator[Told]:
    with watched(specs) as told:
        yield told


def run(*argv: str, cwd: Path | None = None) -> None:
    subprocess.run(argv, check=True, capture_output=True, cwd=cwd)


def vim(file: Path) -> None:
    """As it saves by default: a trial file, the old one renamed, a new one written, the old one removed."""
    (file.parent / "4913").touch()
    (file.parent / "4913").unlink()
    backup = file.with_name(f"{file.name}~")
    file.rename(backup)
    file.write_text("by vim\n")
    backup.unlink()


def atomically(file: Path) -> None:
    """As VS Code's neighbours, rsync and configuration tools do."""
    draft = file.with_name(f".{file.name}.Xy12ab")
    draft.write_text("whole\n")
    draft.rename(file)


SAVES: dict[str, Callable[[Path], object]] = {
    "in place": lambda file: file.write_text("more\n"),
    "vim": vim,
    "real vim": lambda file: run("vim", "-es", "-u", "NONE", "-c", "s/one/two/", "-c", "wq", str(file)),
    "sed -i": lambda file: run("sed", "-i", "s/one/two/", str(file)),
    "atomically": atomically,
    "removed": lambda file: file.unlink(),
    "renamed": lambda file: file.rename(file.with_name("other.yaml")),
    "made executable": lambda file: file.chmod(0o755),
    "a new one in a new directory": lambda file: _write(file.parent / "new" / "newer" / "x.yaml"),
}


def _write(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text("new\n")


@pytest.mark.parametrize("how", SAVES)
@pytest.mark.parametrize("name", ["web.yaml", "deep/db.yaml"])
def test_F40_a_save_is_told_once_it_has_settled(specs: Path, told: Told, how: str, name: str) -> None:
    if how == "real vim" and shutil.which("vim") is None:
        pytest.skip("no vim here")
    began = time.monotonic()
    SAVES[how](specs / name)
    latency = told.first(KEY) - began
    assert 0.29 < latency < 2.5
    assert told.quiet(0.8) == [KEY], "once"


def test_F40_what_is_written_byte_by_byte_is_told_when_it_is_done(specs: Path, told: Told) -> None:
    with (specs / "web.yaml").open("w") as file:
        for _ in range(60):
            file.write("x")
            file.flush()
            time.sleep(0.01)  # the pace of the writer is what is tested
    done = time.monotonic()
    assert told.first(KEY) > done
    assert told.quiet(0.8) == [KEY]


def test_F40_what_never_ceases_to_change_is_told_all_the_same(specs: Path, told: Told) -> None:
    stop = threading.Event()

    def scribble() -> None:
        while not stop.wait(0.02):
            with (specs / "web.yaml").open("a") as file:
                file.write("x")

    thread = threading.Thread(target=scribble)
    began = time.monotonic()
    thread.start()
    try:
        assert told.first(KEY) - began < LONGEST_DEBOUNCE + 1
    finally:
        stop.set()
        thread.join()


def test_F40_a_checkout_of_five_hundred_files_is_told_of(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    git = ("git", "-c", "user.name=x", "-c", "user.email=x@y", "-c", "commit.gpgsign=false")
    run("git", "init", "-q", "-b", "main", cwd=repository)
    for branch in ("one", "two"):
        run(*git, "checkout", "-q", "--orphan", branch, cwd=repository)
        for number in range(500):
            (repository / f"{number}.yaml").write_text(branch)
        run(*git, "add", ".", cwd=repository)
        run(*git, "commit", "-q", "-m", branch, cwd=repository)
    with watched(repository) as told:
        run(*git, "checkout", "-q", "one", cwd=repository)
        told.first(KEY)
        assert len(told.quiet(1.0)) <= 2
        told.listen_from_now()
        run(*git, "gc", "-q", cwd=repository)
        run(*git, "commit", "-q", "--allow-empty", "-m", "nothing", cwd=repository)
        assert told.quiet(1.0) == [], "what Git does for itself is nobody's business"


def test_reading_opening_and_editors_own_files_wake_nobody(specs: Path, told: Told) -> None:
    (specs / "web.yaml").read_text()
    (specs / ".web.yaml.swp").write_text("vim's")
    (specs / ".#web.yaml").symlink_to("user@host.1234")
    (specs / "web.yaml~").write_text("a backup")
    (specs / ".git" / "HEAD").write_text("x")
    list(specs.rglob("*"))
    assert told.quiet(1.2) == []


def test_a_hidden_file_that_a_spec_may_name_counts(specs: Path, told: Told) -> None:
    (specs / ".env").write_text("A=1\n")
    told.first(KEY)


def test_F41_a_swapped_link_is_a_change(tmp_path: Path) -> None:
    """As Kubernetes delivers mounted configs: web.yaml -> ..data/web.yaml, and ..data is exchanged as a whole."""
    specs = tmp_path / "specs"
    for version in ("..1", "..2"):
        (specs / version).mkdir(parents=True)
        (specs / version / "web.yaml").write_text(version)
    (specs / "..data").symlink_to("..1")
    (specs / "web.yaml").symlink_to("..data/web.yaml")
    with watched(specs) as told:
        (specs / "..new").symlink_to("..2")
        (specs / "..new").rename(specs / "..data")
        told.first(KEY)
        assert told.quiet(0.8) == [KEY]


def test_F41_the_directory_itself_may_be_a_link_that_is_swapped(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "web.yaml").write_text(version)
    current = tmp_path / "current"
    current.symlink_to("v1")
    with watched(current) as told:
        (tmp_path / "v1" / "web.yaml").write_text("changed behind the link")
        told.first(KEY)
        told.quiet(0.8)
        told.listen_from_now()
        (tmp_path / "next").symlink_to("v2")
        (tmp_path / "next").rename(current)
        told.first(KEY)
        told.quiet(0.8)
        told.listen_from_now()
        (tmp_path / "v2" / "web.yaml").write_text("changed behind the new link")
        assert told.first(KEY) > 0


def test_what_lies_elsewhere_behind_a_link_counts(specs: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "db.yaml").write_text("1")
    (tmp_path / "single.yaml").write_text("1")
    (specs / "shared").symlink_to(shared)
    (specs / "single.yaml").symlink_to(tmp_path / "single.yaml")
    with watched(specs) as told:
        for file in (shared / "db.yaml", tmp_path / "single.yaml"):
            file.write_text("two of them")
            told.first(KEY)
            told.quiet(0.8)
            told.listen_from_now()


def test_a_single_file_can_be_watched(specs: Path) -> None:
    with watched(specs / "web.yaml") as told:
        atomically(specs / "web.yaml")
        told.first(KEY)
        told.quiet(0.8)
        told.listen_from_now()
        (specs / "other.yaml").write_text("x")
        assert told.quiet(1.0) == []


def test_all_who_use_a_file_are_told_of_it(specs: Path) -> None:
    with watching({str(specs / "web.yaml"): frozenset(["one", "two"])}, []) as told:
        (specs / "web.yaml").write_text("more\n")
        told.first("one")
        assert sorted(told.quiet(0.8)) == ["one", "two"]


def test_who_begins_to_use_a_file_is_told_of_it(specs: Path) -> None:
    paths = {str(specs): frozenset(["one"])}
    with watching(paths, []) as told:
        paths[str(specs)] = frozenset(["one", "two"])
        told.first("two")
        told.quiet(0.8)
        told.listen_from_now()
        paths[str(specs)] = frozenset(["two"])
        (specs / "web.yaml").write_text("more\n")
        told.first("two")


def test_a_hundred_and_fifty_files_cost_one_instance_and_no_threads(tmp_path: Path) -> None:
    """Half of them together, and the others in a directory each."""
    files = [tmp_path / "together" / f"{n}.env" for n in range(75)] + [tmp_path / str(n) / ".env" for n in range(75)]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text("A=1\n")
    before = threading.active_count()
    with watching({str(file): frozenset([file.name, KEY]) for file in files}, []) as told:
        assert threading.active_count() <= before + 2, "our own"
        assert len(inotify_instances()) == 1
        for file in (files[0], files[-1]):
            file.write_text("A=2, and more\n")
            told.first(file.name)


def test_F42_a_directory_that_goes_and_comes_again_is_told_of_each_time(specs: Path, told: Told) -> None:
    away = specs.with_name("away")
    specs.rename(away)
    told.first(KEY)
    told.quiet(0.8)
    for write in (lambda: away.rename(specs), lambda: (specs / "web.yaml").write_text("after it came back\n")):
        told.listen_from_now()
        write()
        told.first(KEY)
        told.quiet(0.8)


def test_a_directory_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    specs = tmp_path / "later"
    with listening(Directories(lambda: {str(specs): frozenset([KEY])}, print)) as told:
        told.first(KEY)
        told.listen_from_now()
        _write(specs / "web.yaml")
        told.first(KEY)


def test_what_is_to_be_watched_may_change(specs: Path, tmp_path: Path) -> None:
    paths = {str(specs): frozenset([KEY])}
    other = tmp_path / "other"
    other.mkdir()
    with listening(Directories(lambda: dict(paths), print)) as told:
        told.first(KEY)
        paths[str(other)] = frozenset(["team/other"])
        told.first("team/other")
        del paths[str(specs)]
        until(lambda: watches() == 1)
        told.listen_from_now()
        (specs / "web.yaml").write_text("nobody cares\n")
        (other / "new.yaml").write_text("x")
        told.first("team/other")
        assert KEY not in told.keys
    assert not inotify_instances()


def watches() -> int:
    """By the kernel's own account of all that we have."""
    files = [*Path("/proc/self/fdinfo").iterdir()]  # all first: the directory itself is open while it is read
    return sum(file.read_text().count("inotify wd:") for file in files if file.exists())


def inotify_instances() -> list[str]:
    links = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(link.readlink()))
        except FileNotFoundError:
            continue
    return [link for link in links if link == "anon_inode:inotify"]


# -- where inotify is not what it should be

LIMITED = """
import sys, threading, time
from reconciler.sources.watching import Directories
stopping = threading.Event()
say = lambda *words: print(*words, flush=True)
alarm = Directories(lambda: {sys.argv[1]: {"key"}}, lambda text: say("note", text))
threading.Thread(target=lambda: (sys.stdin.read(), stopping.set()), daemon=True).start()
alarm.watch(lambda key: say("told"), stopping)
say("end")
"""


@pytest.mark.parametrize(("watches", "instances"), [(0, 128), (1, 128), (128, 0)])
def test_F41_without_watches_or_instances_it_looks_by_itself_and_says_so(
    specs: Path, watches: int, instances: int
) -> None:
    """In a user namespace of its own, whose limits are its own too. With one watch the root has one, `deep` none."""
    limits = (
        f"echo {watches} >/proc/sys/user/max_inotify_watches; echo {instances} >/proc/sys/user/max_inotify_instances"
    )
    argv = ["unshare", "--user", "--map-root-user", "sh", "-ec", f'{limits}; exec "$@"', "sh", sys.executable]
    child = subprocess.Popen(
        [*argv, "-c", LIMITED, str(specs)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        first = [child.stdout.readline(), child.stdout.readline()]
        if first == ["", ""]:
            pytest.skip("no user namespaces here")
        assert sorted(line.split()[0] for line in first) == ["note", "told"]
        assert f"{specs}: inotify can't be used (inotify" in "".join(first)
        (specs / "deep" / "db.yaml").write_text("changed\n")
        assert child.stdout.readline() == "told\n"
        (specs / "web.yaml").write_text("changed\n")
        assert child.stdout.readline() == "told\n"
        rest, _ = child.communicate("", timeout=10)
        assert rest == "end\n", "said once"
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_F41_events_that_the_kernel_dropped_cost_nothing(specs: Path) -> None:
    """The watcher stands still while more happens than the kernel keeps for it, the last of which counts."""
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    with subprocess.Popen(
        [sys.executable, "-c", LIMITED, str(specs)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as child:
        try:
            assert child.stdout.readline() == "told\n"
            child.send_signal(signal.SIGSTOP)
            for _ in range(most // 2 + 100):  # to make it and to remove it are two events at least
                (specs / ".burst").touch()
                (specs / ".burst").unlink()
            _write(specs / "late" / "later" / "x.yaml")
            child.send_signal(signal.SIGCONT)
            assert child.stdout.readline() == "told\n"
            (specs / "late" / "later" / "x.yaml").write_text("its directory came while events were dropped\n")
            assert child.stdout.readline() == "told\n"
            rest, _ = child.communicate("", timeout=10)
            assert rest == "end\n", "nothing to be said about it"
        finally:
            child.kill()


def test_F41_a_file_system_on_which_others_write_is_known_by_its_kind(tmp_path: Path) -> None:
    facts = tmp_path.stat()
    place = f"{os.major(facts.st_dev)}:{os.minor(facts.st_dev)}"
    line = "36 35 {} / {} rw,noatime shared:1 - {} server:/specs rw"
    assert is_remote(str(tmp_path), [line.format("0:1", "/", "ext4"), line.format(place, "/mnt", "nfs4")]) == "nfs4"
    assert is_remote(str(tmp_path), [line.format(place, "/mnt", "ext4")]) == ""
    assert is_remote(str(tmp_path)) == ""


def test_links_in_a_circle_come_to_an_end(specs: Path) -> None:
    (specs / "deep" / "up").symlink_to("..")
    (specs / "self.yaml").symlink_to("self.yaml")
    found = stamps(str(specs))
    assert len(found.directories) == 2
    assert sorted(Path(path).name for path in found.files) == ["db.yaml", "web.yaml"]

"""A daemon whose Sources are in trouble: each keeps its last good revision, and none is another one's trouble."""

from __future__ import annotations

import contextlib
import hmac
import http.client
import json
import os
import re
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.repositories import Repository
from tests.faults.brought import WITHIN, Sources, sleeper, text
from tests.scenarios.documents import config, document, secret
from tests.scenarios.stage import Stage, eventually

OLD, NEW, NEWEST = 100001, 100002, 100003
HANGING = 6
"""More than the loop has workers."""
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
MOMENTS = (
    "process.stop.after", "sync.keep.after", "process.stop.before", "process.remove.before", "process.remove.after",
    "process.create.before", "process.directory.made", "process.service.launched", "process.create.after",
    "sync.fetch.after", "sync.keep.before", "source.keep.replaced", "sync.remember.before",
)[: None if NIGHTLY else 1]  # fmt: skip
"""At which a spec is changed once more; all of them by night."""


@pytest.fixture
def sources(stage: Stage) -> Iterator[Sources]:
    it = Sources(stage)
    yield it
    it.daemon.kill()


@contextlib.contextmanager
def deaf_server() -> Iterator[str]:
    """Takes every call and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/shop.git"


def replaced(*services: str) -> Counter[str]:
    return Counter(f"{verb} {name}/0" for verb in ("Stop", "Remove", "Create") for name in services)


def says(sources: Sources, name: str, part: str) -> None:
    eventually(lambda: part in sources.ready(name)[1], f"{name} says {part}", WITHIN)


# -- repositories


def rewrite(repo: Repository) -> None:
    repo.git("commit", "-q", "--amend", "-m", "another first")


def huge(repo: Repository) -> None:
    repo.commit("huge", spec=text(sleeper(repo.path.name, NEW)) + "#" * (1 << 20))


def damage(repo: Repository) -> None:
    """The branch leads there only once it is damaged: nobody is to fetch it whole in between."""
    repo.git("checkout", "-q", "--detach")
    repo.commit("damaged", spec=text(sleeper(repo.path.name, NEW)))
    blob = repo.git("rev-parse", "HEAD:spec.yaml")
    file = repo.path / ".git" / "objects" / blob[:2] / blob[2:]
    file.chmod(0o644)
    file.write_bytes(b"no object at all")
    repo.git("update-ref", "refs/heads/main", "HEAD")
    repo.git("symbolic-ref", "HEAD", "refs/heads/main")


def mend(repo: Repository) -> None:
    repo.git("reset", "-q", "--hard", "HEAD~1")


def away(repo: Repository) -> None:
    repo.path.rename(repo.path.with_name(f"{repo.path.name}.away"))


def back(repo: Repository) -> None:
    repo.path.with_name(f"{repo.path.name}.away").rename(repo.path)


TROUBLES: dict[str, tuple[Callable[[Repository], object], Callable[[Repository], object], str, str]] = {
    "rewritten": (rewrite, lambda repo: repo.git("reset", "-q", "--hard", "HEAD@{1}"), "Rewound", "was rewound or"),
    "branchless": (lambda repo: repo.git("branch", "-q", "-m", "main", "other"),
                   lambda repo: repo.git("branch", "-q", "-m", "other", "main"), "Unreachable", "has no main"),
    "gone": (away, back, "Unreachable", "can't be fetched"),
    "huge": (huge, mend, "Refused", "1,048,576 is the most"),
    "damaged": (damage, lambda repo: repo.git("update-ref", "refs/heads/main", "HEAD~1"), "", ""),
    "broken": (lambda repo: repo.commit("bad", spec="kind: Servi\n"), lambda _: None, "InvalidSpec", "spec.yaml:1:"),
    "emptied": (lambda repo: repo.commit("empty", spec=None), lambda _: None, "Braked", "nothing would be left"),
}  # fmt: skip
"""How each comes into trouble and out of it again, and what is said meanwhile."""


@pytest.mark.timeout(300)
def test_F44_F45_repositories_in_trouble_keep_what_is_good_and_hold_up_nobody(sources: Sources, stage: Stage) -> None:
    names = [*TROUBLES, "well"]
    repos = {name: Repository(stage.directory / name) for name in names}
    for name, repo in repos.items():
        repo.commit("first", spec=text(sleeper(name, OLD)))
    with deaf_server() as hanging:
        sources.oracle.start("--resync", "1s")
        deaf = [sources.git(f"deaf-{number}", hanging) for number in range(HANGING)]
        stage.apply(*deaf, *[sources.git(name, repo.path) for name, repo in repos.items()], "--no-wait")
        for name in names:
            sources.come(name, OLD)
        stage.cli("wait", "services", "--all", "--for=condition=Ready", "--timeout", "60s")
        sources.oracle.begin()
        before = sources.pids(*TROUBLES)

        for name, (harm, _, _, _) in TROUBLES.items():
            harm(repos[name])
        repos["well"].commit("second", spec=text(sleeper("well", NEW)))
        sources.come("well", NEW)
        for name, (_, _, reason, part) in TROUBLES.items():
            says(sources, name, part)
            eventually(lambda name=name, reason=reason: sources.ready(name)[0].startswith(reason), name, WITHIN)
            says(sources, name, "stays in force")
        assert sources.ready("damaged")[0] in {"Refused", "Unreachable"}
        assert sources.pids(*TROUBLES) == before
        assert sources.oracle.deeds() == replaced("well")
        victim = stage.process("gone")
        victim.signal(9)
        eventually(lambda: stage.process("gone").pid != victim.pid, "what is in force is kept alive meanwhile")
        status = sources.daemon.status()
        assert status["healthy"], status
    for name, (_, heal, _, _) in TROUBLES.items():
        heal(repos[name])
    for name, repo in repos.items():
        repo.git("reset", "-q", "--hard", "HEAD")
        repo.commit("better", spec=text(sleeper(name, NEWEST)))
    for name in names:
        sources.come(name, NEWEST)
    sources.become("Synced", *names)
    healed = Counter({"Start gone/0": 1})
    sources.oracle.check(replaced("well") + replaced(*names) + healed, passes=1)
    assert sources.daemon.log.count("loop begun") == 1, "it was never beside itself"


def test_F44_who_is_told_to_end_does_not_wait_for_a_server_that_hangs(sources: Sources, stage: Stage) -> None:
    with deaf_server() as hanging:
        sources.oracle.start()
        stage.apply(sources.git("deaf", hanging), "--no-wait")
        mirror = f"--git-dir={stage.home}/sources/{stage.namespace}.deaf/mirror.git"
        eventually(lambda: fetching(mirror), "it is being fetched")
        stage.cli("daemon", "stop")
        eventually(lambda: "loop ended" in sources.daemon.log, "the loop has ended")
        assert re.search(r"loop ended +cleanly=True", sources.daemon.log)
        assert fetching(mirror) == []


def fetching(mirror: str) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = file.read_text(errors="replace").split("\0")
            found += [file.parent.name] if {mirror, "fetch"} <= set(words) else []
    return found


# -- directories


@pytest.mark.timeout(300)
@pytest.mark.root
def test_F43_directories_that_are_emptied_or_gone_cost_nothing_without_a_persons_word(
    sources: Sources, stage: Stage
) -> None:
    names = ("emptied", "unmounted", "unreadable", "missing", "fewer")
    places = {name: stage.directory / name for name in names}
    for name, place in places.items():
        place.mkdir()
        if name == "unmounted":
            subprocess.run(["mount", "-t", "tmpfs", "none", str(place)], check=True)
        (place / "service.yaml").write_text(text(sleeper(name, OLD)))
    many = [places["fewer"] / f"{number}.yaml" for number in range(30)]
    for number, file in enumerate(many):
        file.write_text(text(config(f"of-fewer-{number}", a="b")))
    aside = stage.directory / "aside"
    try:
        sources.oracle.start()
        stage.apply(*[sources.directory(name, place) for name, place in places.items()])
        for name in names:
            sources.come(name, OLD)
        sources.oracle.begin()
        before = sources.pids(*names)
        (places["emptied"] / "service.yaml").unlink()
        subprocess.run(["umount", "-l", str(places["unmounted"])], check=True)
        places["unreadable"].rename(aside)
        places["unreadable"].symlink_to(places["unreadable"])
        places["missing"].rename(stage.directory / "not-there")
        for file in many[:12]:
            file.unlink()
        sources.become("Braked", "emptied", "unmounted", "fewer")
        sources.become("Unreadable", "unreadable", "missing")
        assert "remove 12 of 31" in sources.ready("fewer")[1]
        assert "reconciler confirm source/emptied" in sources.ready("emptied")[1]
        assert sources.pids(*names) == before
        sources.oracle.check({}, passes=1)
    finally:
        subprocess.run(["umount", "-l", str(places["unmounted"])], check=False, capture_output=True)
    places["unreadable"].unlink()
    aside.rename(places["unreadable"])
    (stage.directory / "not-there").rename(places["missing"])
    (places["unmounted"] / "service.yaml").write_text(text(sleeper("unmounted", OLD)))
    plan = stage.cli("get", "source", "emptied", "-o", "json").out
    stage.cli("confirm", "emptied")
    stage.cli("confirm", "fewer")
    assert stage.processes("emptied") == [], plan
    eventually(lambda: stage.cli("get", "configs", "-o", "name").out.count("config/") == 18, "it was confirmed")
    sources.become("Synced", *names)
    sources.oracle.check({"Stop emptied/0": 1, "Remove emptied/0": 1}, passes=1)
    assert sources.pids(*names[1:]) == {name: before[name] for name in names[1:]}


@pytest.mark.timeout(300)
def test_F42_what_is_changed_or_deleted_while_it_is_applied_ends_as_it_was_said_last(
    sources: Sources, stage: Stage
) -> None:
    """Each creation takes a second, and so does the first sync between reading and keeping."""
    specs = stage.directory / "specs"
    specs.mkdir()
    for name in ("changed", "deleted", "other"):
        (specs / f"{name}.yaml").write_text(text(sleeper(name, OLD)))
    (specs / "notes.yaml").write_text(text(document("Config", "notes", data={"a": "b"})))
    doomed = stage.directory / "doomed"
    doomed.mkdir()
    (doomed / "never.yaml").write_text(text(sleeper("never", OLD)))
    slowly = "sync.fetch.after=1*sleep(1500); process.create.before=2*sleep(1000)"
    sources.oracle.start(env={"RECONCILER_FAILPOINTS": slowly})
    sources.oracle.begin()
    stage.apply(sources.directory("doomed", doomed), "--no-wait")
    eventually(lambda: sources.oracle.passed("sync.fetch.after") == 1, "it has been read, and is not kept yet")
    stage.cli("delete", "source", "doomed")
    stage.apply(sources.directory("specs", specs), "--no-wait")
    eventually(lambda: sources.oracle.passed("process.create.before"), "the first one is being made")
    (specs / "changed.yaml").write_text(text(sleeper("changed", NEW)))
    (specs / "deleted.yaml").unlink()
    sources.come("changed", NEW)
    sources.come("other", OLD)
    eventually(lambda: not stage.processes("deleted"), "the deleted one is gone")
    sources.become("Synced", "specs")
    assert stage.processes("never") == []
    assert not (stage.home / "sources" / f"{stage.namespace}.doomed").exists()
    deeds = sources.oracle.deeds()
    there = {name: deeds[f"Create {name}/0"] - deeds[f"Remove {name}/0"] for name in ("changed", "deleted", "other")}
    assert there == {"changed": 1, "deleted": 0, "other": 1}
    sources.oracle.check(deeds, passes=1)


@pytest.mark.timeout(300)
def test_F42_changed_at_any_moment_of_a_change_it_ends_as_it_was_said_last(sources: Sources, stage: Stage) -> None:
    specs = stage.directory / "specs"
    specs.mkdir()
    (specs / "others.yaml").write_text(text(sleeper("b", OLD), sleeper("c", OLD)))

    def say(number: int) -> None:
        (specs / "web.yaml").write_text(text(sleeper("web", number)))

    say(OLD)
    sources.oracle.start(env={"RECONCILER_FAILPOINTS": "; ".join(f"{moment}=sleep(250)" for moment in MOMENTS)})
    stage.apply(sources.directory("specs", specs))
    for name in ("web", "b", "c"):
        sources.come(name, OLD)
    stage.cli("wait", "services", "--all", "--for=condition=Ready", "--timeout", "60s")
    sources.become("Synced", "specs")
    sources.oracle.begin()
    untouched = sources.pids("b", "c")
    for number, moment in enumerate(MOMENTS):
        before = sources.oracle.passed(moment)
        say(NEW + 2 * number)
        eventually(lambda before=before, moment=moment: sources.oracle.passed(moment) > before, moment, WITHIN)
        say(NEW + 2 * number + 1)
        sources.come("web", NEW + 2 * number + 1)
        sources.become("Synced", "specs")
    stage.cli("wait", "services", "--all", "--for=condition=Ready", "--timeout", "60s")
    deeds = sources.oracle.deeds()
    assert {deed.split()[1] for deed in deeds} == {"web/0"}, deeds
    assert deeds["Create web/0"] == deeds["Remove web/0"]
    assert len(MOMENTS) <= deeds["Create web/0"] <= 2 * len(MOMENTS)
    sources.oracle.check(deeds, passes=1)
    assert sources.pids("b", "c") == untouched


# -- what people do to them, and what they bring


@pytest.mark.timeout(300)
def test_B9_what_people_do_about_sources_is_done_while_a_daemon_follows_them(
    sources: Sources, stage: Stage, free_port: Callable[[], int]
) -> None:
    """Edited, suspended, asked for twice, deleted with what they brought or without, told by a webhook."""
    names = ("edited", "suspended", "first", "pruned", "kept", "hooked")
    repos = {name: Repository(stage.directory / name) for name in (*names, "second")}
    for name in names:
        repos[name].commit("first", spec=text(sleeper(name, OLD)))
    repos["second"].commit("the same", spec=text(sleeper("first", NEW)))
    door = free_port()
    sources.oracle.start("--webhook", f"127.0.0.1:{door}")
    more = {"kept": {"prune": False}, "hooked": {"interval": 3600, "webhook": {"secret": "hook"}}}
    stage.apply(
        secret("hook", key="the secret"),
        *[sources.git(n, repos[n].path, **more.get(n, {})) for n in names],
        "--no-wait",
    )
    for name in names:
        sources.come(name, OLD)
    stage.cli("wait", "services", "--all", "--for=condition=Ready", "--timeout", "60s")
    sources.become("Synced", *names)
    sources.oracle.begin()

    stage.apply(sleeper("edited", NEW), "--no-wait")
    stage.cli("suspend", "suspended")
    stage.apply(sources.git("second", repos["second"].path), "--no-wait")
    for name in ("suspended", "hooked"):
        repos[name].commit("second", spec=text(sleeper(name, NEW)))
    stage.cli("delete", "source", "pruned")
    stage.cli("delete", "source", "kept")
    assert stage.processes("pruned") == []
    assert signed(door, f"/hooks/{stage.namespace}/hooked", b"the wrong secret") == 403
    assert signed(door, f"/hooks/{stage.namespace}/hooked", b"the secret") == 202
    sources.come("hooked", NEW)
    sources.become("Conflict", "second")
    eventually(lambda: "Overruled" in stage.cli("events").out, "the edit is set back, and that is told")
    sources.come("edited", OLD)
    assert sources.ready("suspended")[0] == "Suspended"
    for name in ("suspended", "first", "kept"):
        assert sources.runs(name, OLD), name
    stage.cli("resume", "suspended")
    sources.come("suspended", NEW)
    taken = sources.oracle.deeds()
    del taken["Stop edited/0"], taken["Remove edited/0"], taken["Create edited/0"]  # as far as the edit came
    assert taken == replaced("hooked", "suspended") + Counter({"Stop pruned/0": 1, "Remove pruned/0": 1})
    sources.oracle.check(sources.oracle.deeds(), passes=1)


def signed(port: int, path: str, key: bytes) -> int:
    body = b'{"ref": "refs/heads/main"}'
    mark = hmac.new(key, body, "sha256").hexdigest()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("POST", path, body, {"X-Hub-Signature-256": f"sha256={mark}"})
        return connection.getresponse().status


@pytest.mark.timeout(300)
def test_F45_waves_wait_and_a_revision_that_does_not_become_ready_is_left_again(sources: Sources, stage: Stage) -> None:
    repo = Repository(stage.directory / "repo")
    order = stage.directory / "order"
    slow = shell_that_writes(order, "early", wait=1.0)
    quick = shell_that_writes(order, "late", wait=0)
    good = repo.commit("good", early=text(slow), late=text(waved(quick, 1)))
    sources.oracle.start()
    stage.apply(sources.git("shop", repo.path, rollback=True, timeoutSeconds=3), "--no-wait")
    eventually(lambda: order.read_text().split() == ["early", "late"], "one wave after the other", WITHIN)
    eventually(lambda: state(sources)["good"] == good, "all of it is Ready", WITHIN)
    sources.oracle.begin()
    before = sources.pids("early", "late")

    failing = sleeper("extra", OLD, probes={"readiness": {"log": {"pattern": "it is never said"}}})
    bad = repo.commit("bad", extra=text(failing), late=text(waved(sleeper("late", NEW), 1)))
    sources.become("RolledBack", "shop")
    eventually(lambda: state(sources)["applied"] == good, "the last good one is in force")
    assert state(sources)["bad"] == bad
    eventually(lambda: not stage.processes("extra"), "what the bad one brought is gone")
    assert sources.pids("early", "late") == before, "the wave behind what failed was not begun"
    repo.commit("better", extra=text(sleeper("extra", NEW)))
    sources.come("extra", NEW)
    sources.come("late", NEW)
    sources.become("Synced", "shop")
    assert sources.pids("early")["early"] == before["early"]


def shell_that_writes(file: Path, word: str, *, wait: float) -> dict[str, object]:
    """Ready `wait` seconds after its start, when it has written its word."""
    script = f"sleep {wait}; echo {word} >>{file}; echo begun; exec sleep {OLD}"
    probe = {"log": {"pattern": "begun"}, "periodSeconds": 0.2}
    return document("Service", word, process={"command": ["sh", "-c", script]}, probes={"readiness": probe})


def waved(original: dict[str, object], wave: int) -> dict[str, object]:
    metadata = {"name": original["metadata"]["name"], "annotations": {"reconciler/wave": str(wave)}}
    return {**original, "metadata": metadata}


def state(sources: Sources) -> dict[str, str]:
    return json.loads((sources.stage.home / "sources" / f"{sources.stage.namespace}.shop" / "state.json").read_text())

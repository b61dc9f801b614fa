"""Many scenarios at once in one home, each in a namespace of its own, and the one daemon that brings them about.

What is wanted is put down by commands that die before their first effect. So all that happens in the world is done by
the loop, under the eyes of `tests/faults/disturbed.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from reconciler.daemon import lock
from reconciler.failpoints import EFFECTS
from tests import warm
from tests.engine_api import Engine
from tests.engine_events import recorded
from tests.faults import disturbed
from tests.faults.crash_scenarios import FIXED, MOVED, Scenario
from tests.faults.crash_site import Document, Look, Ran, Site
from tests.scenarios.stage import eventually
from tests.waiting import PATIENCE

"""Seconds until all is at rest."""
BESIDE = 4
BEFORE_ANY_EFFECT = ";".join(f"{point}=kill" for point in EFFECTS if point.endswith(".before"))
COUNTED = {"create", "destroy", "start"}
LAUNCHED = "process.service.launched"


@dataclass(frozen=True)
class Run:
    """How it went."""

    end: Look
    deeds: Counter[str]
    """What the engine and the process runtime really did, by what and to whom."""
    counts: Mapping[str, Counter[str]]
    """How much of each kind there is to disturb, by namespace."""
    hits: Mapping[tuple[str, str], float]
    """Seconds from a disturbance until all was well again, by its kind and namespace."""
    afterwards: list[str]
    """What was still done when all should have been at rest."""


@dataclass
class World:
    engine: Engine
    namespace: str
    directory: Path
    ports: tuple[int, int]
    scenarios: Sequence[Scenario]
    sites: dict[str, Site] = field(default_factory=dict)
    _notebook: disturbed.Reader = field(init=False)

    def __post_init__(self) -> None:
        for number, _ in enumerate(self.scenarios):
            name = f"{self.namespace}{chr(ord('a') + number)}"
            self.sites[name] = Site(self.engine, name, self.directory, self.ports)
        self.all.settle_in()
        self.all.bring_strangers()

    @property
    def all(self) -> Site:
        """Any of them: what is there is asked by owner, and they have one."""
        return next(iter(self.sites.values()))

    @cached_property
    def stories(self) -> dict[str, Story]:
        it = zip(self.sites.values(), self.scenarios, strict=True)
        return {site.namespace: Story(site, scenario, number) for number, (site, scenario) in enumerate(it)}

    def run(self, **orders: Mapping[str, int]) -> Run:
        """From the very beginning to the end of all; then everything is taken away. How it is to be disturbed, and
        in which namespace at which moment.
        """
        self._begin()
        since = time.time()
        strangers = self.all.lives()
        (self.directory / disturbed.ORDERS).write_text(json.dumps(orders))
        wanted = [story.want for story in self.stories.values() if not story.only_meddled]
        with recorded(self.engine, self.namespace) as recording:
            _at_once(wanted)
            afterwards = self._lived_through(since)
        run = Run(self.all.look(), self._deeds(recording.events), self._counts(), self._hits(), afterwards)
        self._away()
        assert self.all.lives() == strangers, "somebody touched what is not ours"
        return run

    def _lived_through(self, since: float) -> list[str]:
        """What a fresh daemon still did at the end, when all should have been at rest."""
        with Reborn(self) as daemon:
            self._rests(dict.fromkeys(self.stories, since), daemon)
            touched = {name: story.meddle() for name, story in self.stories.items() if story.only_meddled}
            self._rests(touched, daemon)
            daemon.die()
            effects, again = len(self._notes("effect")), time.time()
            (self.directory / disturbed.ORDERS).write_text("{}")
            daemon.live()
            self._rests(dict.fromkeys(self.stories, again), daemon)
            return [note["did"] for note in self._notes("effect")[effects:]]

    # -- the beginning

    def _begin(self) -> None:
        for file in (disturbed.NOTEBOOK, "trace", *(f"{disturbed.LOOK}{name}" for name in self.sites)):
            (self.directory / file).unlink(missing_ok=True)
        self._notebook = disturbed.Reader(self.directory)
        self._applied([story for story in self.stories.values() if not story.scenario.ready], "--no-wait")
        self._applied([story for story in self.stories.values() if story.scenario.ready], "--wait")
        _at_once([story.prologue for story in self.stories.values() if story.scenario.prologue])
        self.all.write_canaries()
        for story in self.stories.values():
            if story.scenario.meddle and not story.only_meddled:
                story.meddle()

    def _applied(self, stories: Iterable[Story], *options: str) -> None:
        documents = [document for story in stories for document in story.before]
        if documents:
            self._command("apply", "-f", str(self.all.spec("before", documents)), *options)

    def _command(self, *arguments: str) -> None:
        """In all namespaces at once, each document in its own."""
        told = warm.run(arguments, env=self.all.environment(), cwd=self.directory, seconds=PATIENCE)
        assert told.returncode == 0, Ran(arguments, told.returncode, told.stdout, told.stderr)

    # -- what was seen

    def _notes(self, what: str) -> list[Mapping[str, Any]]:
        return [note for note in self._notebook.lines() if note["what"] == what]

    def _rests(self, since: Mapping[str, float], daemon: Reborn) -> None:
        """Each of these has been found in order, by a pass that began after its moment, and was left so; or nothing
        is wanted of it any more.
        """

        def at_rest() -> bool:
            if daemon.troubles:
                raise RuntimeError(daemon.troubles[0])
            last: dict[str, Mapping[str, Any]] = {}
            for note in self._notebook.lines():
                if note["what"] in {"rest", "effect", "hit"}:
                    last[note["of"]] = note
            late = [n for n, moment in since.items() if n not in last or last[n].get("begun", 0.0) < moment]
            late = [name for name in late if self._is_wanted(name)]
            assert not late, [(self.stories[name].scenario.name, last.get(name)) for name in late]
            return True

        try:
            eventually(at_rest, "all is at rest", PATIENCE)
        except AssertionError as error:
            error.add_note(daemon.last_words())
            raise

    def _is_wanted(self, name: str) -> bool:
        return any((self.all.home / "applied" / name).glob("*.yaml"))

    def _counts(self) -> dict[str, Counter[str]]:
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for note in self._notebook.lines():
            counts[note["of"]][note["what"]] += 1
        return dict(counts)

    def _hits(self) -> dict[tuple[str, str], float]:
        """Measured to the first rest from which on nothing was done any more."""
        hit: dict[tuple[str, str], float] = {}
        well: dict[str, float] = {}
        for note in self._notebook.lines():
            match note["what"]:
                case "hit":
                    hit.setdefault((note["by"], note["of"]), note["at"])
                    well.pop(note["of"], None)
                case "effect":
                    well.pop(note["of"], None)
                case "rest":
                    well.setdefault(note["of"], note["at"])
        end = time.time()
        return {how: well.get(how[1], end) - moment for how, moment in hit.items()}

    def _deeds(self, events: Iterable[Mapping[str, Any]]) -> Counter[str]:
        deeds = Counter(
            f"{event['Action']} {event['Type']} {name}"
            for event in events
            if event["Action"] in COUNTED and (name := self._whose(event["Actor"])) and event["Type"] != "volume"
        )
        trace = self.directory / "trace"
        deeds[LAUNCHED] = trace.read_text().split().count(LAUNCHED) if trace.exists() else 0
        return deeds

    def _whose(self, actor: Mapping[str, Any]) -> str:
        """A container that was renamed is known by its labels; a network has none in its events."""
        about = actor["Attributes"]
        if about.get("dev.reconciler.owner") == self.all.owner:
            return ".".join(about.get(f"dev.reconciler.{part}", "") for part in ("namespace", "name", "index"))
        name: str = about.get("name", "")
        return name if any(name.startswith(f"{mine}-") for mine in self.sites) and "image" not in about else ""

    # -- the end

    def _away(self) -> None:
        documents = {
            (d["kind"], d["metadata"]["namespace"], d["metadata"]["name"]): d
            for story in self.stories.values()
            for d in (*story.before, *story.after)
        }
        spec = self.all.spec("everything", list(documents.values()))
        self._command("delete", "-f", str(spec), "--volumes", "--ignore-not-found", "--timeout", "60")
        left = {kind: things for kind, things in self.all.look().items() if things}
        assert not left, f"delete --volumes left {left}"
        for entry in self.all.home.iterdir():
            if entry.name != "owner":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def leave(self) -> None:
        """Also after a test that failed half-way."""
        for site in self.sites.values():
            site.leave()


@dataclass
class Story:
    """A scenario, played in its own namespace."""

    site: Site
    scenario: Scenario
    number: int

    @cached_property
    def before(self) -> list[Document]:
        return [self._placed(document) for document in self.scenario.before]

    @cached_property
    def after(self) -> list[Document]:
        return [self._placed(document) for document in self.scenario.after]

    @property
    def only_meddled(self) -> bool:
        """What is wanted stays as it is."""
        return self.scenario.meddle is not None and self.scenario.before == self.scenario.after

    def _placed(self, document: Document) -> Document:
        """In this namespace, and with host ports that none of the others has."""
        first = FIXED + 2 * self.number
        ports = {FIXED: first, MOVED: first + 1, "auto": f"{first}-{first + 1}"}
        placed: Document = json.loads(json.dumps(document))
        placed["metadata"]["namespace"] = self.site.namespace
        for port in placed["spec"].get("ports", ()):
            port["hostPort"] = ports[port["hostPort"]]
        return placed

    def prologue(self) -> None:
        told = self.site.run(*self.scenario.prologue)
        assert told.code == 0, told

    def want(self) -> None:
        """It is put down what is asked for, and nothing done about it."""
        spec = self.site.spec(f"after-{self.number}", self.after) if self.after else None
        verb = self.scenario.verb or ("apply", "-f", str(spec), *self.scenario.options)
        told = self.site.run(*verb, points=BEFORE_ANY_EFFECT)
        assert told.code == -signal.SIGKILL, told

    def meddle(self) -> float:
        """When it was done."""
        assert self.scenario.meddle
        self.scenario.meddle(self.site)
        return time.time()


class Reborn:
    """The daemon; and whenever it was killed, the next one."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self.troubles: list[str] = []
        """What it said when it ended otherwise than by a kill."""

    def __enter__(self) -> Self:
        self.live()
        return self

    def __exit__(self, *_: object) -> None:
        self.die()

    def live(self) -> None:
        self._ended.clear()
        self._thread = threading.Thread(target=self._again_and_again)
        self._thread.start()

    def die(self) -> None:
        """As the kernel does for want of memory."""
        assert self._thread
        self._ended.set()
        self._thread.join(0.05)
        while self._thread.is_alive():
            if pid := lock.holder(str(self._world.all.home)):
                os.kill(pid, signal.SIGKILL)
            self._thread.join(0.05)

    def last_words(self) -> str:
        self.die()
        return (self._world.directory / "daemon.log").read_text()[-4000:]

    def _again_and_again(self) -> None:
        place = self._world.directory
        environment = {**self._world.all.environment(), "RECONCILER_FAILPOINTS_TRACE": str(place / "trace")}
        arguments = [str(place), "daemon", "run"]
        while not self._ended.is_set():
            told = warm.run(arguments, env=environment, cwd=place, seconds=4 * PATIENCE, module=disturbed.__name__)
            with (place / "daemon.log").open("a") as log:
                log.write(told.stderr)
            if told.returncode != -signal.SIGKILL:
                self.troubles.append(f"exit {told.returncode}: {told.stderr[-4000:]}")
                return


def _at_once(deeds: Iterable[Callable[[], None]]) -> None:
    with ThreadPoolExecutor(BESIDE) as pool:
        for done in [pool.submit(deed) for deed in deeds]:
            done.result()

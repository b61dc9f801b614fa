"""The note that an apply leaves when all has settled, for the next one with the same command line (see `again`)."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from reconciler.cli.shortcuts import apply_again
from reconciler.model.place import LOCAL
from reconciler.usual_places import config_file
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.cli.context import Context
    from reconciler.engine.controller import Controller
    from reconciler.engine.news import News, Progress
    from reconciler.engine.reconcile import Pass
    from reconciler.engine.report import Report
    from reconciler.model.plan import Action
    from reconciler.model.resource import Resource

PATIENCE_SECONDS = 0.5
"""A note is not worth more waiting."""
MOST = 64
"""Notes that are kept; the oldest go."""
KINDS = {"network", "volume", "config", "secret"}
"""Of which it is known that time alone changes nothing about them."""


class Watched(Mapping[str, str]):
    """The environment, and which variables of it were asked for, those that are not set among them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._environment[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._environment)

    def __len__(self) -> int:
        return len(self._environment)


@dataclass(slots=True)
class Witness:
    """Hears what the progress lines hear, and remembers the pass that ended it all."""

    listener: Progress
    last: Pass | None = None
    namespaces: set[str] = field(default_factory=set)

    def started(self, action: Action) -> None:
        self.listener.started(action)

    def passed(self, news: News) -> None:
        self.last = news.last
        self.namespaces.add(news.namespace)
        self.listener.passed(news)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read on the way to the documents, each as it was then."""

    files: Mapping[str, bytes | None]
    folders: Mapping[str, Any]
    variables: Iterable[str]


def leave(context: Context, reading: Reading, witness: Witness, controller: Controller, report: Report) -> None:
    """Only where nothing is left to do, to wait for or to say, and where nothing but what is noted had a say in it."""
    last = witness.last or _seen_here(witness, controller, report)
    evidence = _evidence(controller, last) if last and _nothing_more(context, witness, last, report) else None
    if last is None or evidence is None:
        return
    environ, home = context.invocation.environ, context.home
    files = {**last.graph.contents, **reading.files, **_settings_files(environ)}
    stdout, stderr = _words(context, last, report)
    note = {
        "facts": apply_again.facts(
            apply_again.key(home),
            environment=environ,
            variables=reading.variables,
            files=files,
            folders=reading.folders,
            stamps={f"{home}/applied/{last.graph.namespace}": evidence.stamps},
        ),
        "namespace": last.graph.namespace,
        "socket": evidence.socket,
        "engine": apply_again.stamp(os.stat(evidence.socket)),
        "world": evidence.world,
        "since": evidence.since,
        "stdout": stdout,
        "stderr": stderr,
    }
    _write(apply_again.note_path(home, context.invocation.arguments), json.dumps(note).encode())


def _seen_here(witness: Witness, controller: Controller, report: Report) -> Pass | None:
    """The passes were made by a daemon. Where they had nothing to do, we look for ourselves: once, for all those after
    us who then need not.
    """
    if not report.ok or report.actions or len(witness.namespaces) != 1:
        return None
    from reconciler.engine.looking import look
    from reconciler.engine.reconcile import Pass
    from reconciler.errors import ReconcilerError

    try:
        with controller.parts.home.lock(PATIENCE_SECONDS):
            seen = look(controller.parts, *witness.namespaces)
    except ReconcilerError:
        return None
    statuses = {sight.key: sight.status for sight in seen.sights if sight.resource is not None}
    return Pass(seen.graph, seen.snapshot, seen.journal, seen.plan, (), statuses, seen.at)


def _nothing_more(context: Context, witness: Witness, last: Pass, report: Report) -> bool:
    plain = not context.config.present and not context.verbosity and context.invocation.arguments
    silent = report.ok and not report.notes and not last.plan.notes and "pruned" not in report.results.values()
    recorded = any(thing.adopted for thing in last.snapshot.objects())  # whose they are stands in a file, not on them
    settled = not recorded and last.plan.settled and all(status.ready for status in last.statuses.values())
    known = not last.graph.removed and not last.graph.unreadable and all(map(_steady, last.graph.resources.values()))
    return bool(plain and silent and settled and known and len(witness.namespaces) == 1)


def _steady(resource: Resource) -> bool:
    """Probes have to be asked, a process and another host to be looked at, each time, and a registry where an image may
    have moved on. What is external may be called anything.
    """
    spec = resource.spec
    if resource.key.kind == "service":
        return bool(
            spec.container
            and spec.run_on == LOCAL
            and not spec.container.build
            and spec.container.pull_policy != "Always"
            and not spec.probes.any
        )
    return resource.key.kind in KINDS and not getattr(spec, "external", False)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the last pass really saw, and not what may have come after it."""

    socket: str
    world: str
    since: float
    stamps: Mapping[str, Any]


def _evidence(controller: Controller, last: Pass) -> Evidence | None:
    from reconciler.sources.applied import Applied

    docker: Any = controller.parts.runtimes.get("docker")
    source = controller.parts.source
    if docker is None or not isinstance(source, Applied):
        return None
    socket, world, since = docker.glanced(last.graph.namespace)
    return Evidence(socket, world, since, source.stamps(last.graph.namespace)) if world else None


def _settings_files(environ: Mapping[str, str]) -> dict[str, bytes | None]:
    """There is no config file of the user's; should one come, it may change everything. The engine's own likewise."""
    folder = environ.get("DOCKER_CONFIG") or os.path.join(environ.get("HOME") or "/root", ".docker")
    config = os.path.join(folder, "config.json")
    named = {} if environ.get("DOCKER_HOST") else {config: apply_again.content_of(config)}
    return {config_file(environ): None} | named


def _words(context: Context, last: Pass, report: Report) -> tuple[str, str]:
    """What an apply says that has nothing to do."""
    from reconciler.cli.line import print_report, settled_word

    stdout = io.StringIO()
    calm = replace(report, actions=(), results=dict.fromkeys(report.results, "unchanged"))
    print_report(replace(context, invocation=replace(context.invocation, stdout=stdout)), calm)
    return stdout.getvalue(), "".join(
        f"{key.short}  {settled_word(last.statuses[key])}\n" for key in sorted(report.results)
    )


def _write(path: str, content: bytes) -> None:
    """A note that can't be written is not missed."""
    folder = os.path.dirname(path)
    draft = f"{path}.{secrets.token_hex(4)}"
    with contextlib.suppress(OSError):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(content)
        os.replace(draft, path)
        _sweep(folder)


def _sweep(folder: str) -> None:
    with os.scandir(folder) as entries:
        notes = sorted(
            (e for e in entries if e.name.startswith("apply-")),
            key=lambda entry: entry.stat().st_mtime_ns,
            reverse=True,
        )
    for note in notes[MOST:]:
        os.unlink(note.path)

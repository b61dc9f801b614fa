"""What `run` and `campaign` share: which campaign is meant, how it is to be run, and the words for how it goes."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reconciler.cli import line, picking, specs
from reconciler.cli.context import Context
from reconciler.cli.kinds import kind_called
from reconciler.cli.render.text import clean, paint
from reconciler.errors import ReconcilerError, UsageError
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.campaigns.records import Records
    from reconciler.campaigns.runner import News
    from reconciler.core.campaign.manifest import Manifest
    from reconciler.core.parse import Document
    from reconciler.engine.controller import Controller
    from reconciler.model.key import Key
    from reconciler.model.resource import Resource

COLORS = {"completed": "green", "failed": "red", "running": "yellow", "interrupted": "yellow", "skipped": "yellow"}
MOST_FAILURES = 10
"""That are told of one by one at the end."""
ISOLATION = (
    "with strategy persistent all runs share one container: less isolation, and what one leaves in memory, on its GPU "
    "or in its files the next one finds"
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The campaign, and what else its files declare."""

    controller: Controller
    resource: Resource
    documents: Sequence[Document] = ()

    @property
    def given(self) -> list[Resource]:
        return [document.resource for document in self.documents]


@dataclass(frozen=True, slots=True)
class How:
    """What was decided before anything is done."""

    strategy: str
    resume: bool
    restart: bool


# -- which


def name_of(word: str) -> str:
    """`NAME` or `campaign/NAME`."""
    kind, slash, name = word.partition("/")
    if slash and kind_called(kind).key != "campaign":
        raise UsageError(f"{word} is no campaign", hint="name a campaign, as NAME or campaign/NAME")
    return name if slash else word


def chosen(context: Context, word: str | None, paths: Sequence[str], *, recursive: bool, acts: bool) -> Chosen:
    """By name among what is declared, or from files."""
    if not word and not paths:
        raise UsageError("no campaign is named", hint="name one that is declared, or say -f FILE")
    name = name_of(word) if word else ""
    documents = specs.read(context, paths, recursive=recursive) if paths else []
    controller = line.open_controller(context, acts=acts)
    if not documents:
        want = picking.Wanted(("campaign",), (("campaign", name),))
        (resource,) = picking.declared(controller.parts, context.scope, want).values()
        return Chosen(controller, resource)
    found = [document.resource for document in documents if document.resource.key.kind == "campaign"]
    found = [resource for resource in found if name in ("", resource.key.name)]
    if len(found) != 1:
        known = ", ".join(resource.key.name for resource in found)
        message = (
            f"these files hold several campaigns: {known}" if found else "there is no such campaign in these files"
        )
        raise UsageError(message, hint="name one: reconciler run NAME -f FILE" if found else "kind: Campaign is wanted")
    if not acts:
        from reconciler.loading import located

        located(documents, lambda: controller.preview([document.resource for document in documents]))
    return Chosen(controller, found[0], documents)


def records_of(context: Context) -> Records:
    from reconciler.campaigns.records import Records

    return Records(context.home)


# -- how


def plan(context: Context, resource: Resource, *, strategy: str | None, resume: bool, restart: bool, yes: bool) -> How:
    """Flag, then what is resumed, then the spec, then the user's config. Asks what has to be asked."""
    if resume and restart:
        raise UsageError("--resume goes on, --restart begins anew", hint="say one of the two")
    from reconciler.campaigns.runner import refuse_another

    records = records_of(context)
    if records.attended(resource.key):
        raise records.busy(resource.key)
    old = None if restart else records.manifest(resource.key)
    if old and not old.ended and not resume:
        resume = _asked_to_go_on(context, resource, old)
    if resume and old is None:
        print(f"note: {resource.key.short}: there is nothing to resume; it begins", file=context.stderr)
    begun = old.strategy if old and resume else None
    decided = strategy or begun or resource.spec.strategy or str(context.settings["campaign.strategy"].value)
    if old and resume:
        refuse_another(resource, old, decided)  # before anything is declared
    elif old and not old.worked:
        _begin_anew(context, resource, old, decided, yes=yes)
    if decided == "persistent" and not yes:
        _confirm(context, ISOLATION, hint="say --yes to go on, or --strategy ephemeral")
    elif decided == "persistent":
        print(f"note: {ISOLATION}", file=context.stderr)
    return How(decided, resume and old is not None, restart)


def _begin_anew(context: Context, resource: Resource, old: Manifest, strategy: str, *, yes: bool) -> None:
    """After an end with failures many a one means to do only what has not worked."""
    from reconciler.campaigns.runner import refuse_another
    from reconciler.core.advice import command_line

    undone = sum(run.state != "completed" for run in old.runs)
    said = (
        f"{resource.key.short}: the last time {undone} of {len(old.runs)} runs did not work; now all begin anew, and "
        "what they brought is set aside"
    )
    try:
        refuse_another(resource, old, strategy)
    except UsageError:  # so nobody can mean to go on with it
        print(f"note: {said}", file=context.stderr)
        return
    rest = f"to do only those that did not work: {command_line(resource.key, 'run', '--resume')}"
    print(f"note: {said}; {rest}", file=context.stderr)
    if not yes and context.stdin.isatty() and not _answer(context, "Begin anew?", default=False):
        raise UsageError("it was not begun", hint=f"{rest}; or say --yes")


def _asked_to_go_on(context: Context, resource: Resource, old: Manifest) -> bool:
    from reconciler.campaigns.runner import unfinished

    problem = unfinished(resource, old)
    if not context.stdin.isatty():
        raise problem
    return _answer(context, f"{problem.message}. Go on with it?", default=True) or _give_up(problem)


def _give_up(problem: ReconcilerError) -> bool:
    raise problem


def _confirm(context: Context, what: str, *, hint: str) -> None:
    print(f"warning: {what}", file=context.stderr)
    if not context.stdin.isatty():
        raise UsageError("nobody is here to say yes to that", hint=hint)
    if not _answer(context, "Go on?", default=False):
        raise UsageError("it was not begun", hint=hint)


def _answer(context: Context, question: str, *, default: bool) -> bool:
    print(f"{question} [{'Y/n' if default else 'y/N'}] ", end="", file=context.stderr, flush=True)
    typed = context.stdin.readline().decode(errors="replace").strip().lower()
    return default if not typed else typed in ("y", "yes")


# -- the run itself


def run(
    context: Context, chosen: Chosen, how: How, teller: Teller, *, lease: bool, hurried: Callable[[], bool]
) -> Manifest:
    from reconciler.campaigns.begin import kept
    from reconciler.campaigns.runner import Runner

    parts = chosen.controller.parts
    runner = Runner(
        parts=parts, records=records_of(context), resource=kept(parts, chosen.resource.key), strategy=how.strategy,
        resume=how.resume, restart=how.restart, lease=lease, told=teller.told, note=teller.note,
        hurried=hurried,
    )  # fmt: skip
    return runner.run()


class Teller:
    """A line for each run that has ended, to stderr."""

    def __init__(self, context: Context, *, quiet: bool) -> None:
        self._context = context
        self._quiet = quiet

    def note(self, text: str) -> None:
        self._say(f"note: {clean(text)}")

    def told(self, news: News) -> None:
        from reconciler.core.campaign.manifest import eta

        if self._quiet or not news.run.over:
            return
        total = len(news.manifest.runs)
        done = sum(run.over for run in news.manifest.runs)
        word = paint(str(news.run.state), COLORS.get(news.run.state, ""), color=self._context.color_on_stderr)
        lasted = f" in {span(news.run.seconds)}" if news.run.seconds is not None else ""
        left = eta(news.manifest, news.gap, time.time())
        to_come = f", ETA {span(left)}" if left is not None else ""
        why = f": {clean(news.run.error)}" if news.run.error else ""
        said = f"[{done:>{len(str(total))}}/{total}] {news.run.id} {word}{lasted}{why}{to_come}"
        self._say(said)

    def _say(self, text: str) -> None:
        """A terminal that went away hears nothing any more. That must not keep anybody from clearing up."""
        try:
            print(text, file=self._context.stderr, flush=True)
        except OSError as error:
            if error.errno != errno.EIO:
                raise


def span(seconds: float | None) -> str:
    """0.3s, 12s, 3m12s."""
    from reconciler.cli.render.age import age

    if seconds is None:
        return "-"
    return f"{seconds:.1f}s" if seconds < 10 else age(seconds)


def summary(tree: Mapping[str, Any]) -> str:
    counts = [f"{tree[name]} {name}" for name in ("completed", "failed", "running", "pending", "skipped") if tree[name]]
    where = f"; results in {tree['results']}" if tree.get("results") else ""
    return f"campaign/{tree['name']} {tree['state']}: {', '.join(counts) or 'no runs'} of {tree['total']}{where}"


def print_failures(context: Context, tree: Mapping[str, Any]) -> None:
    from reconciler.core.advice import command_line
    from reconciler.model.key import Key

    failed = [run for run in tree["runs"] if run["state"] == "failed"]
    for run in failed[:MOST_FAILURES]:
        head = paint("error:", "red", color=context.color_on_stderr)
        log = f" (log: {run['log']})" if run["log"] else ""
        print(f"{head} {run['id']}: {clean(run['error'] or 'it failed')}{log}", file=context.stderr)
        if run["hint"]:
            print(f"hint: {clean(run['hint'])}", file=context.stderr)
    key = Key("campaign", tree["namespace"], tree["name"])
    if len(failed) > MOST_FAILURES:
        all_of_them = command_line(key, "campaign status")
        print(f"error: {len(failed) - MOST_FAILURES} more failed: {all_of_them}", file=context.stderr)
    if failed:
        again = command_line(key, "run", "--resume")
        print(f"hint: to do once more what has not worked: {again}", file=context.stderr)


def print_runs(context: Context, runs: Iterable[Mapping[str, Any]]) -> None:
    from reconciler.cli.render.table import Column, table

    columns = [Column("RUN"), Column("CYCLE"), Column("STATE"), Column("ATTEMPTS"), Column("TOOK")]
    columns += [Column("PARAMETERS", flexible=True), Column("ERROR", flexible=True)]
    rows = [
        (
            run["id"], str(run["cycle"]), run["state"], str(run["attempts"]), _took(run),
            " ".join(f"{name}={_shown(value)}" for name, value in run["params"].items()), clean(run["error"] or ""),
        )
        for run in runs
    ]  # fmt: skip
    context.stdout.write(table(columns, rows, color=context.color))


def _shown(value: Any) -> str:
    from reconciler.kinds.matrix import written

    return clean(written(value))


def _took(run: Mapping[str, Any]) -> str:
    from datetime import datetime

    if not (run["startedAt"] and run["finishedAt"]):
        return ""
    began, ended = (datetime.fromisoformat(run[name]) for name in ("startedAt", "finishedAt"))
    return span(max((ended - began).total_seconds(), 0.0))


def keys_known(context: Context, controller: Controller, *, everywhere: bool = False) -> list[Key]:
    """Declared ones and those that were run."""
    source = controller.parts.source
    run_once = records_of(context).keys()
    spaces = {*source.namespaces(), *(key.namespace for key in run_once)} if everywhere else {context.scope}
    kept = {r.key for space in spaces for r in source.resources(space) if r.key.kind == "campaign"}
    return sorted(kept | {key for key in run_once if key.namespace in spaces})

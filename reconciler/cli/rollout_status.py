from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli import names, picking
from reconciler.cli.context import Context
from reconciler.cli.durations import duration
from reconciler.cli.picking import Onlooker, Picked, Wanted
from reconciler.cli.render.output import TREES, show_tree
from reconciler.cli.render.text import clean
from reconciler.cli.verb import verb
from reconciler.errors import ReconcilerError
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.model.plan import Wait
    from reconciler.model.status import Instance

EXAMPLES = """
reconciler rollout status web
reconciler rollout status service/web --timeout 2m
reconciler rollout status web --timeout 0 -o json      # one look
"""
PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an update has come."""

    replicas: int
    updated: int
    ready: int
    done: bool
    halted: bool
    message: str

    def __str__(self) -> str:
        told = f"{self.updated} of {self.replicas} are new, {self.ready} Ready"
        return told + (f"; {self.message}" if self.message and not self.done else "")


def service_argument(function: click.decorators.FC) -> click.decorators.FC:
    words = click.argument(
        "words", nargs=-1, required=True, metavar="NAME | service/NAME", shell_complete=names.services
    )
    return words(function)


@verb("status", examples=EXAMPLES, outputs=TREES)
@service_argument
@click.option("--timeout", type=duration, metavar="SPAN", help="At most so long [60s]; 0 looks once.")
def command(context: Context, words: tuple[str, ...], *, timeout: float | None) -> None:
    """Follow an update until it is over. Exit code 1 if it stands still or time is up.

    It only looks: what carries an update on is the command that began it, or the next apply.
    """
    want = picking.one_service(context, words)
    onlooker = Onlooker(context)
    item = _look(context, onlooker, want)
    found = _follow(context, onlooker, want, context.timeout if timeout is None else timeout)
    tree = {name: getattr(found, name) for name in ("replicas", "updated", "ready", "done", "message")}
    if not show_tree(context, {"key": str(item.key), **tree}) and found.done:
        print(f"{item.key.short} is up to date: {found}", file=context.stdout)
    if not found.done:
        raise _unfinished(item, found)


def _look(context: Context, onlooker: Onlooker, want: Wanted) -> Picked:
    items = picking.pick(picking.looks(context, onlooker.controller, everywhere=False), want)
    declared = next((item for item in items if item.sight.resource and not item.sight.resource.deleting), None)
    if declared is None:
        raise picking.not_found(onlooker.controller.parts, context.scope, want.names[0])
    return declared


def _follow(context: Context, onlooker: Onlooker, want: Wanted, timeout: float) -> Progress:
    """Each step is told once."""
    clock = onlooker.controller.parts.clock
    deadline, told = clock.now() + timeout, ""
    while True:
        item = _look(context, onlooker, want)
        found = progress(item)
        if not found.done and str(found) != told:
            told = str(found)
            print(f"{item.key.short}: {clean(told)}", file=context.stderr, flush=True)
        if found.done or found.halted or clock.now() >= deadline:
            return found
        clock.sleep(min(PAUSE, max(deadline - clock.now(), 0.0)))


def progress(item: Picked) -> Progress:
    """Done is what has nothing to do and nothing to wait for, and is Ready."""
    resource, status = item.sight.resource, item.sight.status
    assert resource is not None, "only what is declared is followed"
    ours = [instance for instance in status.instances if instance.index < resource.spec.replicas]
    fresh = [instance for instance in ours if _fresh(item, instance)]
    waits = [wait for wait in item.look.plan.waits if wait.key.resource == item.key]
    actions = [action for action in item.look.plan.actions if action.key.resource == item.key]
    told = status.condition("Progressing")
    halted = told is not None and (told.status, told.reason) == ("False", "RollingUpdate")
    return Progress(
        replicas=resource.spec.replicas,
        updated=len(fresh),
        ready=sum(instance.ready for instance in fresh),
        done=status.ready and not waits and not actions,
        halted=halted,
        message=_message(waits) or (str(actions[0]) if actions else ""),
    )


def _fresh(item: Picked, instance: Instance) -> bool:
    wanted = item.look.plan.desired.get(item.key.instance(instance.index))
    return wanted is not None and wanted.fingerprint == instance.fingerprint


def _message(waits: list[Wait]) -> str:
    return f"{waits[0].key.name}/{waits[0].key.index}: {waits[0].message}" if waits else ""


def _unfinished(item: Picked, found: Progress) -> ReconcilerError:
    from reconciler.core.advice import command_line

    why = "the update stands still" if found.halted else "time is up before the update was over"
    return ReconcilerError(
        f"{item.key.short}: {why}: {found}",
        hint=f"apply it again to go on, or go back: {command_line(item.key, 'rollout undo')}",
    )

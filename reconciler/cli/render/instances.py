"""Instances one by one, whoever declares them: the rows of `instances list`, and the same as a tree for scripts."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from reconciler.cli.render import words
from reconciler.cli.render.age import age
from reconciler.cli.render.table import PIPED, Column, table
from reconciler.cli.render.text import cut
from reconciler.core.moments import iso
from reconciler.model.observed import Observed, Phase
from reconciler.model.place import Place
from reconciler.model.status import Instance
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.cli.context import Context
    from reconciler.engine.looking import Look, Sight

COLUMNS = (
    Column("INSTANCE"),
    Column("NAMESPACE"),
    Column("STATUS", status=True),
    Column("DECLARED"),
    Column("RUNTIME"),
    Column("HOST"),
    Column("PORTS", flexible=True),
    Column("IMAGE/COMMAND", flexible=True),
    Column("AGE"),
    Column("AUTOSTART", wide=True),
    Column("ID", wide=True),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One instance; `thing` is None for one that is declared and not there."""

    look: Look
    sight: Sight
    index: int
    thing: Observed | None = None

    @property
    def name(self) -> str:
        """The service's own, where there is one of it: with several, `web/1`."""
        several = self.index or len(self.sight.things) > 1 or _wanted(self.sight) > 1
        return f"{self.sight.key.name}/{self.index}" if several else self.sight.key.name

    @property
    def declared(self) -> bool:
        return _declared(self.look, self.sight)

    @property
    def auto_start(self) -> bool:
        return self.declared and getattr(self.sight.resource and self.sight.resource.spec, "auto_start", True)

    @property
    def status(self) -> str:
        if self.thing:
            return str(self.thing.phase).lower()
        if self.sight.key in self.look.graph.damaged or not words.reachable(self.look, self.sight):
            return "unknown"
        return "missing" if _wanted(self.sight) else "stopped"

    @property
    def runtime(self) -> str:
        return self.thing.runtime if self.thing else words.place_of(self.look, self.sight).partition("@")[0]

    @property
    def host(self) -> str:
        host = Place.of(self.thing.place if self.thing else self.place).host
        return host.removeprefix(f"{self.look.namespace}/")

    @property
    def place(self) -> str:
        return words.place_of(self.look, self.sight)

    @property
    def judged(self) -> Instance | None:
        return next((item for item in self.sight.status.instances if item.index == self.index), None)


def rows(looks: Iterable[Look]) -> list[Row]:
    """By namespace, kind, name and index."""
    found = (row for look in looks for sight in look.sights if sight.key.is_workload for row in _of(look, sight))
    return sorted(found, key=lambda row: row.sight.key.instance(row.index))


def _of(look: Look, sight: Sight) -> Iterator[Row]:
    """Of what nobody ran yet, or is stopped, there is one line too: it is there to be started."""
    things = {(thing.key.index or 0) if thing.key else 0: thing for thing in sight.things}
    alone = not things and _declared(look, sight)
    wanted = range(max(_wanted(sight), int(alone))) if sight.key.kind == "service" else ()
    for index in sorted({*things, *wanted}):
        yield Row(look, sight, index, things.get(index))


def _declared(look: Look, sight: Sight) -> bool:
    """A document that can't be read declares it all the same."""
    return bool(sight.resource and not sight.resource.deleting) or sight.key in look.graph.damaged


def _wanted(sight: Sight) -> int:
    live = sight.resource is not None and not sight.resource.deleting
    return int(getattr(sight.resource and sight.resource.spec, "replicas", 0)) if live else 0


def printed(context: Context, found: Sequence[Row]) -> str:
    """The host only where somebody knows of others than this machine."""
    several = any(words.knows_others(row.look) for row in found)
    shown = [number for number, column in enumerate(COLUMNS) if several or column.title != "HOST"]
    cells = [[cells[number] for number in shown] for cells in map(_cells, found)]
    columns = [COLUMNS[number] for number in shown]
    return table(columns, cells, wide=context.output == "wide", color=context.color, limit=context.width, longest=PIPED)


def _cells(row: Row) -> list[object]:
    return [
        row.name, row.sight.key.namespace, row.status, "yes" if row.declared else "no", row.runtime, row.host,
        _ports(row), row.thing.image if row.thing and not row.declared else _workload(row), _age(row),
        ("yes" if row.auto_start else "no") if row.declared else "", row.thing.id[:12] if row.thing else "",
    ]  # fmt: skip


def _ports(row: Row) -> str:
    """Where it can be reached; what nobody declares shows what it occupies."""
    reached = [words.address(endpoint) for endpoint in row.sight.status.endpoints if endpoint.index == row.index]
    bound = (row.thing.bindings if row.thing else ()) if not reached else ()
    return ", ".join(reached or sorted({f"{binding.address}:{binding.port}" for binding in bound}))


def _workload(row: Row) -> str:
    image, command = _image(row), _command(row)
    return image or cut(shlex.join(command), words.LONGEST_COMMAND)


def _image(row: Row) -> str:
    container = getattr(row.sight.resource and row.sight.resource.spec, "container", None)
    return container.image if container else (row.thing.image if row.thing else "")


def _command(row: Row) -> Sequence[str]:
    process = getattr(row.sight.resource and row.sight.resource.spec, "process", None)
    return process.command if process else ()


def _age(row: Row) -> str:
    """How long it has been running; of one that ended, how long ago."""
    thing = row.thing
    if thing is None:
        return ""
    since = thing.started_at if thing.phase is Phase.RUNNING else thing.finished_at
    return age(row.look.at - since) if since else ""


def tree(row: Row) -> dict[str, Any]:
    """The names are a contract with scripts, as are those of a Service's status."""
    thing, judged = row.thing, row.judged
    return {
        "instance": row.name,
        "namespace": row.sight.key.namespace,
        "kind": row.sight.key.kind,
        "name": row.sight.key.name,
        "index": row.index,
        "status": row.status,
        "ready": bool(judged and judged.ready),
        "declared": row.declared,
        "autoStart": row.auto_start,
        "runtime": row.runtime,
        "host": row.host,
        "ports": {name: grant.port for name, grant in sorted(thing.grants.items())} if thing else {},
        "image": _image(row),
        "command": list(_command(row)),
        "id": thing.id if thing else "",
        "pid": thing.pid if thing else None,
        "restarts": judged.restarts if judged else 0,
        "startedAt": iso(thing.started_at, "auto") if thing else None,
        "exitCode": thing.exit_code if thing else None,
    }

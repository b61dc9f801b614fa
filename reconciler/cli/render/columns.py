"""Which columns each kind has, and what stands in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from reconciler.cli.render import words
from reconciler.cli.render.table import PIPED, Column, table

if TYPE_CHECKING:
    from reconciler.cli.context import Context
    from reconciler.cli.picking import Picked

Cell = Callable[["Picked"], object]
Layout = Sequence[tuple[Column, Cell]]


def _spec(item: Picked, field: str) -> object:
    """An external thing is as it is: what its document says by default says nothing."""
    spec = item.sight.resource.spec if item.sight.resource else None
    if getattr(spec, "external", False):
        return "(external)" if field == "driver" else ""
    return getattr(spec, field, "")


def _count(item: Picked, state: str) -> object:
    """Of a campaign's runs."""
    from reconciler.core.campaign.manifest import State

    course = item.sight.course
    return course.count(State(state)) if course and not course.trouble else ""


def _keys(item: Picked) -> str:
    spec = item.sight.resource.spec if item.sight.resource else None
    return words.few(sorted({*getattr(spec, "data", ()), *getattr(spec, "files", ())}), 5)


NAMESPACE: Layout = ((Column("NAMESPACE"), lambda item: item.key.namespace),)
STATUS: Layout = ((Column("STATUS", status=True), lambda item: words.status_word(item.look, item.sight)),)
MESSAGE: Layout = (
    (Column("MESSAGE", wide=True, flexible=True, last=True), lambda item: words.message(item.look, item.sight)),
)
USED_BY: Layout = ((Column("USED BY"), lambda item: words.few(words.users(item.look, item.key))),)
ENGINE: Layout = (
    (Column("ENGINE NAME", wide=True), lambda item: words.few([thing.name for thing in item.sight.things], 1)),
    (Column("ID", wide=True), lambda item: words.ids(item.sight.things)),
)
HOST = Column("HOST")
"""Told only where somebody knows of others than this machine."""
WHERE: Layout = ((HOST, lambda item: words.host_of(item.look, item.sight)),)
RUNNING: Layout = (
    (Column("READY"), lambda item: words.ready_cell(item.sight)),
    *STATUS,
    *WHERE,
    (Column("RESTARTS", right=True), lambda item: words.restarts(item.sight)),
    (Column("AGE"), lambda item: words.age_cell(item.look, item.sight)),
    (Column("PORTS", flexible=True), lambda item: words.ports_cell(item.sight)),
)
OF_KIND: dict[str, Layout] = {
    "service": (
        *RUNNING,
        (Column("RUNTIME", wide=True), lambda item: words.place_of(item.look, item.sight)),
        (Column("IMAGE/COMMAND", wide=True), lambda item: words.workload(item.sight)),
        (Column("ID", wide=True), lambda item: words.ids(item.sight.things)),
        (
            Column("FINGERPRINT", wide=True),
            lambda item: words.few(sorted({t.fingerprint for t in item.sight.things}), 1),
        ),
    ),
    "job": (
        *STATUS,
        *WHERE,
        (Column("ATTEMPTS", right=True), lambda item: item.sight.status.attempts),
        (Column("AGE"), lambda item: words.age_cell(item.look, item.sight)),
        (Column("SCHEDULE"), lambda item: _spec(item, "schedule")),
        (Column("NEXT RUN"), lambda item: words.next_run_cell(item.look, item.sight)),
        (Column("RUNTIME", wide=True), lambda item: words.place_of(item.look, item.sight)),
        (Column("IMAGE/COMMAND", wide=True), lambda item: words.workload(item.sight)),
        (Column("ID", wide=True), lambda item: words.ids(item.sight.things)),
    ),
    "campaign": (
        *STATUS,
        (Column("RUNS", right=True), lambda item: item.sight.course and item.sight.course.total),
        (Column("COMPLETED", right=True), lambda item: _count(item, "completed")),
        (Column("FAILED", right=True), lambda item: _count(item, "failed")),
        (Column("PENDING", right=True), lambda item: _count(item, "pending")),
        (Column("STRATEGY"), lambda item: item.sight.course and item.sight.course.strategy),
        (Column("IMAGE/COMMAND", wide=True), lambda item: words.workload(item.sight)),
        (Column("ID", wide=True), lambda item: words.ids(item.sight.things)),
    ),
    "network": (
        *STATUS,
        (Column("DRIVER"), lambda item: _spec(item, "driver")),
        (Column("SUBNET"), lambda item: _spec(item, "subnet")),
        *USED_BY,
        *ENGINE,
    ),
    "volume": (*STATUS, (Column("DRIVER"), lambda item: _spec(item, "driver")), *USED_BY, *ENGINE),
    "config": (*STATUS, (Column("KEYS", flexible=True), _keys), *USED_BY),
    "secret": (*STATUS, (Column("KEYS", flexible=True), _keys), *USED_BY),
    "host": (
        *STATUS,
        (Column("ADDRESS"), lambda item: words.address_cell(item.sight)),
        (Column("OS"), lambda item: words.host_cell(item.sight, "os")),
        (Column("ARCH"), lambda item: words.host_cell(item.sight, "arch")),
        (Column("ENGINE"), lambda item: words.host_cell(item.sight, "engine")),
        (Column("WG"), lambda item: words.host_cell(item.sight, "wg")),
        (Column("AGE"), lambda item: words.stands_cell(item.look, item.sight)),
        (Column("CGROUPS", wide=True), lambda item: words.host_cell(item.sight, "cgroups")),
        (Column("KERNEL", wide=True), lambda item: words.host_cell(item.sight, "kernel")),
        (Column("HELD BY", wide=True), lambda item: words.host_cell(item.sight, "held_by")),
        (Column("MESSAGE", flexible=True, last=True), lambda item: words.message(item.look, item.sight)),
    ),
    "source": (
        *STATUS,
        (Column("REVISION"), lambda item: words.short_revision(item.sight.status.revision)),
        (Column("SINCE"), lambda item: words.since_cell(item.look, item.sight)),
        (Column("FROM", flexible=True), lambda item: _spec(item, "title")),
        (Column("SUBJECT", wide=True, flexible=True), lambda item: words.subject_cell(item.sight)),
        (Column("MESSAGE", flexible=True, last=True), lambda item: words.message(item.look, item.sight)),
    ),
}
AT_A_GLANCE: Layout = (
    (Column("RESOURCE"), lambda item: item.key.short),
    *RUNNING,
    (Column("MESSAGE", flexible=True, last=True), lambda item: words.message(item.look, item.sight)),
)
"""Of `status`, where all kinds stand in one table."""


def layout(kind: str, *, prefixed: bool, everywhere: bool) -> Layout:
    """`prefixed`: service/web, where several kinds are shown one after another."""
    name: Layout = ((Column("NAME"), lambda item: item.key.short if prefixed else item.key.name),)
    return (*(NAMESPACE if everywhere else ()), *name, *OF_KIND[kind], *(() if kind in {"source", "host"} else MESSAGE))


def rows(shape: Layout, items: Iterable[Picked]) -> list[list[object]]:
    return [[cell(item) for _, cell in shape] for item in items]


def printed(context: Context, shape: Layout, items: Sequence[Picked], *, headers: bool = True) -> str:
    if not any(words.knows_others(item.look) for item in items):
        shape = [part for part in shape if part[0] is not HOST]
    return table(
        [column for column, _ in shape], rows(shape, items), headers=headers, wide=context.output == "wide",
        color=context.color, limit=context.width, longest=PIPED,
    )  # fmt: skip

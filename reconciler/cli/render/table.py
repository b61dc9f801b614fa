"""The column printer: a header, two spaces between columns, nothing drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from reconciler.cli.render.text import clean, cut, paint, width
from reconciler.values import dataclass

GAP = "  "
LEGIBLE = 15
"""So much of an address is left at least: 127.0.0.1:8080."""
PIPED = 160
"""Columns of a line in a file or a pipe, where its message can make up for the rest of it. -o wide has all of it."""
EMPTY = "-"
"""What stands where there is nothing to say."""
GOOD = frozenset("Ready Running running True Completed Settled created configured started ok valid Synced".split())
BUSY = frozenset(
    "Starting Pending Progressing Waiting Created Paused Removing NotReady Unknown BackOff RollingUpdate Drifted "
    "DependencyNotReady NetworkNotReady VolumeNotReady Terminating InUse Stopped pruned "
    "Missing Orphan Deleting Stopping stopped missing paused restarted scaled warning "
    "NotSynced Suspended Vanished WaveNotReady Interrupted".split()
)
BAD = frozenset(
    "Failed Exited exited False CrashLoop NameConflict PortInUse PortsExhausted ImageUnavailable ExternalMissing "
    "NotThere VolumeDiffers Unreadable Denied Refused Unreachable OutcomeUnknown failed deleted invalid "
    "InvalidSpec Rewound Unverified Braked Conflict RolledBack".split()
)


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    wide: bool = False
    """Shown only with -o wide."""
    status: bool = False
    """Its words are coloured by whether they are good news."""
    flexible: bool = False
    """Cut when the terminal is too narrow: ports, images; left out if nothing stands in it."""
    last: bool = False
    """Flexible too, but cut only when the others are: a message is what people came to read."""
    right: bool = False


def table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[object]],
    *,
    headers: bool = True,
    wide: bool = False,
    color: bool = False,
    limit: int | None = None,
    longest: int | None = None,
) -> str:
    """Lines of text, each ended. `limit` is the terminal's width; a file or a pipe has none, and there messages are cut
    alone, where a line would be longer than `longest`.
    """
    shown = [i for i, column in enumerate(columns) if wide or not column.wide]
    cells = [[_cell(row[i]) for i in shown] for row in rows]
    room = None if wide else limit
    if room and _excess([columns[i] for i in shown], cells, room) > 0:
        kept = [n for n, i in enumerate(shown) if not columns[i].flexible or any(row[n] != EMPTY for row in cells)]
        shown, cells = [shown[n] for n in kept], [[row[n] for n in kept] for row in cells]
    chosen = [columns[i] for i in shown]
    head = [[column.title for column in chosen]] if headers else []
    widths = _widths(chosen, head + cells, room)
    if longest and not room and not wide:
        widths = _widths([replace(column, flexible=column.last) for column in chosen], head + cells, longest)
    lines = [_line(chosen, row, widths, color=False) for row in head]
    lines += [_line(chosen, row, widths, color=color) for row in cells]
    return "".join(f"{line}\n" for line in lines)


def _cell(value: object) -> str:
    text = "" if value is None else clean(str(value))
    return text or EMPTY


def _excess(columns: Sequence[Column], rows: Sequence[Sequence[str]], limit: int) -> int:
    """How much wider than the terminal it is, all told."""
    cells = [max([width(column.title), *(width(row[i]) for row in rows)]) for i, column in enumerate(columns)]
    return sum(cells) + len(GAP) * (len(columns) - 1) - limit


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], limit: int | None) -> list[int]:
    widths = [max((width(row[i]) for row in rows), default=0) for i in range(len(columns))]
    excess = sum(widths) + len(GAP) * (len(columns) - 1) - limit if limit else 0
    for i in sorted(range(len(columns)), key=lambda i: (not columns[i].flexible, columns[i].last, -widths[i])):
        if excess <= 0 or not columns[i].flexible:
            break
        floor = max(width(columns[i].title), 8 if columns[i].last else LEGIBLE)
        taken = min(excess, max(widths[i] - floor, 0))
        widths[i] -= taken
        excess -= taken
    return widths


def _line(columns: Sequence[Column], row: Sequence[str], widths: Sequence[int], *, color: bool) -> str:
    cells = [_padded(column, cut(text, room), room) for column, text, room in zip(columns, row, widths, strict=True)]
    last = len(cells) - 1
    cells[last] = cells[last].rstrip()
    return GAP.join(_painted(column, cell, color=color) for column, cell in zip(columns, cells, strict=True))


def _padded(column: Column, text: str, room: int) -> str:
    space = " " * (room - width(text))
    return space + text if column.right else text + space


def _painted(column: Column, cell: str, *, color: bool) -> str:
    style = status_style(cell.strip()) if column.status and color else ""
    if not style:
        return cell
    word = cell.strip()
    return cell.replace(word, paint(word, style, color=True), 1)


def status_style(text: str) -> str:
    """The colour of a status by its first word; "" for one that is neither good nor bad news."""
    word = text.split(" ", 1)[0].rstrip(":,")
    for words, style in ((GOOD, "green"), (BUSY, "yellow"), (BAD, "red")):
        if word in words:
            return style
    return ""

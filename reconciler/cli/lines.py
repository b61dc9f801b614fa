"""Streams of bytes to stdout, as they are; several of them line by line, each with its name before it."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO

from reconciler.cli.context import Context
from reconciler.cli.render.text import paint
from reconciler.errors import ReconcilerError
from reconciler.values import dataclass

COLORS = ("cyan", "yellow", "green", "red")
LONGEST_LINE = 1024 * 1024
"""A line without an end is cut into pieces of this size: memory is not the writer's to fill."""
WAITING = 1000
"""So many lines may wait for who reads us; then the writers wait too."""


@dataclass(frozen=True, slots=True)
class Stream:
    """`open` begins to read it, and may raise."""

    name: str
    open: Callable[[], Iterator[bytes]]


def print_streams(context: Context, streams: Sequence[Stream], *, prefix: bool, at_once: bool) -> None:
    """`at_once`: as the lines come, from all; else one after another. The first error is raised at the end."""
    names = _names(context, streams) if prefix else [b""] * len(streams)
    sink = _sink(context)
    if at_once and len(streams) > 1:
        pieces: Iterable[bytes] = _merged(streams, names)
    else:
        pieces = (piece for s, name in zip(streams, names, strict=True) for piece in _pieces(s, name))
    for piece in pieces:
        sink(piece)


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines with their ends; the last one may have none."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in whole)
        if len(rest) > LONGEST_LINE:
            yield rest + b"\n"
            rest = b""
    if rest:
        yield rest


def from_file(path: str, tail: int | None) -> Iterator[bytes]:
    with open(path, "rb") as file:
        if tail is None:
            yield from iter(lambda: file.read(65536), b"")
        else:
            yield from deque(lines_of(file), maxlen=tail)


def _names(context: Context, streams: Sequence[Stream]) -> list[bytes]:
    """Of one width, so that the lines stand in a column."""
    room = max(len(stream.name) for stream in streams) if streams else 0
    return [
        f"{paint(f'{stream.name:<{room}} |', COLORS[i % len(COLORS)], color=context.color)} ".encode()
        for i, stream in enumerate(streams)
    ]


def _pieces(stream: Stream, name: bytes) -> Iterator[bytes]:
    """Unnamed, a stream passes as it is: a progress bar that never ends its line is seen while it moves."""
    if not name:
        return stream.open()
    return (name + _ended(line) for line in lines_of(stream.open()))


def _ended(line: bytes) -> bytes:
    return line if line.endswith(b"\n") else line + b"\n"


def _merged(streams: Sequence[Stream], names: Sequence[bytes]) -> Iterator[bytes]:
    """A thread for each. They are daemons: who waits for a silent log can't be called back."""
    told: queue.Queue[bytes | ReconcilerError | None] = queue.Queue(WAITING)
    for stream, name in zip(streams, names, strict=True):
        threading.Thread(target=_pass_on, args=(stream, name, told), daemon=True).start()
    ended, error = 0, None
    while ended < len(streams):
        match told.get():
            case None:
                ended += 1
            case ReconcilerError() as trouble:
                error = error or trouble
            case bytes() as line:
                yield line
    if error:
        raise error


def _pass_on(stream: Stream, name: bytes, told: queue.Queue[bytes | ReconcilerError | None]) -> None:
    try:
        for line in _pieces(stream, name):
            told.put(line)
    except ReconcilerError as error:
        told.put(error)
    finally:
        told.put(None)


def _sink(context: Context) -> Callable[[bytes], None]:
    """Bytes pass untouched: what a workload writes need not be text. Each piece is seen at once."""
    context.stdout.flush()
    raw: BinaryIO | None = None
    with contextlib.suppress(AttributeError):  # a stream of text alone, as tests have
        raw = context.stdout.buffer

    def write(piece: bytes) -> None:
        if raw is None:
            context.stdout.write(piece.decode(errors="replace"))
            return
        raw.write(piece)
        raw.flush()

    return write

"""What is going on, while it goes on: live lines on a terminal, plain lines of changes in a pipe. On stderr."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

from reconciler.cli.context import Context
from reconciler.cli.render.age import age
from reconciler.cli.render.text import clean, mark
from reconciler.values import dataclass

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

RUNNING, DONE, FAILED = "running", "done", "failed"
INTERRUPTED = "interrupted; what runs goes on running, and the next apply goes on from here"
LEVELS = {DONE: "ok", FAILED: "failed"}
PULLED, BUILT = "pulled", "built"
STEPS = ("pulling", PULLED, "Step ", BUILT)
"""How the words begin that are worth a line in a log: of a pull, and of a build."""


class Progress(Protocol):
    """One line per resource. May be called from any thread; used in a `with` block."""

    def update(self, key: str, state: str, message: str) -> None:
        """`key` as people read it (service/web); `state` is running, done or failed; `message` what is happening."""

    def note(self, text: str) -> None:
        """Something worth saying that belongs to no single resource."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def progress(context: Context) -> Progress:
    """The one that suits stderr."""
    stream = context.stderr
    live = stream.isatty() and context.invocation.environ.get("TERM") != "dumb"
    shown: Progress = LiveProgress(stream, color=context.color_on_stderr) if live else PlainProgress(stream)
    context.invocation.lines = shown
    return shown


def fetching(context: Context, image: str, words: str) -> None:
    """A step of getting an image. What a log would be flooded with, a terminal shows in one line."""
    lines = context.invocation.lines
    if isinstance(lines, LiveProgress) or (lines and words.startswith(STEPS)):
        lines.update(f"image {image}", DONE if words in (PULLED, BUILT) else RUNNING, words)


class PlainProgress:
    """`service/web  starting…` on each change and never twice: a log that can be read afterwards."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._told: dict[str, tuple[str, str]] = {}
        self._lock = threading.Lock()

    def update(self, key: str, state: str, message: str) -> None:
        with self._lock:
            if self._told.get(key) != (state, message):
                self._told[key] = (state, message)
                self._write(f"{clean(key)}  {clean(message)}{'…' if state == RUNNING else ''}")

    def note(self, text: str) -> None:
        with self._lock:
            self._write(clean(text))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_exception: object) -> None:
        if kind is KeyboardInterrupt:
            self.note(INTERRUPTED)

    def _write(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()


@dataclass(slots=True)
class _Row:
    state: str
    message: str
    since: float
    until: float | None = None


class LiveProgress:
    """rich's live display. What failed stays on the screen at the end; the rest makes room for the results."""

    def __init__(self, stream: TextIO, *, color: bool, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        self._clock = clock
        self._stream = stream
        self._rows: dict[str, _Row] = {}
        self._lock = threading.Lock()
        self._console = Console(file=stream, no_color=not color, highlight=False, markup=False, emoji=False)
        self._spinner = Spinner("dots")
        self._live = Live(
            console=self._console, get_renderable=self._picture, refresh_per_second=10, transient=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip

    def update(self, key: str, state: str, message: str) -> None:
        with self._lock:
            now = self._clock()
            row = self._rows.setdefault(key, _Row(state, message, since=now))
            row.state, row.message = state, message
            row.until = None if state == RUNNING else row.until or now

    def note(self, text: str) -> None:
        self._live.console.print(clean(text))

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_exception: object) -> None:
        self._live.stop()
        if kind is KeyboardInterrupt:
            print(INTERRUPTED, file=self._stream)
        for key, row in self._rows.items():
            if row.state == FAILED:
                print(f"{mark('failed', self._stream)} {clean(key)}  {clean(row.message)}", file=self._stream)
        self._stream.flush()

    def _picture(self) -> RenderableType:
        """Running ones last, nearest to the prompt; when there are too many lines the finished ones go first."""
        from rich.table import Table

        with self._lock:
            rows = sorted(self._rows.items(), key=lambda item: item[1].state == RUNNING)
            room = max(self._console.height - 2, 3)
            hidden, rows = rows[:-room], rows[-room:]
            picture = Table.grid(padding=(0, 2, 0, 0))
            picture.add_column(no_wrap=True)
            names = min(max((len(clean(key)) for key, _ in rows), default=0), self._console.width // 2)
            picture.add_column(no_wrap=True, overflow="ellipsis", min_width=names)  # a message never pushes them out
            picture.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
            picture.add_column(no_wrap=True, justify="right")
            if hidden:
                done = sum(row.state == DONE for _, row in hidden)
                picture.add_row("", f"… {len(hidden)} more, {done} done", "", "")
            for key, row in rows:
                self._add(picture, key, row)
            return picture

    def _add(self, picture: Table, key: str, row: _Row) -> None:
        from rich.text import Text

        sign: Any = self._spinner
        if row.state != RUNNING:
            sign = Text(mark(LEVELS[row.state], self._stream), style="green" if row.state == DONE else "red")
        elapsed = age((row.until or self._clock()) - row.since)
        picture.add_row(sign, Text(clean(key)), Text(clean(row.message), style="dim"), Text(elapsed, style="dim"))

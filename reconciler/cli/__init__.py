"""What people see. One verb is one small file: it makes one call and renders one value.

`catalog` says which verbs there are, `verb` makes a function into one, `context` is what it knows of the invocation,
`boundary` turns every error into words and an exit code, `render` turns values into text; `shortcuts` answer before
anything else is imported. `picking`, `kinds`, `names` and `selector` read what people call things, `specs` what they
wrote, `line` leads into the engine room and back. What several verbs share is called as what they do: `editing` a wish,
`campaigning`, `hosting`, `looping`, `watching`, what is `followed`; `reach` leads into a workload, `forwards` to its
ports, `checks` are the doctor's.
"""

from __future__ import annotations

import gc
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from reconciler.cli.invocation import Invocation

INTERRUPTED = 130


def main() -> None:
    """The console entry."""
    try:
        if not _answered(sys.argv[1:]):
            _leave(_obeyed(sys.argv[1:]))
    except (KeyboardInterrupt, RuntimeError) as error:  # before anything has begun
        if not interrupted(error):
            raise
        sys.exit(INTERRUPTED)


def interrupted(error: BaseException) -> bool:
    """Some Pythons wrap what comes while a class is being made."""
    return isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__, KeyboardInterrupt)


def _obeyed(arguments: list[str]) -> int:
    gc.set_threshold(200_000, 20, 20)  # what is imported stays: to look through it again and again takes a tenth
    from reconciler.cli.invocation import Invocation

    return obey(arguments, Invocation.real())


def obey(arguments: list[str], invocation: Invocation) -> int:
    """One command line to its end, in this process; returns the exit code and raises nothing."""
    from reconciler.cli.boundary import guarded
    from reconciler.cli.group import dispatch

    invocation.arguments = tuple(arguments)
    shown = ["version"] if arguments == ["--version"] else arguments or ["--help"]
    try:
        return guarded(lambda: dispatch(shown, invocation), invocation)
    finally:
        invocation.let_go()


def _leave(code: int) -> None:
    """At once, for nothing is left to do, and to take a thousand classes apart takes a quarter of the whole command.
    Whoever watches the interpreter, as coverage does, has still to write down what
    it saw; and for a stream that fails at its last flush the interpreter has words of its own.
    """
    import os
    import signal
    import threading

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is told, so there is nothing to interrupt
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        sys.exit(code)
    if threading.active_count() > 1 or _watched():
        sys.exit(code)
    os._exit(code)


def _watched() -> bool:
    tools = getattr(sys, "monitoring", None)  # from 3.12 on
    return bool(sys.gettrace() or sys.getprofile() or (tools and any(map(tools.get_tool, range(6)))))


def _answered(arguments: list[str]) -> bool:
    """Whether all was told already, by those who need next to nothing for it."""
    import os

    from reconciler.cli.shortcuts import apply_again, overview

    text = overview.answer(arguments, os.environ)
    words = apply_again.Words(text, "") if text is not None else apply_again.answer(arguments, os.environ)
    if words is None and arguments[:1] == ["status"]:
        from reconciler.cli.shortcuts import daemon_status

        words = daemon_status.answer(arguments, os.environ)
    return words is not None and _written(words.stderr, sys.stderr) and _written(words.stdout, sys.stdout)


def _written(text: str, stream: TextIO | None) -> bool:
    """Unbuffered, so that a failure leaves nothing behind: it is for the wall to explain."""
    import os

    data = text.encode()
    try:
        return stream is not None and os.write(stream.fileno(), data) == len(data)
    except OSError:
        return False

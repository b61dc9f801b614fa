"""The outermost wall: whatever goes wrong inside leaves as a sentence, a hint and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Callable
from typing import TextIO

import click

from reconciler.cli import INTERRUPTED, interrupted
from reconciler.cli.context import wants_color
from reconciler.cli.invocation import Invocation
from reconciler.cli.render.text import clean, paint
from reconciler.errors import ReconcilerError, SpecError

USAGE = 2
BROKEN_PIPE = 128 + signal.SIGPIPE


def guarded(action: Callable[[], int | None], invocation: Invocation) -> int:
    """Runs the action and returns the exit code; no exception passes."""
    try:
        code = _to_the_end(action, invocation)
    except click.exceptions.Exit as leave:
        code = leave.exit_code
    except click.exceptions.NoArgsIsHelpError as bare:
        print(bare.format_message(), file=invocation.stderr)  # `reconciler daemon`: whoever types it asks what there is
        code = USAGE
    except (KeyboardInterrupt, click.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has seen enough, as `head` does; a shell reports such an end by the signal's number.
        _close(invocation.stdout)
        code = BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 -- this is the wall
        code = INTERRUPTED if interrupted(error) else _tell(error, invocation)
    return code


def _to_the_end(action: Callable[[], int | None], invocation: Invocation) -> int:
    code = action() or 0
    invocation.stdout.flush()
    return code


def _close(stream: TextIO) -> None:
    """Points a dead stream to nowhere, so that the interpreter's own last flush has nothing to complain about."""
    with contextlib.suppress(OSError, ValueError):  # a stream without a descriptor needs none of this
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _tell(error: Exception, invocation: Invocation) -> int:
    lines, code = _words(error)
    color = wants_color(invocation, invocation.stderr)
    with contextlib.suppress(OSError):  # stderr is gone: there is nobody left to tell
        for word, text in lines:
            style = "red" if word == "error" else "cyan"
            print(f"{paint(word + ':', style, color=color)} {clean(text, lines=True)}", file=invocation.stderr)
        if invocation.flags.verbosity >= 2:
            import traceback

            traceback.print_exception(error, file=invocation.stderr)
        invocation.stderr.flush()
    if isinstance(error, OSError):
        _close(invocation.stdout)
    return max(code, getattr(error, "exit_code", code))


def _words(error: Exception) -> tuple[list[tuple[str, str]], int]:
    match error:
        case SpecError():
            return [("error", str(problem)) for problem in error.problems], error.exit_code
        case ReconcilerError():
            return _with_hint(error.message, error.hint), error.exit_code
        case click.ClickException():
            return _with_hint(_as_we_write(error.format_message()), _usage_hint(error)), USAGE
        case OSError() if error.strerror:
            place = f"{error.filename}: " if error.filename else ""
            return _with_hint(f"{place}{error.strerror}", _step(error)), 1
        case _:
            return [("error", f"internal: {type(error).__name__}: {error}; run again with -vv for the trace")], 1


def _step(error: OSError) -> str:
    """What to do about what the file system said."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "make room on that disk, then try again"
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return "make it writable, or choose another home with --home or RECONCILER_HOME"
        case _:
            return "run again with -vv for the trace"


def _with_hint(message: str, hint: str) -> list[tuple[str, str]]:
    return [("error", message), ("hint", hint)] if hint else [("error", message)]


def _as_we_write(message: str) -> str:
    """Click begins with a capital and ends with a full stop."""
    return message[:1].lower() + message[1:].removesuffix(".")


def _usage_hint(error: click.ClickException) -> str:
    """Where something is missing an example says more than the whole help."""
    context = getattr(error, "ctx", None)
    if context is None:
        return ""
    see = f"see {context.command_path.strip()} --help"
    examples = getattr(context.command, "examples", "") if isinstance(error, click.MissingParameter) else ""
    return f"like: {examples.splitlines()[0].partition('  #')[0].rstrip()}; {see}" if examples else see

"""`status` as the daemon tells it. It has imported everything already, which is most of what a status takes.

It looks at the world anew, for this one question, by the very same verb. Where the daemon's circumstances are others
than ours, or anything is the matter, the long way is taken: it says the same, or says better what is wrong.

Imported before anything else of ours, as `again` is: so it may import next to nothing itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from reconciler.cli.shortcuts.apply_again import LONG_WAY, SETTINGS, Words
from reconciler.sources.code import code
from reconciler.usual_places import config_file, usual_home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from reconciler.api.serve import Handler

ANSWER_SECONDS = 15.0
SHOWN = ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TERM")
"""What only decides how it looks is told along. All other settings have to be the daemon's own."""
OPTIONS = frozenset(("--all-namespaces", "--namespace", "--no-color", "--no-headers", "--output", "--selector"))
NOT_HERE = frozenset("hvw")
"""Help, logs, and what goes on and on."""


def answer(arguments: Sequence[str], environ: Mapping[str, str]) -> Words | None:
    """What `status` says, if there is a daemon to say it. None: find out."""
    if arguments[:1] != ["status"] or not all(map(_simple, arguments)) or not LONG_WAY.isdisjoint(environ):
        return None
    if os.path.lexists(config_file(environ)):
        return None  # it may name another home
    try:
        found = _asked(usual_home(environ), arguments, environ)
        return Words(found["stdout"], found["stderr"]) if found and found["code"] == 0 else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def circumstances(environ: Mapping[str, str]) -> dict[str, str | None]:
    """Of who looks: two who share them see the same."""
    return {name: environ.get(name) for name in SETTINGS if name not in (*SHOWN, "RECONCILER_HOME")}


def _simple(word: str) -> bool:
    if word.startswith("--"):
        return word.partition("=")[0] in OPTIONS
    return not word.startswith("-") or NOT_HERE.isdisjoint(word)


def _asked(home_path: str, arguments: Sequence[str], environ: Mapping[str, str]) -> Any:
    from reconciler.api.call import Broken, connect

    line = connect(home_path)
    if line is None:
        return None
    question = {
        "ask": "say",
        "arguments": list(arguments),
        "shown": {**{name: environ[name] for name in SHOWN if name in environ}, **_columns(environ)},
        "terminals": [_is_terminal(sys.stdout), _is_terminal(sys.stderr)],
        "code": code(),
        "circumstances": circumstances(environ),
    }
    try:
        return next(iter(line.ask(question, deadline=ANSWER_SECONDS))).get("answer")
    except Broken:
        return None
    finally:
        line.close()


def _columns(environ: Mapping[str, str]) -> dict[str, str]:
    """The daemon can't measure a terminal that it has not got."""
    wished = environ.get("COLUMNS", "")
    if not _is_terminal(sys.stdout) or (wished.isdecimal() and wished != "0"):
        return {}
    return {"COLUMNS": str(os.get_terminal_size(sys.stdout.fileno()).columns)}


def _is_terminal(stream: Any) -> bool:
    if stream.encoding.lower() not in ("utf-8", "utf8"):
        raise ValueError(f"{stream.encoding} can't show every character: that is the long way's business")
    return bool(stream.isatty())


def handler(home_path: str) -> Handler:
    """The daemon's side. Empty for whom it had better not answer."""
    begun_with = code()

    def say(asked: dict[str, Any], _tell: Any) -> dict[str, Any]:
        if asked["code"] != begun_with or asked["circumstances"] != circumstances(os.environ):
            return {}
        if asked["arguments"][:1] != ["status"] or not LONG_WAY.isdisjoint(os.environ):
            return {}
        return _said(home_path, asked["arguments"], asked["shown"], asked["terminals"])

    return say


def _said(home_path: str, arguments: list[str], shown: dict[str, str], terminals: list[bool]) -> dict[str, Any]:
    import io

    from reconciler.cli import obey
    from reconciler.cli.invocation import Invocation

    class Paper(io.StringIO):
        def __init__(self, terminal: bool) -> None:
            super().__init__()
            self._terminal = terminal

        def isatty(self) -> bool:
            return self._terminal

    stdout, stderr = map(Paper, terminals)
    environ = {name: value for name, value in os.environ.items() if name not in SHOWN}
    environ |= {**shown, "RECONCILER_HOME": home_path}
    told = obey(arguments, Invocation(environ, io.BytesIO(), stdout, stderr, guest=True))
    return {"code": told, "stdout": stdout.getvalue(), "stderr": stderr.getvalue()}

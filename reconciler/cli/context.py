"""What a verb knows: each setting with where it comes from. A flag beats the environment, which beats the
user's config file, which beats the default. (A spec stands between flag and file; who reads specs sees to it.)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO, TextIO

from reconciler.cli.invocation import Invocation
from reconciler.cli.userconfig import Setting, UserConfig, load
from reconciler.errors import UsageError
from reconciler.usual_places import config_file, usual_home

DEFAULT_NAMESPACE = "default"
DEFAULT_TIMEOUT = 60.0
DEFAULT_SERVER = "https://github.com"
DEFAULT_PORTS = (20000, 29999)


@dataclass(frozen=True)
class Context:
    """Settings are resolved when first asked for: `version` works beside a broken config file."""

    invocation: Invocation
    outputs: tuple[str, ...] = ()
    """Which values of -o the verb knows, besides its own plain text."""
    without_config: bool = False
    """For `doctor`, which goes on beside a broken config file."""

    def check(self) -> None:
        """Complains of what was typed before anything happens."""
        flags = self.invocation.flags
        if flags.output is not None:
            _known_output(flags.output, self.outputs)
        if flags.namespace is not None:
            _label(flags.namespace)

    @property
    def stdout(self) -> TextIO:
        return self.invocation.stdout

    @property
    def stderr(self) -> TextIO:
        return self.invocation.stderr

    @property
    def stdin(self) -> BinaryIO:
        return self.invocation.stdin

    @property
    def verbosity(self) -> int:
        return self.invocation.flags.verbosity

    @property
    def log_format(self) -> str:
        return self.invocation.flags.log_format or "console"

    @property
    def namespace(self) -> str | None:
        """As typed with -n, which wins over what specs say; else None."""
        return self.settings["namespace"].value if self.invocation.flags.namespace is not None else None

    @property
    def scope(self) -> str:
        """The namespace to look at, and of documents that name none."""
        return str(self.settings["namespace"].value)

    @property
    def home(self) -> str:
        return str(self.settings["home"].value)

    @property
    def timeout(self) -> float:
        return float(self.settings["timeout"].value)

    @property
    def port_range(self) -> tuple[int, int]:
        low, high = self.settings["portRange"].value
        return low, high

    @cached_property
    def output(self) -> str:
        """Empty for the verb's own text. A preference of the config file that a verb can't follow is passed over."""
        typed = self.invocation.flags.output
        if typed is not None:
            return _known_output(typed, self.outputs)
        if not self.outputs:
            return ""
        preferred = str(self.settings["output"].value)
        return preferred if _accepts(preferred, self.outputs) else ""

    @property
    def color(self) -> bool:
        """Whether results may be coloured."""
        return wants_color(self.invocation, self.stdout, self._color_preference)

    @property
    def color_on_stderr(self) -> bool:
        return wants_color(self.invocation, self.stderr, self._color_preference)

    @property
    def width(self) -> int | None:
        """Columns of the terminal that shows the results; None when they go to a file or a pipe."""
        if not self.stdout.isatty():
            return None
        columns = self.invocation.environ.get("COLUMNS", "")
        return (
            int(columns)
            if columns.isdecimal() and columns != "0"
            else os.get_terminal_size(self.stdout.fileno()).columns
        )

    @cached_property
    def config(self) -> UserConfig:
        environ = self.invocation.environ
        return UserConfig(config_file(environ)) if self.without_config else load(environ)

    @cached_property
    def settings(self) -> dict[str, Setting]:
        """Every setting with its origin, as `doctor` shows it."""
        flags = self.invocation.flags
        return {
            "home": self._first(("--home", flags.home, absolute), self._from_environment("RECONCILER_HOME"))
            or self._configured("home", usual_home(self.invocation.environ)),
            "namespace": self._first(("-n", flags.namespace, _label))
            or self._configured("namespace", DEFAULT_NAMESPACE),
            "output": self._first(("-o", flags.output, str)) or self._configured("output", ""),
            "timeout": self._configured("timeout", DEFAULT_TIMEOUT),
            "color": self._first(("--no-color", "never" if flags.no_color else None, str))
            or self._configured("color", "auto"),
            "portRange": self._configured("portRange", DEFAULT_PORTS),
            "env.image": self._configured("env.image", ""),
            "env.git": self._configured("env.git", DEFAULT_SERVER),
            "campaign.strategy": self._configured("campaign.strategy", "ephemeral"),
        }

    @property
    def _color_preference(self) -> str:
        return str(self.settings["color"].value)

    def _from_environment(self, name: str) -> tuple[str, str | None, Callable[[str], Any]]:
        return name, self.invocation.environ.get(name) or None, absolute

    def _first(self, *candidates: tuple[str, str | None, Callable[[str], Any]]) -> Setting | None:
        for origin, text, read in candidates:
            if text is not None:
                return Setting(read(text), origin)
        return None

    def _configured(self, name: str, default: Any) -> Setting:
        return self.config.settings.get(name) or Setting(default, "default")


def wants_color(invocation: Invocation, stream: TextIO, preference: str = "auto") -> bool:
    """The flag, then the two conventions that other programs share, then the user's file, then the stream."""
    environ = invocation.environ
    if invocation.flags.no_color or environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    if preference != "auto":
        return preference == "always"
    return stream.isatty() and environ.get("TERM") != "dumb"


def absolute(path: str) -> str:
    if not path:
        raise UsageError("--home needs a directory", hint="like --home ~/machines/reconciler")
    return os.path.abspath(os.path.expanduser(path))


def _label(text: str) -> str:
    from reconciler.cli.userconfig import label

    try:
        return label(text)
    except ValueError as error:
        raise UsageError(f"-n {text}: {error}") from None


def _known_output(typed: str, outputs: tuple[str, ...]) -> str:
    if _accepts(typed, outputs):
        return typed
    if not outputs:
        raise UsageError(f"-o {typed}: this verb has only one form of output", hint="leave -o out")
    from difflib import get_close_matches

    close = get_close_matches(typed, outputs, n=1)
    guess = f"did you mean {close[0]}? " if close else ""
    raise UsageError(f"-o {typed}: no such output format", hint=f"{guess}one of {', '.join(outputs)}")


def _accepts(output: str, outputs: tuple[str, ...]) -> bool:
    return any(output.startswith(known) if known.endswith("=") else output == known for known in outputs)

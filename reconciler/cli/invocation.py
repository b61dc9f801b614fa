"""What an invocation was given from outside: streams, environment, global options."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Any, BinaryIO, TextIO

from reconciler.values import dataclass


@dataclass(frozen=True, slots=True)
class Flags:
    """The global options as typed; None and 0 mean not typed."""

    namespace: str | None = None
    home: str | None = None
    output: str | None = None
    no_color: bool = False
    verbosity: int = 0
    log_format: str | None = None

    def then(self, later: Flags) -> Flags:
        """Options are accepted before the verb and after it; what stands later wins, -v adds up."""
        return Flags(
            namespace=self.namespace if later.namespace is None else later.namespace,
            home=self.home if later.home is None else later.home,
            output=self.output if later.output is None else later.output,
            no_color=self.no_color or later.no_color,
            verbosity=self.verbosity + later.verbosity,
            log_format=self.log_format if later.log_format is None else later.log_format,
        )

    @classmethod
    def pop_from(cls, params: dict[str, Any]) -> Flags:
        """Takes the global options out of a parsed command's parameters."""
        given = {name: params.pop(name) for name in tuple(params) if name in cls.__slots__}
        return replace(cls(), **{name: value for name, value in given.items() if value is not None})


@dataclass(slots=True)
class Invocation:
    """Handed through click as its `obj`. Only `flags` grows, while the command line is parsed."""

    environ: Mapping[str, str]
    stdin: BinaryIO
    stdout: TextIO
    stderr: TextIO
    flags: Flags = field(default_factory=Flags)
    arguments: tuple[str, ...] = ()
    """The command line as it was typed."""
    held: list[Callable[[], None]] = field(default_factory=list)
    """How to let go of what is open, at the end: an interpreter that ends at once lets go of nothing by itself."""
    lines: Any = None
    """The progress that is shown, once there is one: what comes from below is told there."""
    guest: bool = False
    """In somebody else's process, whose logs are his own."""

    def let_go(self) -> None:
        while self.held:
            self.held.pop()()

    @classmethod
    def real(cls) -> Invocation:
        stdin = sys.stdin.buffer if sys.stdin else open(os.devnull, "rb")  # noqa: SIM115 -- lives as long as we do
        return cls(os.environ, stdin, _printable(sys.stdout), _printable(sys.stderr))


def _printable(stream: TextIO | None) -> TextIO:
    """A stream that takes any text: a closed one becomes /dev/null, a foreign character an escape."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    return stream

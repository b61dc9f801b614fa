"""Files of one's own that a process is delivered with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Protocol

from reconciler.kinds.base import EDGE, VARIABLE_REST, VARIABLE_START, Argv, Fault
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Files that are brought to the host where the process runs, once for each content, and set up there once."""

    __pydantic_config__ = EDGE

    path: str = "."
    """Directory whose files are delivered; relative to the spec file. Regular files and directories only. Their content
    is part of the fingerprint."""
    include: tuple[str, ...] = ()
    """Patterns as in a .dockerignore: only what they name is delivered. By default everything but .git."""
    exclude: tuple[str, ...] = ()
    """Patterns of what is not delivered, or with ! before it is after all. The last one that speaks of a file holds."""
    setup: Argv | None = None
    """Program and arguments that make it ready, run once on each host, in the package's own directory, before anything
    is started from it: [python3, -m, venv, .venv]. An exit code other than 0 is a failure."""
    env: dict[str, str] = field(default_factory=dict)
    """Variables of `setup` and of the process, unless the spec's own env says otherwise. No place for secrets."""


class Packaged(Protocol):
    """What a process says of its files."""

    @property
    def package(self) -> Package | None: ...

    @property
    def working_dir(self) -> str: ...


def package_faults(process: Packaged) -> Iterator[Fault]:
    package = process.package
    if package is None:
        return
    if process.working_dir.startswith("/") or ".." in process.working_dir.split("/"):
        message = f"{process.working_dir!r} does not lie in the package"
        yield Fault(("process", "workingDir"), message, "a path inside of the package, or leave it out")
    for name, patterns in (("include", package.include), ("exclude", package.exclude)):
        for i, pattern in enumerate(patterns):
            if not pattern.strip() or "\n" in pattern or pattern.startswith("#"):
                yield Fault(("process", "package", name, i), f"{pattern!r} is no pattern", "like src or **/*.pyc")
    if package.setup and not package.setup[0]:
        yield Fault(("process", "package", "setup", 0), "the program's name is empty", "like [./setup, --quiet]")
    for name in package.env:
        if not name or name[0] not in VARIABLE_START or not set(name) <= VARIABLE_REST:
            path = ("process", "package", "env", name)
            yield Fault(path, f"{name!r} is not a variable's name", "letters, digits and _, not starting with a digit")

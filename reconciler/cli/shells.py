"""Completion scripts, and how each shell comes to read them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping

from reconciler.cli.group import COMPLETE_VARIABLE, PROGRAM, ROOT
from reconciler.errors import Denied

MARKER = "# shell completion of reconciler"
ZSH_START = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }"


def script(shell: str) -> str:
    """The script that click has for it. Not by its `source()`, which for bash starts a bash to learn its version."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None, "the command line offers only what click knows"
    parts = kind(ROOT, {}, PROGRAM, COMPLETE_VARIABLE)
    return parts.source_template % parts.source_vars()


def install(shell: str, rc_file: str | None, environ: Mapping[str, str]) -> Iterator[str]:
    """Writes the script, and a line into the shell's start-up file if it is not there yet; says what it did."""
    path = script_path(shell, environ)
    _write(path, script(shell))
    yield f"wrote {path}"
    if shell == "fish" and not rc_file:  # fish looks there by itself
        yield "new shells complete; for this one: source it"
        return
    rc = os.path.abspath(os.path.expanduser(rc_file or _usual_rc(shell, environ)))
    if _names(rc, path):
        yield f"{rc} reads it already"
    else:
        _append(rc, _lines(shell, path))
        yield f"{rc} reads it from now on; for this shell: . {shlex.quote(path)}"


def installed(shell: str, environ: Mapping[str, str]) -> bool:
    """Whether `install` was here, with the usual start-up file."""
    path = script_path(shell, environ)
    return os.path.exists(path) and (shell == "fish" or _names(_usual_rc(shell, environ), path))


def script_path(shell: str, environ: Mapping[str, str]) -> str:
    config = environ.get("XDG_CONFIG_HOME", "")
    base = config if os.path.isabs(config) else os.path.expanduser("~/.config")
    if shell == "fish":
        return os.path.join(base, "fish", "completions", f"{PROGRAM}.fish")
    return os.path.join(base, PROGRAM, f"completion.{shell}")


def _usual_rc(shell: str, environ: Mapping[str, str]) -> str:
    if shell == "zsh":
        return os.path.join(environ.get("ZDOTDIR") or os.path.expanduser("~"), ".zshrc")
    return os.path.expanduser("~/.bashrc" if shell == "bash" else "~/.config/fish/config.fish")


def _lines(shell: str, path: str) -> str:
    quoted = shlex.quote(path)
    start = f"{ZSH_START}\n" if shell == "zsh" else ""
    read = f"test -r {quoted}; and source {quoted}" if shell == "fish" else f"[ -r {quoted} ] && . {quoted}"
    return f"\n{MARKER}\n{start}{read}\n"


def _names(rc: str, path: str) -> bool:
    try:
        with open(rc, encoding="utf-8", errors="surrogateescape") as file:
            return shlex.quote(path) in file.read()
    except FileNotFoundError:
        return False


def _write(path: str, text: str) -> None:
    """Whole or not at all: a shell may be starting just now."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(f"{path}.new", path)
    except OSError as error:
        raise _denied(path, error) from error


def _append(rc: str, text: str) -> None:
    """Appends, so that a linked start-up file stays a link and keeps its mode."""
    try:
        os.makedirs(os.path.dirname(rc), exist_ok=True)
        with open(rc, "a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise _denied(rc, error) from error


def _denied(path: str, error: OSError) -> Denied:
    return Denied(
        f"{path}: {error.strerror}", hint="print the script without --install, and put it where you may write"
    )

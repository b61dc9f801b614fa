"""Files of NAME=value lines, as docker and shells agree on them."""

from __future__ import annotations

import re

from reconciler.errors import ReconcilerError

QUOTED = re.compile(r"""(?:'([^']*)'|"((?:[^"\\]|\\.)*)")(?:\s+#.*)?""")
"""In single quotes all stands for itself, in double ones but for escapes; a comment may follow either."""


class BadEnvFile(ReconcilerError):
    """A line that is no assignment; says which."""

    reason = "Unreadable"


def parse_env(content: bytes, name: str) -> dict[str, str]:
    """Blank lines and # comments are skipped, `export ` is allowed, quotes around a value are taken off."""
    found: dict[str, str] = {}
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise BadEnvFile(f"{name} is not UTF-8 text") from error
    if "\0" in text:
        raise BadEnvFile(f"{name} holds a NUL byte, which no variable can")
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        variable, equals, value = line.partition("=")
        if not equals or not variable.strip().replace("_", "a").isalnum():
            raise BadEnvFile(f"{name}:{number}: not a line of the form NAME=value", hint="comments start with #")
        found[variable.strip()] = _unquoted(value.strip())
    return found


def _unquoted(value: str) -> str:
    quoted = QUOTED.fullmatch(value)
    if quoted is None:
        return value.split(" #", 1)[0].rstrip()
    if quoted[1] is not None:
        return quoted[1]
    # In one go: what one escape leaves behind must not be taken for the beginning of another.
    return re.sub(r'\\([n"\\])', lambda escape: "\n" if escape[1] == "n" else escape[1], quoted[2])

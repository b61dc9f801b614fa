"""Files of NAME=value lines, as docker and shells agree on them."""

from __future__ import annotations

from reconciler.errors import ReconcilerError


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
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        inner = value[1:-1]
        return inner if value[0] == "'" else inner.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")
    return value.split(" #", 1)[0].rstrip()

"""The user's config file: a few defaults of one's own, in $XDG_CONFIG_HOME/reconciler/config.yaml.

It is read strictly, as specs are: an unknown key or a bad value is an error with its place. Most people have
none, and pay one failing `open` for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.errors import Problem, SpecError, Unusable
from reconciler.usual_places import config_file
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.core.yaml12 import Entry, Loaded, Scalar

MAX_BYTES = 1 << 20


class Setting(NamedTuple):
    """A value, and who says so: a flag, a variable, a place in a file, or `default`."""

    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class UserConfig:
    path: str
    present: bool = False
    settings: Mapping[str, Setting] = field(default_factory=dict)


def load(environ: Mapping[str, str]) -> UserConfig:
    """The file's settings; without a file, none. Raises SpecError with all that is wrong with it."""
    path = config_file(environ)
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return UserConfig(path)
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}", hint="make it readable, or move it away") from error
    return UserConfig(path, present=True, settings=_settings(path, content))


def _settings(path: str, content: bytes) -> dict[str, Setting]:
    from reconciler.core import yaml12

    loaded = yaml12.load(content)
    problems = [Problem(path, flaw.line, flaw.column, "", flaw.message, flaw.hint) for flaw in loaded.flaws]
    settings: dict[str, Setting] = {}
    for outcome in _read(path, loaded):
        match outcome:
            case Problem():
                problems.append(outcome)
            case (key, setting):
                settings[key] = setting
    if problems:
        raise SpecError(problems)
    return settings


def _read(path: str, loaded: Loaded) -> Iterator[Problem | tuple[str, Setting]]:
    from reconciler.core import yaml12

    for document in loaded.documents[1:]:
        yield Problem(path, document.line, document.column, "", "a second document", "one document holds all settings")
    for document in loaded.documents[:1]:
        if not isinstance(document, yaml12.Table):
            hint = "write lines like 'namespace: shop'"
            yield Problem(path, document.line, document.column, "", "settings are key: value pairs", hint)
            return
        for key, entry in document.entries.items():
            if not key.startswith("x-"):
                yield from _read_group(path, key, entry)


def _read_group(path: str, key: str, entry: Entry) -> Iterator[Problem | tuple[str, Setting]]:
    """`campaign: {strategy: ...}` is the setting `campaign.strategy`."""
    from reconciler.core import yaml12

    if isinstance(entry.node, yaml12.Table) and any(name.startswith(f"{key}.") for name in READERS):
        for inner, one in entry.node.entries.items():
            yield _read_entry(path, f"{key}.{inner}", one)
    else:
        yield _read_entry(path, key, entry)


def _read_entry(path: str, key: str, entry: Entry) -> Problem | tuple[str, Setting]:
    from reconciler.core import yaml12

    reader = READERS.get(key)
    if reader is None:
        return Problem(path, entry.line, entry.column, key, "no setting is called so", _guess(key))
    node = entry.node
    if not isinstance(node, yaml12.Scalar):
        return Problem(path, node.line, node.column, key, "one value is expected here", "")
    try:
        return key, Setting(reader(_text(node)), f"{path}:{entry.line}")
    except ValueError as error:
        return Problem(path, node.line, node.column, key, str(error), "")


def _text(node: Scalar) -> str:
    if node.value is None:
        raise ValueError("the value is missing")
    if node.ambiguous:
        raise ValueError(f'{node.text} means different things to different readers of YAML; quote it: "{node.text}"')
    return node.text


def _guess(key: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(key, READERS, n=1)
    guess = f"did you mean {close[0]}? " if close else ""
    return f"{guess}settings are {', '.join(READERS)}"


def _home(text: str) -> str:
    path = os.path.expanduser(text)
    if not os.path.isabs(path):
        raise ValueError(f"{text!r} is relative, and to what can't be told; write the whole path or ~/…")
    return os.path.normpath(path)


def label(text: str) -> str:
    """A namespace's name: a DNS label."""
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    if not 0 < len(text) <= 63 or not set(text) <= allowed or text[0] == "-" or text[-1] == "-":
        raise ValueError(f"{text!r} is not a namespace: lower-case letters, digits and dashes, at most 63")
    return text


def _output(text: str) -> str:
    known = ("json", "yaml", "name", "wide")
    if text not in known:
        raise ValueError(f"{text!r} is no output format; one of {', '.join(known)}")
    return text


UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """60, 1.5, 90s, 5m, 1h."""
    number = text.rstrip("smh")
    try:
        amount = float(number) * UNITS[text[len(number) :]]
    except (KeyError, ValueError):
        raise ValueError(f"{text!r} is not a time; write seconds, or like 90s, 5m, 1h") from None
    if not 0 <= amount <= 365 * 86400:
        raise ValueError(f"{text!r} is not a time from 0 to a year")
    return amount


def _color(text: str) -> str:
    if text not in ("auto", "always", "never"):
        raise ValueError(f"{text!r} is not one of auto, always, never")
    return text


def _strategy(text: str) -> str:
    if text not in ("ephemeral", "persistent"):
        raise ValueError(f"{text!r} is not one of ephemeral, persistent")
    return text


def _image(text: str) -> str:
    if not text or text.startswith("-") or any(c.isspace() for c in text):
        raise ValueError(f"{text!r} is not an image reference like python:3.12")
    return text


def _server(text: str) -> str:
    if not text or text.startswith("-") or any(c.isspace() for c in text):
        raise ValueError(f"{text!r} is not what comes before OWNER/REPO, like https://git.example.org")
    return text


def _ports(text: str) -> tuple[int, int]:
    from reconciler.kinds.workload import port_range

    bounds = port_range(text)
    if bounds is None:
        raise ValueError(f"{text!r} is not a range of ports like 20000-29999")
    return bounds


READERS: dict[str, Callable[[str], Any]] = {
    "home": _home,
    "namespace": label,
    "output": _output,
    "timeout": seconds,
    "color": _color,
    "portRange": _ports,
    "env.image": _image,
    "env.git": _server,
    "campaign.strategy": _strategy,
}

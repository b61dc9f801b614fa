"""What is wrong with a value, and what to write instead, in words for who wrote it."""

from __future__ import annotations

import difflib
import json
import math
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.core.scalar import Value, ambiguous, resolve, resolve_old, show
from reconciler.core.shape import Either, Entries, Field, Flag, Items, Number, Optional, Record, Shape, Text, describe
from reconciler.core.yaml12 import Listing, Node, Scalar, Table

Complaint = tuple[str, str]
"""A message and a hint."""

_FAMILIAR = {
    "args": "command",
    "cmd": "command",
    "containerport": "port",
    "containers": "spec.container",
    "deploy": "replicas, update and resources in spec",
    "environment": "spec.env",
    "expose": "spec.ports",
    "healthcheck": "spec.probes",
    "imagepullpolicy": "pullPolicy",
    "limits": "cpus, memory and pids in spec.resources",
    "links": "spec.dependsOn",
    "livenessprobe": "spec.probes.liveness",
    "memlimit": "spec.resources.memory",
    "published": "hostPort",
    "readinessprobe": "spec.probes.readiness",
    "restartpolicy": "spec.restart.policy",
    "runtime": "container or process in spec",
    "scale": "spec.replicas",
    "startupprobe": "spec.probes.startup",
    "stopgraceperiod": "spec.stop.graceSeconds",
    "stringdata": "spec.data",
    "stopsignal": "spec.stop.signal",
    "targetport": "port",
    "template": "container or process in spec",
    "terminationgraceperiodseconds": "spec.stop.graceSeconds",
    "volumemounts": "spec.volumes",
}
"""Words of kubectl and Compose for what has another name here. Keys are lower-case, without dashes and underscores."""


FEW_MINUTES = 10
"""Before these m are minutes, and from these on thousandths."""
EMPTY = 'write "" for the empty string'
EMPTY_NAMES = {
    "name": "write a name, like web; or quote null, if that is the name",
    "namespace": "write a name, or remove the field",
}
"""Where the empty string is none of the possibilities."""


def unfit_text(text: str, *, secret: bool = False, empty: str = EMPTY) -> Complaint | None:
    """Why a plain scalar can't stand for a string; None if every reader of YAML sees the same string. `empty` is the
    next step where there is none at all.
    """
    new, old = resolve(text), resolve_old(text)
    if isinstance(new, str) and isinstance(old, str):
        return None
    if new is None:
        return "expected a string, found nothing", empty
    if secret:
        return "expected a string, found something that YAML reads as another type", "quote it"
    quote = f"quote it: {json.dumps(_cut(text), ensure_ascii=False)}"
    if isinstance(new, str):
        return f"{_cut(text)} is a string here, but {show(old)} to readers of YAML 1.1", quote
    if isinstance(new, bool) or str(new) == text:
        return f"expected a string, found {show(new)}", quote
    also = f", or {show(old)} to readers of YAML 1.1" if isinstance(old, int | float) and old != new else ""
    return f"expected a string, but {_cut(text)} would become {show(new)}{also}", quote


def unfit_number(text: str, meaning: Value, shape: Number, *, plain: bool) -> Complaint | None:
    """Why a scalar can't stand for a number."""
    new, old = meaning, resolve_old(text) if plain else meaning
    if isinstance(new, bool) or not isinstance(new, int | float):
        if plain and isinstance(new, str) and isinstance(old, int | float) and not isinstance(old, bool):
            return (
                f"{text} is a string here, but {show(old)} to readers of YAML 1.1",
                "write the number plainly, in decimal",
            )
        return mismatch(shape, _found(text, new), _unit(text) or _unquoted(text, plain=plain))
    if not math.isfinite(new):
        return mismatch(shape, f"found {_cut(text)}", "write a number that the field can hold")
    if shape.whole and isinstance(new, float):
        return mismatch(
            shape,
            f"found {_cut(text)}",
            "write " + " or ".join(str(n) for n in sorted({math.floor(new), math.ceil(new)})),
        )
    if plain and ambiguous(text):
        either = f"write {_number(new)}" + (f", or {old}" if isinstance(old, int) else "")
        return f"{_cut(text)} is {show(new)} here, but {show(old)} to readers of YAML 1.1", either
    return None


def unfit_flag(text: str, meaning: Value, *, plain: bool) -> Complaint | None:
    if isinstance(meaning, bool):
        return None
    old = resolve_old(text)
    if isinstance(old, bool) and plain:
        return f"expected true or false, found {text}, which is a string in YAML 1.2", f"write {show(old)}"
    hint = f"write {show(old)}, without quotes" if isinstance(old, bool) else "write true or false"
    return mismatch(Flag(), _found(text, meaning), hint)


def mismatch(shape: Shape, found: str, hint: str) -> Complaint:
    return f"expected {describe(shape)}, {found}", hint


def unfit_node(node: Node, shape: Shape, *, secret: bool = False) -> Complaint:
    """Why a node of one form can't stand where another form is expected."""
    inner = shape.shape if isinstance(shape, Optional) else shape
    match node:
        case Scalar():
            found = "found a value" if secret else _found(node.text, node.value)
            return mismatch(inner, found, "" if secret else _instead(node, inner))
        case Listing():
            return mismatch(inner, "found a list", _instead(node, inner))
        case Table():
            return mismatch(inner, "found a mapping", _instead(node, inner))


def invalid(error: Mapping[str, Any], shape: Shape | None, *, secret: bool) -> Complaint:
    """A complaint of the validation library in our words. Never shows the input of a secret."""
    context = error.get("ctx", {})
    value = "it" if secret else _cut(str(error.get("input")))
    match error["type"]:
        case "literal_error" if isinstance(shape, Text):
            return f"{value!r} is not {describe(shape)}", did_you_mean(value, shape.choices)
        case "greater_than_equal":
            return f"{value} is too small", f"at least {_number(context['ge'])}"
        case "less_than_equal":
            return f"{value} is too large", f"at most {_number(context['le'])}"
        case "too_short":
            return "the list is empty", "at least one item is needed; leave the field out for the default"
        case _:
            return str(error["msg"]), ""


def missing(name: str, shape: Shape | None) -> Complaint:
    return f"{name} is missing", f"add {name}: {describe(shape) if shape else 'a value'}"


def unknown(key: str, record: Record, elsewhere: Iterable[tuple[str, str]]) -> Complaint:
    """An unknown field: a slip of the pen, a word of another tool, or a field of another level."""
    message = f"unknown field {_cut(key)!r}"
    if _fold(key) == "runon" and "matrix" in record.fields:
        return message, "a campaign runs on this machine; a Service or a Job can name another one"
    if _fold(key) == "path" and {"directory", "git"} <= record.fields.keys():
        return message, "a directory of this machine is called directory; git has a path of its own"
    if guess := meant(key, record):
        return message, f"did you mean {guess}?"
    if _fold(key) in _FAMILIAR:
        return message, f"here it is called {_FAMILIAR[_fold(key)]}"
    homes = dict.fromkeys(path for name, path in elsewhere if _fold(name) == _fold(key))
    if homes:
        return message, f"it belongs in {' or '.join(sorted(homes, key=lambda path: path.count('.'))[:2])}"
    if guess := meant(key, record, 0.6):
        return message, f"did you mean {guess}?"
    return message, f"fields here: {', '.join(record.fields)}" if record.fields else "there are no fields here"


def meant(key: str, record: Record, likeness: float = 0.8) -> str:
    """The field of the record that an unknown one was probably meant to be; empty if none is close."""
    folded = {_fold(name): name for name in record.fields}
    close = difflib.get_close_matches(_fold(key), folded, 1, likeness)
    return folded[close[0]] if close else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A guess, or the whole choice."""
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), names, 1, 0.5)
    if close:
        return f"did you mean {names[close[0]]}?"
    return f"one of {', '.join(names.values())}" if len(names) > 1 else f"write {', '.join(names.values())}"


def _found(text: str, meaning: Value) -> str:
    return (
        f"found the string {json.dumps(_cut(text), ensure_ascii=False)}"
        if isinstance(meaning, str)
        else f"found {show(meaning)}"
    )


def _unit(text: str) -> str:
    """Kubernetes writes half a processor as 500m; seconds have their unit in the field's name here."""
    found = re.fullmatch(r"(\d{1,9})([msh])", text)
    match (int(found[1]), found[2]) if found else None:
        case (count, "m") if count >= FEW_MINUTES:
            return f"did you mean {count / 1000:g}?"
        case (count, unit):
            return f"did you mean {count * {'s': 1, 'm': 60, 'h': 3600}[unit]}?"
        case _:
            return ""


def _unquoted(text: str, *, plain: bool) -> str:
    numeric = isinstance(resolve(text), int | float)
    return "write it without quotes" if numeric and not plain else "write a number, or remove the field"


def _instead(node: Node, shape: Shape) -> str:
    """What to write, where it can be guessed."""
    match node, shape:
        case Scalar(text=""), _:
            return f"write {_EMPTY.get(type(shape), 'a value')}, or remove the field"
        case Scalar(), Items(item=Text()):
            return f"write {_as_list(node.text)}"
        case Scalar() | Table(), Items(item=Record()):
            return "begin the item with a dash: - ..."
        case Scalar(), Record() | Either():
            return _record_hint(node.text, shape)
        case Listing(), Entries():
            return "write NAME: value, without dashes"
        case Table() | Scalar(), Items():
            return "write [a, b], or one item per line, each after a dash"
        case Listing(), Record():
            return "remove the dash"
        case _, Text():
            return "write one string; quote it if it holds brackets, braces or ': '"
        case _:
            return f"write {describe(shape)}"


_EMPTY: dict[type, str] = {Items: "[]", Entries: "{}", Record: "{}"}


def _as_list(command: str) -> str:
    """What a shell would make of the line; where it takes a shell to read it, a shell is named openly."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    if re.search(r"[|&;<>`*]|\$[A-Za-z({]", re.sub(r"'[^']*'", "", command)):
        words = ["sh", "-c", command]
    return _cut(json.dumps(words, ensure_ascii=False), 100)


def _record_hint(text: str, shape: Shape) -> str:
    """The short forms of Compose, spelled out."""
    arms = shape.arms if isinstance(shape, Either) else (shape,)
    record = next((arm for arm in arms if isinstance(arm, Record)), None)
    if record is None:
        return ""
    if "hostPort" in record.fields and (pair := re.fullmatch(r"(?:[\d.]+:)?(\d+):(\d+)", text)):
        return f"write {{port: {pair[2]}, hostPort: {pair[1]}}}"
    if "hostPort" in record.fields and text.isdecimal():
        return f"write {{port: {text}}}"
    if "mountPath" in record.fields and (pair := re.fullmatch(r"([^:]+):(/[^:]*)(?::\w+)?", text)):
        source = "hostPath" if pair[1][0] in "./~" else "volume"
        return f"write {{{source}: {pair[1]}, mountPath: {pair[2]}}}"
    if (policy := record.fields.get("policy")) and (word := _policy(text, policy.shape)):
        return f"write {{policy: {word}}}"
    needed = next((entry for entry in record.fields.values() if _is_meant(entry)), None)
    if needed and text:
        return f"write {{{needed.name}: {_as_list(text) if isinstance(needed.shape, Items) else _cut(text)}}}"
    return f"write {{{', '.join(f'{name}: ...' for name in list(record.fields)[:3])}}}"


def _is_meant(entry: Field) -> bool:
    """By a text alone: what has to be there, or what usually is."""
    return entry.required or entry.name in {"image", "context"}


def _policy(text: str, shape: Shape) -> str:
    """The word of Compose, or of kubectl in small letters, for when to start anew."""
    known = {_fold(choice): choice for choice in shape.choices} if isinstance(shape, Text) else {}
    word = {"unlessstopped": "always", "no": "never", "false": "never"}.get(_fold(text), _fold(text).partition(":")[0])
    return known.get(word, "")


def _number(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


def _fold(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")


def _cut(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."

"""Records, events and statuses as rows, and back. What can't be read back raises ValueError: the file is damaged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from reconciler.model.key import Key
from reconciler.model.plan import Record
from reconciler.model.status import Event, Status


def record_row(key: Key, record: Record) -> tuple[Any, ...]:
    return (
        str(key),
        key.namespace,
        record.failures,
        record.last_at,
        clean(record.fingerprint),
        clean(record.reason),
        clean(record.message),
        record.restarts,
        record.crashes,
    )


def record_of(row: Sequence[Any]) -> tuple[Key, Record]:
    key, failures, last_at, fingerprint, reason, message, restarts, crashes = row
    record = Record(
        failures=_typed(failures, int),
        last_at=float(_typed(last_at, float, int)),
        fingerprint=_typed(fingerprint, str),
        reason=_typed(reason, str),
        message=_typed(message, str),
        restarts=_typed(restarts, int),
        crashes=_typed(crashes, int),
    )
    return key_of(key), record


def event_of(row: Sequence[Any]) -> Event:
    time, kind, reason, key, message, count, first = row
    return Event(
        time=float(_typed(time, float, int)),
        type=_typed(kind, str),
        reason=_typed(reason, str),
        key=key_of(key),
        message=_typed(message, str),
        count=_typed(count, int),
        first_time=None if first is None else float(_typed(first, float, int)),
    )


def status_text(status: Status) -> str:
    return json.dumps(_plain(status), separators=(",", ":"), default=_plain)


def _plain(value: Any) -> dict[str, Any]:
    """One level of it: the encoder asks for the next. Unlike `asdict` it copies nothing, which is most of the work."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def status_of(text: Any) -> Status:
    try:
        return Status.of_tree(json.loads(_typed(text, str)))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a status: {error}") from error


def key_of(text: Any) -> Key:
    parts = _typed(text, str).split("/")
    if len(parts) not in (3, 4) or not all(parts):
        raise ValueError(f"not a key: {text!r}")
    return Key.parse(text)


def clean(text: str) -> str:
    """A message may quote a file name that is no UTF-8; such a byte must not keep it out of the diary."""
    return text.encode("utf-8", "replace").decode()


def _typed(value: Any, *types: type) -> Any:
    if not isinstance(value, types):
        raise ValueError(f"{value!r} where {types[0].__name__} was written")  # noqa: TRY004 -- damage, not a misuse
    return value

"""Names what changed. A plan knows only that a fingerprint differs; what it was taken of is in the diary."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from reconciler.core.difference import MISSING, Difference, differences
from reconciler.core.fingerprint import plain_json
from reconciler.kinds.base import camel
from reconciler.model.plan import Action, Plan

VAGUE = "what it is made of has changed"
ASKED = {"build.rebuilt_at": "a new build", "restarted_at": "a restart"}
NETWORKS = "network_stamps"
CONTEXT = "build.context"
MOST = 3
LONGEST = 40
DIGEST = re.compile(r"sealed:|sha256:")

Remembered = Callable[[str], str | None]
"""The diary's payload of a fingerprint."""


def explained(plan: Plan, remembered: Remembered) -> Plan:
    """The same plan with its causes told in full, where the diary knows more than the plan."""
    if not any(action.cause == VAGUE for action in plan.actions):
        return plan
    return replace(plan, sequences=tuple(_sequence(sequence, remembered) for sequence in plan.sequences))


def _sequence(sequence: Sequence[Action], remembered: Remembered) -> tuple[Action, ...]:
    """All steps of it have the one cause; the first one has seen what is there."""
    cause = next((_cause(action, remembered) for action in sequence if action.cause == VAGUE), VAGUE)
    return tuple(replace(action, cause=cause) if action.cause == VAGUE else action for action in sequence)


def _cause(action: Action, remembered: Remembered) -> str:
    if not (action.seen and action.desired):
        return VAGUE
    before = remembered(action.seen.fingerprint)
    if before is None:
        return VAGUE
    return sentence(list(differences(json.loads(before), json.loads(plain_json(action.desired.payload))))) or VAGUE


def sentence(changes: Sequence[Difference]) -> str:
    """What differs, in a few words. Values of the environment are nobody else's business: only names are told."""
    asked = [ASKED[change.path] for change in changes if change.path in ASKED]
    others = [change for change in changes if change.path not in ASKED]
    if not others:
        return f"{' and '.join(asked)} was asked for" if asked else ""
    if [change.path for change in others] == [CONTEXT]:
        return "its build context has changed"
    if len(others) == 1 and (values := _values(others[0])):
        return f"its {_name(others[0])} changed {values}"
    names = list(dict.fromkeys(map(_name, others)))
    return f"its {_listed(names)} changed"


def _values(change: Difference) -> str:
    sides = (change.before, change.after)
    if change.path.startswith("env.") or change.path == NETWORKS or not all(map(_plain, sides)):
        return ""
    before, after = (None if side is MISSING else str(side) for side in sides)
    return f"from {before} to {after}" if before and after else f"to {after}" if after else ""


def _plain(value: Any) -> bool:
    """Short enough for a sentence, and no digest of something secret."""
    if value is MISSING:
        return True
    return isinstance(value, str | int | float) and len(text := str(value)) <= LONGEST and not DIGEST.match(text)


def _name(change: Difference) -> str:
    if change.path == NETWORKS:
        return "network"
    if change.path == CONTEXT:
        return "build context"
    return ".".join(_words(change.path.removesuffix(".content")))


def _words(path: str) -> Iterator[str]:
    """Fields as in the spec; what stands under `env` or `labels` was named by the user and stays as it is."""
    first, *rest = path.split(".")
    yield camel(first)
    yield from rest if first in {"env", "labels"} else map(camel, rest)


def _listed(names: Sequence[str]) -> str:
    shown = [*names[:MOST], *([f"{len(names) - MOST} more"] if len(names) > MOST else [])]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"

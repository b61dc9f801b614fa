"""The file of `port-forward run --config`, read as strictly as specs are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.cli.forwards.ways import LOOPBACK, Wish
from reconciler.errors import Problem, ReconcilerError, SpecError, UsageError

if TYPE_CHECKING:
    from reconciler.cli.forwards.verbs import Asked
    from reconciler.core.yaml12 import Node, Table

FIELDS = ("service", "port", "localPort", "address", "namespace", "index")


def read(path: str, namespace: str) -> list[Asked]:
    from reconciler.core import yaml12

    try:
        with open(path, "rb") as file:
            loaded = yaml12.load(file.read())
    except OSError as error:
        raise ReconcilerError(f"{path}: {error.strerror}") from error
    problems = [Problem(path, flaw.line, flaw.column, "", flaw.message, flaw.hint) for flaw in loaded.flaws]
    found: list[Asked] = []
    for table in _tables(path, loaded.documents, problems):
        try:
            found.append(_asked(table, namespace))
        except (UsageError, ValueError) as error:
            problems.append(Problem(path, table.line, table.column, "", str(getattr(error, "message", error))))
    if problems:
        raise SpecError(problems)
    return found


def _tables(path: str, documents: list[Node], problems: list[Problem]) -> list[Table]:
    from reconciler.core.yaml12 import Listing, Table

    whole = documents[0] if len(documents) == 1 else None
    listed = whole.get("forwards") if isinstance(whole, Table) and set(whole.entries) == {"forwards"} else None
    if not isinstance(listed, Listing):
        problems.append(Problem(path, 1, 1, "", "forwards: with a list is expected, and nothing else", SHAPE))
        return []
    strange = [item for item in listed.items if not isinstance(item, Table)]
    problems += [Problem(path, item.line, item.column, "", "a mapping is expected", SHAPE) for item in strange]
    return [item for item in listed.items if isinstance(item, Table)]


SHAPE = "forwards: [{service: web, port: 80, localPort: 0}]"


def _asked(table: Table, namespace: str) -> Asked:
    from reconciler.cli.forwards.verbs import Asked
    from reconciler.core.yaml12 import Scalar

    told: dict[str, Any] = {}
    for name, entry in table.entries.items():
        if name not in FIELDS:
            raise ValueError(f"unknown field {name!r}; there are {', '.join(FIELDS)}")
        if not isinstance(entry.node, Scalar) or entry.node.value is None:
            raise ValueError(f"{name}: one value is expected")
        told[name] = entry.node.text
    if missing := [name for name in ("service", "port") if name not in told]:
        raise ValueError(f"{missing[0]} is missing")
    local = f"{told['localPort']}:" if "localPort" in told else ""
    index = told.get("index")
    if index is not None and not index.isdecimal():
        raise ValueError(f"index: {index!r} is not a number")
    return Asked(
        told.get("namespace", namespace), told["service"], Wish.read(f"{local}{told['port']}"),
        told.get("address", LOOPBACK), None if index is None else int(index),
    )  # fmt: skip

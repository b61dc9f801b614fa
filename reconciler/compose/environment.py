"""Variables of a service: its own, and those of its files."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.compose import dotenv
from reconciler.compose.context import Context
from reconciler.compose.desk import beside
from reconciler.compose.nodes import Spot, listing, literal, table
from reconciler.core.envfile import BadEnvFile
from reconciler.core.shape import Path
from reconciler.core.yaml12 import Entry, Node
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    found: Mapping[str, str | None]
    alike: bool
    """Whether we read it as Compose does."""
    at: Spot


def environment(context: Context, given: Mapping[str, Entry], path: Path) -> dict[str, Node | None]:
    """`env` and `envFrom`. Where Compose reads a file in another way than we do, its variables are written out: with
    those of all files, for the order among them counts.
    """
    entry = given.get("env_file")
    files = _files(context, entry, (*path, "env_file")) if entry else []
    by_name = all(file.alike for file in files)
    env: dict[str, Node] = {}
    for file in () if by_name else files:
        for name, value in file.found.items():
            passed = context.place.variables.get(name) if value is None else value
            if passed is not None:
                env[name] = literal(passed, file.at)
    own = given.get("environment")
    for name, item in context.desk.table(own.node, (*path, "environment")).items() if own else ():
        value = context.desk.loosely(item.node, (*path, "environment", name))
        value = context.place.variables.get(name) if value is None else value
        if value is not None:
            env[name] = literal(value, beside(item))
        else:
            env.pop(name, None)
    named = [table({"file": literal(file.path, file.at)}, file.at) for file in files] if by_name else []
    at = own or entry
    return {
        "env": table(env, at) if env and at else None,
        "envFrom": listing(named, entry) if named and entry else None,
    }


def _files(context: Context, entry: Entry, path: Path) -> list[_File]:
    found = []
    for where, item in context.desk.items(entry.node, path):
        fields = context.desk.fields(item, "env_file", where)
        file = context.desk.text(fields["path"].node, (*where, "path")) if "path" in fields else ""
        required = "required" not in fields or context.desk.flag(fields["required"].node, (*where, "required"))
        content = context.disk.read(file) if file else None
        if content is not None:
            found += _read(context, file, content, item, where)
        elif required:
            context.desk.wrong(item, where, f"{file or 'it'} can't be read", "required: false, if it need not be there")
        else:
            context.desk.note(item, where, f"left out: {file} is not there, and need not be")
    return found


def _read(context: Context, file: str, content: bytes, at: Node, path: Path) -> list[_File]:
    try:
        found = dotenv.read(content, file, context.place.variables)
    except BadEnvFile as error:
        context.desk.wrong(at, path, error.message, error.hint)
        return []
    return [_File(file, found, dotenv.same_here(content, file, found), at)]

"""Volumes, configs and secrets of a service."""

from __future__ import annotations

import posixpath

from reconciler.compose.context import Context
from reconciler.compose.desk import beside, empty
from reconciler.compose.gather import label
from reconciler.compose.nodes import Spot, literal, plainly, said, table
from reconciler.compose.words import SECRETS
from reconciler.core.shape import Path
from reconciler.core.sheet import show_path
from reconciler.core.yaml12 import Entry, Node, Table


def volumes(context: Context, service: str, entry: Entry, path: Path, *, replicas: int) -> list[Node]:
    found = []
    for where, item in context.desk.items(entry.node, path):
        mount = _mount(context, service, item, where, replicas=replicas)
        if mount:
            found.append(mount)
    return found


def _mount(context: Context, service: str, node: Node, path: Path, *, replicas: int) -> Node | None:
    desk = context.desk
    fields = desk.fields(node, "mount", path)
    texts = {key: desk.text(fields[key].node, (*path, key)) for key in ("type", "source", "target") if key in fields}
    kind, source, target = (texts.get(key, "") for key in ("type", "source", "target"))
    if kind in {"tmpfs", "image", "npipe", "cluster"}:
        if "tmpfs" not in getattr(node, "entries", {}) or kind != "tmpfs":
            desk.cannot(node, path, f"there is no mount of the type {kind} here", "name a volume, or drop it")
        return None
    if kind not in {"bind", "volume"} or not target:
        if kind or fields:
            missing = f"{kind!r} is no type of a mount" if kind not in {"bind", "volume"} else "target is missing"
            desk.wrong(node, path, missing, "type: volume or bind, and a target")
        return None
    _finer(context, fields, path, kind=kind, source=source)
    entries: dict[str, Node] = {}
    if kind == "bind":
        entries["hostPath"] = literal(source, node)
    else:
        entries["volume"] = said(_volume(context, service, source, target, node, path, replicas=replicas), node)
    entries["mountPath"] = literal(target, node)
    if "read_only" in fields and desk.flag(fields["read_only"].node, (*path, "read_only")):
        entries["readOnly"] = plainly(value=True, at=fields["read_only"])
    return table(entries, node)


def _finer(context: Context, fields: dict[str, Entry], path: Path, *, kind: str, source: str) -> None:
    """What is said of mounts of one type only."""
    for thing in ("bind", "volume"):
        if thing in fields:
            finer = context.desk.fields(fields[thing].node, f"mount.{thing}", (*path, thing))
            wanted = finer.get("create_host_path")
            made = wanted and context.desk.flag(wanted.node, (*path, thing, "create_host_path"))
            if made and kind == "bind" and source not in context.missing and not context.disk.exists(source):
                at = beside(fields[thing])
                message = f"{source} is not there: `apply -f` of this file makes it, a spec does not"
                context.missing[source] = context.desk.folio.problem((at.line, at.column), show_path(path), message)


def _volume(context: Context, service: str, source: str, target: str, at: Node, path: Path, *, replicas: int) -> str:
    """Its name. One without a name gets that of its service and place: its data outlives the container."""
    if source:
        if source not in context.group("volumes"):
            message = f"there is no volume called {source!r}"
            context.desk.wrong(at, path, message, f"declare it under volumes, or write ./{source} for a directory")
        context.used.add(("volumes", source))
        return named(context, "volumes", source, at)
    name = label(f"{label(service)}-{target}")
    if replicas > 1:
        context.desk.cannot(at, path, "replicas share a volume here, and this one is each replica's own", "name it")
    context.add("Volume", name, {}, at, path)
    return name


def named(context: Context, group: str, name: str, at: Spot) -> str:
    return context.name(name, at, (group, name))


def granted(context: Context, service: str, group: str, entry: Entry, path: Path) -> list[Node]:
    """Configs or secrets: all that lie in one directory are one Config or Secret of ours, mounted there."""
    places: dict[str, dict[str, tuple[str, Node]]] = {}
    for where, item in context.desk.items(entry.node, path):
        fields = context.desk.fields(item, "config of a service", where)
        texts = {key: context.desk.text(e.node, (*where, key)) for key, e in fields.items()}
        source = texts.get("source", "")
        if source not in context.group(group):
            context.desk.wrong(item, where, f"{group} has no {source!r}", f"declare it under {group}")
            continue
        context.used.add((group, source))
        usual = SECRETS if group == "secrets" else "/"
        target = posixpath.join(usual, texts.get("target") or source)
        directory, file = posixpath.split(posixpath.normpath(target))
        places.setdefault(directory, {})[file] = (source, item)
    return [_grant(context, service, group, directory, files) for directory, files in places.items()]


def _grant(context: Context, service: str, group: str, directory: str, files: dict[str, tuple[str, Node]]) -> Node:
    at = next(iter(files.values()))[1]
    contents = frozenset((file, source) for file, (source, _) in files.items())
    name = context.grants.get((group, contents))
    if name is None:
        name = _free_name(context, service, group, [source for source, _ in files.values()])
        context.grants[group, contents] = name
    entries = {group.removesuffix("s"): said(name, at), "mountPath": literal(directory, at)}
    return table(entries, at)


def _free_name(context: Context, service: str, group: str, sources: list[str]) -> str:
    base = label(sources[0] if len(sources) == 1 else f"{service}-{group}")
    taken = {name for (of, _), name in context.grants.items() if of == group}
    return next(name for i in range(1, 1000) if (name := base if i == 1 else f"{base}-{i}") not in taken)


def grant_documents(context: Context) -> None:
    """The Configs and Secrets that services were given."""
    for (group, contents), name in context.grants.items():
        spec: dict[str, dict[str, Node]] = {}
        notes: dict[str, Node] = {}
        at: Entry | None = None
        origin: Path = (group,)
        for file, source in sorted(contents):
            at = context.group(group)[source]
            origin = (group, source)
            _content(context, group, source, at, file, spec, notes)
        if at:
            kind = "Config" if group == "configs" else "Secret"
            tables = {key: table(entries, at) for key, entries in spec.items()}
            context.add(kind, name, tables, at, origin, table(notes, at))


def _content(
    context: Context, group: str, source: str, entry: Entry, file: str,
    spec: dict[str, dict[str, Node]], notes: dict[str, Node],
) -> None:  # fmt: skip
    desk, path = context.desk, (group, source)
    fields = desk.fields(entry.node, group.removesuffix("s"), path)
    given = [key for key in ("file", "content", "environment") if key in fields and not empty(fields[key].node)]
    if len(given) != 1:
        if not {"external", "driver"} & set(getattr(entry.node, "entries", {})):
            desk.wrong(entry, path, "exactly one of file, content and environment is needed", "file: ./app.conf")
        return
    key = given[0]
    at = beside(fields[key])
    text = desk.loosely(fields[key].node, (*path, key)) or ""
    secret = group == "secrets"
    if key == "file":
        spec.setdefault("files", {})[file] = literal(text, at)
    elif key == "content":
        if secret:
            desk.folio.hide(fields[key].node.line, fields[key].node.end)
        spec.setdefault("data", {})[file] = said(text, at) if secret else literal(text, at)
    elif secret:
        spec.setdefault("env", {})[file] = said(text, at)
    else:
        _from_environment(context, text, file, fields[key], (*path, key), spec)
    labels = context.annotations(fields.get("labels"), (*path, "labels"))
    if isinstance(labels, Table):
        notes |= {name: e.node for name, e in labels.entries.items()}


def _from_environment(
    context: Context, variable: str, file: str, entry: Entry, path: Path, spec: dict[str, dict[str, Node]]
) -> None:
    value = context.place.variables.get(variable)
    if value is None:
        context.desk.wrong(beside(entry), path, f"the variable {variable} is not set", "set it, or put it into .env")
    spec.setdefault("data", {})[file] = literal(value or "", beside(entry))

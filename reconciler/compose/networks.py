"""Networks that a service joins, and what is declared of them."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.compose.context import Context
from reconciler.compose.desk import beside, void
from reconciler.compose.gather import label
from reconciler.compose.nodes import Spot, listing, literal, plainly, said, table
from reconciler.compose.words import NETWORK_MODE
from reconciler.core.shape import Path
from reconciler.core.yaml12 import Entry, Node, Scalar

DEFAULT = "default"


def joined(context: Context, given: Mapping[str, Entry], path: Path, at: Entry) -> Node | None:
    """Nothing for the namespace's own alone."""
    if "network_mode" in given and not void(given["network_mode"].node):
        return _mode(context, given, given["network_mode"], path)
    entry = given.get("networks")
    names = [said(_network(context, n, e, (*path, "networks", n)), e) for n, e in _wanted(context, entry, path).items()]
    if [node.text for node in names] == [DEFAULT]:
        context.used.add(("networks", DEFAULT))
        return None
    if not names:
        context.used.add(("networks", DEFAULT))
    return listing(names, entry or at) if names else None


def _wanted(context: Context, entry: Entry | None, path: Path) -> Mapping[str, Entry]:
    return context.desk.table(entry.node, (*path, "networks")) if entry else {}


def _network(context: Context, name: str, entry: Entry, path: Path) -> str:
    context.desk.fields(entry.node, "network of a service", path)
    if name not in context.group("networks") and name != DEFAULT:
        context.desk.wrong(entry, path, f"there is no network called {name!r}", "declare it under networks")
    context.used.add(("networks", name))
    return context.name(name, entry, path)


def _mode(context: Context, given: Mapping[str, Entry], entry: Entry, path: Path) -> Node | None:
    mode = context.desk.text(entry.node, (*path, "network_mode"))
    where: Path = (*path, "network_mode")
    if "networks" in given and not void(given["networks"].node):
        context.desk.wrong(entry, where, "a service has either networks or a network_mode", "remove one of the two")
    if mode not in NETWORK_MODE:
        hint = "give both one network, and one the other's name"
        context.desk.cannot(entry, where, f"the network of another container is not shared: {mode}", hint)
        return None
    if ("Network", mode) not in context.made:
        context.add("Network", mode, {"external": plainly(value=True, at=entry)}, beside(entry), where)
    return listing([said(mode, beside(entry))], entry)


def aliases(context: Context) -> None:
    """By which further names services are found: their own, where ours is another; what others call them."""
    for name, entry in context.services.items():
        path: Path = ("services", name)
        if label(name) != name:
            _alias(context, name, name)
        table_of = context.desk.table(entry.node, path)
        called = table_of.get("container_name")
        if called and isinstance(called.node, Scalar) and called.node.text != name:
            _alias(context, name, called.node.text)
        nets = table_of.get("networks")
        for net, item in context.desk.table(nets.node, (*path, "networks")).items() if nets else ():
            more = context.desk.table(item.node, (*path, "networks", net)).get("aliases")
            for spot, alias in context.desk.items(more.node, (*path, "networks", net, "aliases")) if more else ():
                _alias(context, name, context.desk.text(alias, spot))
        links = table_of.get("links")
        for where, link in context.desk.items(links.node, (*path, "links")) if links else ():
            target, _, further = context.desk.text(link, where).partition(":")
            if further and further != target:
                _alias(context, target, further)


def _alias(context: Context, name: str, alias: str) -> None:
    if alias and alias != label(name):
        context.aliases.setdefault(name, {})[alias] = None


def network_documents(context: Context) -> None:
    for name, entry in context.group("networks").items():
        path: Path = ("networks", name)
        fields = context.desk.fields(entry.node, "network", path)
        if ("networks", name) in context.used:
            spec = _network_spec(context, name, fields, path, entry)
            notes = context.annotations(fields.get("labels"), (*path, "labels"))
            if spec or name != DEFAULT:
                context.add("Network", context.name(name, entry, path), spec, entry, path, notes)
        else:
            context.desk.note(entry, path, "left out: no service uses it")


def _network_spec(context: Context, name: str, fields: Mapping[str, Entry], path: Path, at: Spot) -> dict[str, Node]:
    desk = context.desk
    outside = external(context, name, fields, path, at)
    if outside:
        return outside
    spec: dict[str, Node] = {}
    driver = desk.text(fields["driver"].node, (*path, "driver")) if "driver" in fields else ""
    if driver == "overlay":
        desk.cannot(fields["driver"], (*path, "driver"), "there is but one machine", "remove driver")
    elif driver and driver != "bridge":
        spec["driver"] = literal(driver, beside(fields["driver"]))
    if "internal" in fields and desk.flag(fields["internal"].node, (*path, "internal")):
        spec["internal"] = plainly(value=True, at=beside(fields["internal"]))
    if "ipam" in fields:
        _ipam(context, fields["ipam"], (*path, "ipam"), spec)
    return spec


def _ipam(context: Context, entry: Entry, path: Path, spec: dict[str, Node]) -> None:
    desk = context.desk
    fields = desk.fields(entry.node, "ipam", path)
    if "driver" in fields and desk.text(fields["driver"].node, (*path, "driver")) != DEFAULT:
        desk.cannot(fields["driver"], (*path, "driver"), "addresses are given by the engine's own driver")
    pools = desk.items(fields["config"].node, (*path, "config")) if "config" in fields else []
    for where, pool in pools[1:]:
        desk.cannot(pool, where, "a network has one subnet here", "declare another network")
    for where, pool in pools[:1]:
        subnet = desk.fields(pool, "ipam config", where).get("subnet")
        if subnet:
            spec["subnet"] = literal(desk.text(subnet.node, (*where, "subnet")), beside(subnet))


def external(context: Context, name: str, fields: Mapping[str, Entry], path: Path, at: Spot) -> dict[str, Node] | None:
    """For networks and volumes alike; None for what is ours to make."""
    desk = context.desk
    entry, called = fields.get("external"), fields.get("name")
    theirs = desk.text(called.node, (*path, "name")) if called else ""
    if entry and isinstance(entry.node, Scalar) and desk.flag(entry.node, (*path, "external")):
        spec: dict[str, Node] = {"external": plainly(value=True, at=beside(entry))}
        real = theirs or name
        return {**spec, "name": literal(real, beside(called) if called else entry)} if real != label(name) else spec
    old = (
        desk.table(entry.node, (*path, "external")).get("name")
        if entry and not isinstance(entry.node, Scalar)
        else None
    )
    if old and entry:
        real = desk.text(old.node, (*path, "external", "name"))
        return {"external": plainly(value=True, at=entry), "name": literal(real, old)}
    if called and theirs:
        ours = f"{context.namespace}-{context.name(name, at, path)}"
        desk.note(called, (*path, "name"), f"left out: it is called {ours} on the engine; one that exists is external")
    return None


def volume_documents(context: Context) -> None:
    for name, entry in context.group("volumes").items():
        path: Path = ("volumes", name)
        fields = context.desk.fields(entry.node, "volume", path)
        if ("volumes", name) not in context.used:
            context.desk.note(entry, path, "left out: no service uses it")
            continue
        spec = external(context, name, fields, path, entry)
        if spec is None:
            spec = _volume_spec(context, fields, path)
        notes = context.annotations(fields.get("labels"), (*path, "labels"))
        context.add("Volume", context.name(name, entry, path), spec, entry, path, notes)


def _volume_spec(context: Context, fields: Mapping[str, Entry], path: Path) -> dict[str, Node]:
    desk = context.desk
    spec: dict[str, Node] = {}
    driver = desk.text(fields["driver"].node, (*path, "driver")) if "driver" in fields else ""
    if driver and driver != "local":
        spec["driver"] = literal(driver, beside(fields["driver"]))
    options = desk.table(fields["driver_opts"].node, (*path, "driver_opts")) if "driver_opts" in fields else {}
    found: dict[str, Node] = {}
    for key, entry in options.items():
        found[key] = literal(desk.loosely(entry.node, (*path, "driver_opts", key)) or "", beside(entry))
    return {**spec, "options": table(found, fields["driver_opts"])} if found else spec

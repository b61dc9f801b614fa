"""A service of Compose as a Service, or as a Job where others wait for its end."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping

from reconciler.compose import mounts, ports, running
from reconciler.compose.context import CONTAINER, Context
from reconciler.compose.desk import beside, empty
from reconciler.compose.environment import environment
from reconciler.compose.gather import label
from reconciler.compose.networks import joined
from reconciler.compose.nodes import Spot, listing, literal, plainly, said, table
from reconciler.compose.words import CONDITION, PULL, SIGNALS
from reconciler.core.shape import Path
from reconciler.core.wording import did_you_mean
from reconciler.core.yaml12 import Entry, Listing, Node, Scalar, Table
from reconciler.kinds import KINDS
from reconciler.values import dataclass

Fields = Mapping[str, Entry]


def service(context: Context, name: str, entry: Entry) -> None:
    """Adds its document."""
    path: Path = ("services", name)
    fields = context.desk.fields(entry.node, "service", path)
    one = _Service(context, name, entry, path, fields)
    spec = one.spec()
    kind = "Job" if one.is_job else "Service"
    context.add(kind, context.name(name, entry, path), spec, entry, path)


@dataclass(frozen=True, slots=True)
class _Service:
    context: Context
    name: str
    entry: Entry
    path: Path
    given: Fields

    @property
    def is_job(self) -> bool:
        """Who is waited for until it has ended, and is not meant to be started again."""
        wanted = self.name in self.context.completed and "Job" in KINDS
        again = running.restart(self.context, self.given, self.path).policy == "Always"
        return wanted and not again and "healthcheck" not in self.given

    def spec(self) -> dict[str, Node]:
        spec: dict[str, Node] = {}
        replicas = running.replicas(self.context, self.given, self.path)
        if replicas is not None and not self.is_job:
            spec["replicas"] = plainly(replicas[0], replicas[1])
        spec["container"] = self._container()
        self._put(spec, environment(self.context, self.given, self.path))
        self._put(spec, {"ports": self._ports(), "volumes": self._volumes(replicas[0] if replicas else 1)})
        depends = self._depends_on()
        if self.is_job:
            retries = running.restart(self.context, self.given, self.path).tries
            self._put(spec, {"retries": plainly(retries, self.entry) if retries else None})
        else:
            self._put(spec, running.probes(self.context, self.given, self.path))
            self._put(spec, running.restarting(self.context, self.given, self.path, self.entry))
        self._put(spec, {"stop": self._stop(), "dependsOn": depends})
        self._put(spec, {"resources": running.limits(self.context, self.given, self.path)})
        running.logging(self.context, self.given, self.path)
        return spec

    def _put(self, spec: dict[str, Node], more: Mapping[str, Node | None]) -> None:
        spec |= {key: node for key, node in more.items() if node is not None}

    # -- the container

    def _container(self) -> Table:
        entries: dict[str, Node] = {}
        self._image(entries)
        for key, (ours, form) in _CONTAINER.items():
            entry = self.given.get(key)
            if entry and not empty(entry.node):
                node = form(self, entry, (*self.path, key))
                if node is not None:
                    entries[ours] = node
        gpus = running.gpus(self.context, self.given, self.path)
        self._put(entries, {"gpus": gpus, "networks": joined(self.context, self.given, self.path, self.entry)})
        aliases = [said(name, self.entry) for name in self.context.aliases.get(self.name, {})]
        if aliases and "aliases" in CONTAINER:
            entries["aliases"] = listing(aliases, self.entry)
        elif aliases:
            shown = ", ".join(self.context.aliases[self.name])
            self.context.desk.cannot(
                self.entry, self.path, f"it can't be found by further names: {shown}", "use its own"
            )
        self._stdin(entries)
        return table(entries, self.entry)

    def _image(self, entries: dict[str, Node]) -> None:
        if "image" in self.given:
            at = beside(self.given["image"])
            entries["image"] = literal(self._text("image"), at)
        built = self.given.get("build")
        if built and "build" not in CONTAINER:
            hint = "docker build -t NAME it, and write image: NAME"
            self.context.desk.cannot(built, (*self.path, "build"), "images are not built here", hint)
        elif built:
            entries["build"] = self._build(built)
        if not built and "image" not in self.given:
            self.context.desk.wrong(self.entry, self.path, "it has neither image nor build", "image: nginx:1.27")

    def _build(self, built: Entry) -> Node:
        desk, path = self.context.desk, (*self.path, "build")
        fields = desk.fields(built.node, "build", path)
        entries: dict[str, Node] = {}
        for key in ("context", "dockerfile", "target"):
            text = desk.text(fields[key].node, (*path, key)) if key in fields else ""
            if key == "context" and text and not text.startswith("/"):
                desk.cannot(fields[key], (*path, key), "it is built from a directory of this machine", "clone it")
            elif text:
                entries[key] = literal(text, beside(fields[key]))
        if "args" in fields:
            entries["args"] = self._args(fields["args"], (*path, "args"))
        return table(entries, built)

    def _args(self, entry: Entry, path: Path) -> Node:
        """One without a value is the environment's."""
        found: dict[str, Node] = {}
        for name, item in self.context.desk.table(entry.node, path).items():
            value = self.context.desk.loosely(item.node, (*path, name))
            value = self.context.place.variables.get(name) if value is None else value
            if value is not None:
                found[name] = literal(value, item)
        return table(found, entry)

    def _stdin(self, entries: dict[str, Node]) -> None:
        """A shell that nobody talks to ends at once, unless it has a terminal."""
        entry = self.given.get("stdin_open")
        if entry and self.context.desk.flag(entry.node, (*self.path, "stdin_open")) and "tty" not in entries:
            entries["tty"] = plainly(value=True, at=entry)
            self.context.desk.note(entry, (*self.path, "stdin_open"), "it gets a terminal, so that a shell stays up")

    # -- the forms of its fields

    def text(self, entry: Entry, path: Path) -> Node | None:
        text = self.context.desk.text(entry.node, path)
        return literal(text, beside(entry)) if text else None

    def flag(self, entry: Entry, path: Path) -> Node | None:
        return plainly(value=True, at=beside(entry)) if self.context.desk.flag(entry.node, path) else None

    def argv(self, entry: Entry, path: Path) -> Node | None:
        """A string is split as a shell splits it, and no shell is run."""
        desk = self.context.desk
        if isinstance(entry.node, Listing):
            words = [(desk.loosely(node, (*path, i)) or "", node) for i, node in enumerate(entry.node.items)]
            if words:
                return listing([literal(word, node) for word, node in words], entry)
        else:
            found = self._split(desk.text(entry.node, path), entry, path)
            if found:
                return listing([literal(word, beside(entry)) for word in found], entry)
        reason = f"an empty {path[-1]} would take the image's own away"
        desk.cannot(entry, path, reason, "write out what is to run")
        return None

    def _split(self, text: str, at: Spot, path: Path) -> list[str]:
        try:
            return shlex.split(text)
        except ValueError as error:
            self.context.desk.wrong(
                at, path, f"it can't be split into words: {error}", "close the quote, or write a list"
            )
            return ["?"]

    def words(self, entry: Entry, path: Path) -> Node | None:
        items = [
            literal(self.context.desk.text(node, where), node)
            for where, node in self.context.desk.items(entry.node, path)
        ]
        return listing(items, entry) if items else None

    def capabilities(self, entry: Entry, path: Path) -> Node | None:
        """NET_ADMIN and CAP_NET_ADMIN are one."""
        found = {
            self.context.desk.text(node, where).removeprefix("CAP_"): node
            for where, node in self.context.desk.items(entry.node, path)
        }
        return listing([literal(word, node) for word, node in found.items()], entry) if found else None

    def devices(self, entry: Entry, path: Path) -> Node | None:
        found: list[Node] = []
        for where, item in self.context.desk.items(entry.node, path):
            if isinstance(item, Table):
                fields = self.context.desk.fields(item, "device", where)
                parts = [
                    self.context.desk.text(fields[key].node, (*where, key)) if key in fields else ""
                    for key in ("source", "target", "permissions")
                ]
                source, target, rights = parts
                text = ":".join(filter(None, (source, target or source, rights))) if target or rights else source
            else:
                text = self.context.desk.text(item, where)
            if text and not text.startswith("/"):
                self.context.desk.cannot(item, where, f"{text} is no device below /dev", "GPUs go into gpus")
            elif text:
                found.append(literal(text, item))
        return listing(found, entry) if found else None

    def hosts(self, entry: Entry, path: Path) -> Node | None:
        found: list[Node] = []
        for name, item in self.context.desk.table(entry.node, path).items():
            for where, address in self.context.desk.items(item.node, (*path, name)):
                found.append(literal(f"{name}:{self.context.desk.text(address, where)}", item))
        return listing(found, entry) if found else None

    def size(self, entry: Entry, path: Path) -> Node | None:
        number = self.context.desk.size(entry.node, path)
        return said(running.amount(number), beside(entry)) if number else None

    def pairs(self, entry: Entry, path: Path) -> Node | None:
        desk = self.context.desk
        table_of = desk.table(entry.node, path)
        found: dict[str, Node] = {
            k: literal(desk.loosely(e.node, (*path, k)) or "", beside(e)) for k, e in table_of.items()
        }
        return table(found, entry) if found else None

    def pull(self, entry: Entry, path: Path) -> Node | None:
        text = self.context.desk.text(entry.node, path)
        if text in PULL:
            return said(PULL[text], beside(entry))
        self.context.desk.cannot(entry, path, "images are pulled always, when missing, or never", "pull_policy: always")
        return None

    # -- beside the container

    def _ports(self) -> Node | None:
        entry = self.given.get("ports")
        if entry is None or empty(entry.node):
            return None
        if self._mode in {"host", "none"}:
            self.context.desk.note(
                entry, (*self.path, "ports"), f"left out: with network_mode {self._mode} none is published"
            )
            return None
        found = ports.ports(self.context.desk, entry, (*self.path, "ports"))
        return listing(found, entry) if found else None

    @property
    def _mode(self) -> str:
        entry = self.given.get("network_mode")
        return entry.node.text if entry and isinstance(entry.node, Scalar) else ""

    def _volumes(self, replicas: int) -> Node | None:
        found: list[Node] = []
        if "volumes" in self.given:
            path = (*self.path, "volumes")
            found += mounts.volumes(self.context, self.name, self.given["volumes"], path, replicas=replicas)
        for group in ("configs", "secrets"):
            if group in self.given:
                found += mounts.granted(self.context, self.name, group, self.given[group], (*self.path, group))
        return listing(found, self.given.get("volumes", self.entry)) if found else None

    def _depends_on(self) -> Node | None:
        desk = self.context.desk
        found: dict[str, Node] = {}
        path: Path = (*self.path, "depends_on")
        entry = self.given.get("depends_on")
        for name, item in desk.table(entry.node, path).items() if entry else ():
            fields = desk.fields(item.node, "dependency", (*path, name))
            condition = (
                desk.text(fields["condition"].node, (*path, name, "condition"))
                if "condition" in fields
                else "service_started"
            )
            required = "required" not in fields or desk.flag(fields["required"].node, (*path, name, "required"))
            if condition not in CONDITION:
                desk.wrong(item, (*path, name, "condition"), f"{condition!r} is no condition", ", ".join(CONDITION))
            elif self._there(name, item, (*path, name), required=required):
                self._note_health(condition, name, item, (*path, name))
                found[label(name)] = _dependency(label(name), CONDITION[condition], item)
        links = self.given.get("links")
        for where, link in desk.items(links.node, (*self.path, "links")) if links else ():
            name = desk.text(link, where).partition(":")[0]
            if self._there(name, link, where, required=True):
                found.setdefault(label(name), _dependency(label(name), "Started", link))
        return listing(found.values(), entry or self.entry) if found else None

    def _note_health(self, condition: str, name: str, at: Spot, path: Path) -> None:
        table = self.context.desk.table(self.context.services[name].node, ("services", name))
        if condition == "service_healthy" and "healthcheck" not in table:
            message = f"{name} has no healthcheck here, so it is enough that it runs; the image's own is not looked at"
            self.context.desk.note(at, path, message)

    def _there(self, name: str, at: Spot, path: Path, *, required: bool) -> bool:
        if name in self.context.services:
            return True
        declared = name in self.context.group("services")
        if required:
            why = f"{name} is in no active profile" if declared else f"there is no service called {name!r}"
            hint = "--profile NAME, or required: false" if declared else did_you_mean(name, self.context.services)
            self.context.desk.wrong(at, path, why, hint)
        else:
            self.context.desk.note(at, path, f"left out: {name} is not there, and need not be")
        return False

    def _stop(self) -> Node | None:
        entries: dict[str, Node] = {}
        desk = self.context.desk
        if "stop_signal" in self.given:
            entry = self.given["stop_signal"]
            text = (desk.loosely(entry.node, (*self.path, "stop_signal")) or "").upper().removeprefix("SIG")
            entries["signal"] = said(SIGNALS.get(text, text), beside(entry))
        if "stop_grace_period" in self.given:
            entry = self.given["stop_grace_period"]
            seconds = desk.seconds(entry.node, (*self.path, "stop_grace_period"))
            if seconds is not None:
                entries["graceSeconds"] = plainly(seconds, beside(entry))
        return table(entries, next(iter(entries.values()))) if entries else None

    def _text(self, key: str) -> str:
        return self.context.desk.text(self.given[key].node, (*self.path, key))


def _dependency(name: str, condition: str, at: Spot) -> Node:
    if condition == "Ready":
        return said(name, at)
    return table({"service": said(name, at), "condition": said(condition, at)}, at)


Form = Callable[[_Service, Entry, Path], Node | None]

_CONTAINER: Mapping[str, tuple[str, Form]] = {
    "pull_policy": ("pullPolicy", _Service.pull),
    "entrypoint": ("entrypoint", _Service.argv),
    "command": ("command", _Service.argv),
    "user": ("user", _Service.text),
    "working_dir": ("workingDir", _Service.text),
    "hostname": ("hostname", _Service.text),
    "tty": ("tty", _Service.flag),
    "init": ("init", _Service.flag),
    "privileged": ("privileged", _Service.flag),
    "cap_add": ("capAdd", _Service.capabilities),
    "cap_drop": ("capDrop", _Service.capabilities),
    "devices": ("devices", _Service.devices),
    "shm_size": ("shmSize", _Service.size),
    "extra_hosts": ("extraHosts", _Service.hosts),
    "labels": ("labels", _Service.pairs),
}
"""What of a service is a container's: as what, and how it is read."""

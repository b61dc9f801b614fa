"""A project of Compose as documents of ours: gathered, translated, and whatever is wrong with it told at once."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from reconciler.compose import mounts, networks
from reconciler.compose.context import Context, Disk, Made
from reconciler.compose.desk import Desk, beside
from reconciler.compose.fields import FIELDS
from reconciler.compose.folio import Folio
from reconciler.compose.gather import ROOT, Gathering, Place, label
from reconciler.compose.services import service
from reconciler.compose.variables import Layered, filled
from reconciler.core.envfile import BadEnvFile
from reconciler.core.interpolation import Unresolved
from reconciler.core.parse import Text, Translated
from reconciler.core.sheet import MOST, Flooded, show_path
from reconciler.core.yaml12 import Entry, Scalar, Table
from reconciler.errors import Problem, SpecError
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a project is to be read."""

    environment: Mapping[str, str]
    disk: Disk
    profiles: Sequence[str] = ()
    project: str = ""
    """Its name, in the place of the one that it has."""
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class Project:
    name: str
    folio: Folio
    made: Sequence[Made]
    variables: Mapping[str, str]
    notes: Sequence[Problem]
    dropped: Sequence[Problem]
    missing: Mapping[str, Problem]
    """Directories that Compose would make: where they are wanted."""

    def translated(self) -> list[Translated]:
        """For the parser, which knows what our specs may say."""
        return [Translated(self.folio, one.node, "/", self.variables) for one in self.made]

    def origin(self, made: Made) -> str:
        """`shop/compose.yaml:12 services.web`"""
        name, line = self.folio.where(made.at.line)
        return f"{name}:{line} {show_path(made.origin)}"


def translate(texts: Sequence[Text], wanted: Wanted) -> Project:
    """Files of one project, the later over the earlier. Raises SpecError with all that is wrong or can't be carried."""
    folio = Folio(texts[0].name, [])
    desk = Desk(folio, lenient=wanted.lenient)
    gathering = Gathering(desk, wanted.disk.read, wanted.environment, first=(texts[0].base, texts[0].name))
    try:
        place = gathering.place(texts[0].base)
        name = _project(texts, place, wanted)
        start = tuple(posixpath.join(text.base, posixpath.basename(text.name)) for text in texts)
        place = replace(place, trail=start, variables=Layered(place.variables, {"COMPOSE_PROJECT_NAME": name}))
        context = _begun(gathering, texts, place, wanted)
        context.namespace = _namespace(context, name)
        _translate(context, wanted)
    except Flooded:
        if len(folio.problems) >= MOST:
            folio.give_up()
    except BadEnvFile as error:
        raise SpecError([Problem(texts[0].name, 0, 0, "", error.message, error.hint)]) from error
    if folio.problems:
        raise SpecError(folio.problems)
    made = sorted(context.made.values(), key=lambda one: _ORDER.index(_kind(one)))
    return Project(context.namespace, folio, made, place.variables, desk.notes, desk.dropped, context.missing)


_ORDER = ("Network", "Volume", "Config", "Secret", "Job", "Service")


def _kind(made: Made) -> str:
    kind = made.node.get("kind")
    return kind.text if isinstance(kind, Scalar) else ""


def _begun(gathering: Gathering, texts: Sequence[Text], place: Place, wanted: Wanted) -> Context:
    tree = gathering.project(texts, place)
    context = Context(gathering.desk, wanted.disk, place, "", tree)
    if _is_old(tree):
        gathering.desk.wrong(ROOT, (), "services stand at the top, as before version 2", "put them under services:")
        raise Flooded
    gathering.desk.fields(tree, "", ())
    return context


def _is_old(tree: Table) -> bool:
    tops = [entry.node for key, entry in tree.entries.items() if key not in FIELDS[""]]
    return "services" not in tree.entries and any(
        isinstance(n, Table) and {"image", "build"} & set(n.entries) for n in tops
    )


_NAMED = re.compile(rb"""(?m)^name\s*:\s*["']?([^\s"'#]+)""")


def _project(texts: Sequence[Text], place: Place, wanted: Wanted) -> str:
    """Asked for, set, said by the last file that says so, or that of the directory. What a file says may use variables,
    so it is filled in before anything else is.
    """
    set_so = wanted.project or place.variables.get("COMPOSE_PROJECT_NAME", "")
    said = [found[1].decode(errors="replace") for text in texts if (found := _NAMED.search(text.content))]
    if set_so or not said:
        return set_so or posixpath.basename(texts[0].base)
    try:
        return filled(said[-1], place.variables, [])
    except Unresolved:
        return said[-1]  # which is complained about when its turn comes


def _namespace(context: Context, name: str) -> str:
    if not label(name):
        said = context.tree.entries.get("name")
        at = beside(said) if said else context.tree
        context.desk.wrong(at, ("name",), f"{name!r} can't be the name of a namespace", "write name: shop")
    return label(name) or "default"


def _translate(context: Context, wanted: Wanted) -> None:
    declared = context.group("services")
    active = {*wanted.profiles, *re.split(r"[,\s]+", context.place.variables.get("COMPOSE_PROFILES", ""))} - {""}
    for name, entry in declared.items():
        if not isinstance(entry.node, Table):
            context.desk.unfit(entry.node, ("services", name), "a mapping")
        elif _is_active(context, name, entry, active):
            context.services[name] = entry
    context.completed |= set(_completed(context.services.values()))
    networks.aliases(context)
    for name, entry in context.services.items():
        service(context, name, entry)
    networks.network_documents(context)
    networks.volume_documents(context)
    mounts.grant_documents(context)
    _unused(context)


def _is_active(context: Context, name: str, entry: Entry, active: Iterable[str]) -> bool:
    table = context.desk.table(entry.node, ("services", name))
    path = ("services", name, "profiles")
    given = table.get("profiles")
    names = [context.desk.text(node, where) for where, node in context.desk.items(given.node, path)] if given else []
    if not names or "*" in active or set(names) & set(active):
        return True
    assert given, "there are names"
    context.desk.note(given, path, f"left out: {name} runs with --profile {names[0]}")
    return False


def _completed(services: Iterable[Entry]) -> Iterable[str]:
    for entry in services:
        depends = entry.node.get("depends_on") if isinstance(entry.node, Table) else None
        for name, item in depends.entries.items() if isinstance(depends, Table) else ():
            condition = item.node.get("condition") if isinstance(item.node, Table) else None
            if isinstance(condition, Scalar) and condition.text == "service_completed_successfully":
                yield name


def _unused(context: Context) -> None:
    """Checked all the same: a mistake in them is a mistake."""
    for group in ("configs", "secrets"):
        for name, entry in context.group(group).items():
            if (group, name) not in context.used:
                context.desk.fields(entry.node, group.removesuffix("s"), (group, name))
                context.desk.note(entry, (group, name), "left out: no service uses it")

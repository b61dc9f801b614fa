"""From words on a command line to things: KIND, KIND NAME…, KIND/NAME…, NAME…, all; -l, -A."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reconciler.cli import line, names
from reconciler.cli.kinds import kind_called, no_kind
from reconciler.cli.selector import matches
from reconciler.errors import ReconcilerError, UsageError
from reconciler.kinds import KINDS, find
from reconciler.model.key import WORKLOADS, Key
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.cli.context import Context
    from reconciler.engine.controller import Controller
    from reconciler.engine.looking import Look, Sight
    from reconciler.engine.reconcile import Parts

ORDER = tuple(kind.key for kind in KINDS.values())
"""Services first: they are what people came to see."""
RUNS_FIRST = ("service", "job", "campaign")
MOST_NAMES = 5
"""That a hint lists."""
Pair = tuple[str, str]
"""A kind's key and a name."""


class NotFound(ReconcilerError):
    """Of what was named, something is not there."""

    reason = "NotFound"


@dataclass(frozen=True, slots=True)
class Wanted:
    """`names` are asked for one by one; without them it is everything of the kinds."""

    kinds: tuple[str, ...]
    names: tuple[Pair, ...] = ()

    def wants(self, key: Key) -> bool:
        return (key.kind, key.name) in self.names if self.names else key.kind in self.kinds

    @property
    def single(self) -> bool:
        return len(self.names) == 1


def wanted(words: Sequence[str], *, bare: str = "") -> Wanted:
    """`bare` is the kind of a word that is no kind: `describe web` means the service. Empty: an error."""
    if not words:
        plurals = ", ".join(kind.plural for kind in KINDS.values())
        raise UsageError("nothing is named", hint=f"name KIND, KIND/NAME or all; kinds are {plurals}")
    first, *rest = words
    if any("/" in word for word in words) or (bare and find(first) is None and first != "all"):
        return _pairs(_pair(word, bare) for word in words)
    kinds = _kinds(first)
    if len(kinds) > 1 and rest:
        raise UsageError(f"{first} {rest[0]}: names of one kind are expected", hint=f"like {kinds[0]}/{rest[0]}")
    return Wanted(kinds, tuple((kinds[0], name) for name in dict.fromkeys(rest)))


def spelled(context: Context, words: Sequence[str]) -> tuple[str, ...]:
    """The same words, with the kind before the name of what is declared. What runs wins, a service before all.
    `service web` is service/web, unless something is called so.
    """
    first, *rest = words or ("",)
    kind = find(first)
    if kind and rest and not any("/" in word for word in rest) and not _kinds_of(context, first):
        return tuple(f"{kind.key}/{name}" for name in rest)
    if kind or first == "all":
        return tuple(words)
    return tuple(word if "/" in word else _spelled(context, word) for word in words)


def _spelled(context: Context, name: str) -> str:
    known = _kinds_of(context, name)
    running = [kind for kind in RUNS_FIRST if kind in known]
    return f"{(running or _one_of(known, name))[0]}/{name}" if known else name


def told_apart(context: Context, words: Sequence[str], *, alone: bool = False) -> tuple[str, ...]:
    """The same for verbs that want KIND NAME or KIND/NAME.
    `alone`: what runs has no precedence, for it would be the wrong one that goes.
    """
    first = words[0] if words else ""
    if find(first) or first in ("", "all") or "," in first:
        return tuple(words)
    if "/" not in first and not _kinds_of(context, first):
        raise _nobody(context, first)
    for name in (word for word in words if alone and "/" not in word):
        _one_of(_kinds_of(context, name), name)
    return spelled(context, words)


def _nobody(context: Context, name: str) -> UsageError:
    """It may have been meant as a kind, or as a name; or the namespace was forgotten."""
    spaces = [space for space in names.with_something(context.home) if _kinds_of(context, name, space)]
    error = no_kind(name, f", nor is anything in namespace {context.scope}")
    return UsageError(error.message, hint=f"there is one in namespace {spaces[0]}: -n {spaces[0]}") if spaces else error


def _kinds_of(context: Context, name: str, namespace: str = "") -> list[str]:
    """By the names of what is kept: nothing has to be read for it."""
    folder = os.path.join(context.home, "applied", namespace or context.scope)
    return [kind for kind in ORDER if os.path.exists(f"{folder}/{kind}-{name}.yaml")]


def _one_of(kinds: list[str], name: str) -> list[str]:
    if len(kinds) > 1:
        spelled_out = [f"{kind}/{name}" for kind in kinds]
        raise UsageError(f"{name} may be {', '.join(spelled_out)}", hint=f"say which one, like {spelled_out[0]}")
    return kinds


def services(words: Sequence[str]) -> Wanted:
    """For verbs that only services know: names, with `service/` before them or not."""
    return _of(words, {"service"})


def one_service(context: Context, words: Sequence[str]) -> Wanted:
    want = services(spelled(context, words))
    if not want.single:
        raise UsageError(f"{' '.join(words)}: one service is expected", hint="name it, like web or service/web")
    return want


def workloads(words: Sequence[str]) -> Wanted:
    """For verbs that are about what runs: services by their names, jobs and campaigns with their kind before it."""
    return _of(words, WORKLOADS)


def _of(words: Sequence[str], kinds: Collection[str]) -> Wanted:
    found = _pairs(_pair(word, "service") for word in words)
    other = next((pair for pair in found.names if pair[0] not in kinds), None)
    if other:
        raise UsageError(f"{other[0]}/{other[1]} is no service", hint="only services run, so only they can do that")
    return found if found.names else Wanted(("service",))


def _pairs(pairs: Iterable[Pair]) -> Wanted:
    names = tuple(dict.fromkeys(pairs))
    return Wanted(tuple(dict.fromkeys(kind for kind, _ in names)), names)


def _pair(word: str, bare: str) -> Pair:
    kind, slash, name = word.partition("/")
    if slash and kind and name and "/" not in name:
        return kind_called(kind).key, name
    if slash or not word or not bare:
        raise UsageError(f"{word}: KIND/NAME is expected", hint="like service/web")
    return bare, word


def _kinds(word: str) -> tuple[str, ...]:
    """`services`, `svc,volumes` or `all`."""
    if word == "all":
        return ORDER
    return tuple(dict.fromkeys(kind_called(part).key for part in word.split(",")))


class Onlooker:
    """Who looks again and again. One who began before there was a home would never know what is ours in the world:
    for him the engine room is opened anew once there is one.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._knows_us = self._has_home()
        self._controller = line.open_controller(context)

    @property
    def controller(self) -> Controller:
        if not self._knows_us and self._has_home():
            self._controller = line.open_controller(self._context)
            self._knows_us = True
        return self._controller

    def _has_home(self) -> bool:
        return os.path.exists(os.path.join(self._context.home, "owner"))


def looks(context: Context, controller: Controller, *, everywhere: bool, deep: bool = True) -> list[Look]:
    """One for each namespace that is to be shown."""
    from reconciler.daemon import lock
    from reconciler.engine import looking

    daemon = lock.holder(context.home) is not None
    spaces = looking.namespaces(controller.parts) if everywhere else [context.scope]
    found = [looking.look(controller.parts, namespace, deep=deep) for namespace in spaces]
    if not deep:
        found = [looking.look(controller.parts, seen.namespace) if _blurred(seen) else seen for seen in found]
    return [replace(seen, daemon=daemon) for seen in found]


def _blurred(look: Look) -> bool:
    """An engine's list tells times as "Less than a second", which makes what is Ready look as if it had only just
    started. Where all is well that does not matter; else it is worth a closer look.
    """
    troubled = (sight for sight in look.sights if sight.resource and not sight.status.ready)
    return any(thing.runtime == "docker" for sight in troubled for thing in sight.things)


@dataclass(frozen=True, slots=True)
class Picked:
    """A sight, and the look that it belongs to."""

    look: Look
    sight: Sight

    @property
    def key(self) -> Key:
        return self.sight.key


def pick(found: Iterable[Look], want: Wanted, selector: str | None = None) -> list[Picked]:
    """In the order of kinds, then by namespace and name. What is not declared wears no labels to be selected by."""
    chosen = [
        Picked(look, sight)
        for look in found
        for sight in look.sights
        if want.wants(sight.key) and (selector is None or _selected(sight, selector))
    ]
    return sorted(chosen, key=lambda item: (ORDER.index(item.key.kind), item.key))


def _selected(sight: Sight, selector: str) -> bool:
    return sight.resource is not None and matches(selector, sight.resource.labels)


def declared(parts: Parts, namespace: str, want: Wanted, selector: str | None = None) -> dict[Key, Any]:
    """Declared resources, without a look at the world. A named one that is missing is an error."""
    kept = {r.key: r for r in parts.source.resources(namespace) if not r.deleting}
    missing = missing_names(want, kept)
    damaged = {(key.kind, key.name): why for key, why in parts.source.damaged(namespace).items()}
    if missing and missing[0] in damaged:
        raise ReconcilerError(f"{'/'.join(missing[0])}: {damaged[missing[0]]}")
    if missing:
        raise not_found(parts, namespace, missing[0])
    chosen = {key: r for key, r in sorted(kept.items()) if want.wants(key)}
    return {key: r for key, r in chosen.items() if selector is None or matches(selector, r.labels)}


def missing_names(want: Wanted, there: Iterable[Key]) -> list[Pair]:
    known = {(key.kind, key.name) for key in there}
    return [pair for pair in want.names if pair not in known]


def not_found(parts: Parts, namespace: str | None, pair: Pair) -> NotFound:
    """With a hint that looks further: at names like it, at other kinds, into other namespaces."""
    kind, name = pair
    place = f'in namespace "{namespace}"' if namespace else "in any namespace"
    hint = next(_guesses(parts, namespace, pair), "see what there is: reconciler status -A")
    return NotFound(f'{kind} "{name}" not found {place}', hint=hint)


def _guesses(parts: Parts, namespace: str | None, pair: Pair) -> Iterator[str]:
    from difflib import get_close_matches

    from reconciler.cli.render.words import few

    kind, name = pair
    known = {space: _kept(parts, space) for space in parts.source.namespaces()}
    here = known.get(namespace, set()) if namespace else {other for pairs in known.values() for other in pairs}
    if elsewhere := [space for space in sorted(known) if pair in known[space]]:
        yield f"there is one in namespace {elsewhere[0]}: -n {elsewhere[0]}"
    if alike := sorted(other for other, its_name in here if its_name == name):
        yield f"did you mean {alike[0]}/{name}?"
    if close := get_close_matches(name, sorted(its_name for other, its_name in here if other == kind), 1, 0.5):
        yield f"did you mean {close[0]}?"
    if names := sorted(its_name for other, its_name in here if other == kind):
        yield f"there {'is' if len(names) == 1 else 'are'} {few(names, MOST_NAMES)}"
    if not here and (close := get_close_matches(namespace or "", sorted(known), 1)):
        yield f"did you mean -n {close[0]}?"


def _kept(parts: Parts, namespace: str) -> set[Pair]:
    known = {r.key for r in parts.source.resources(namespace) if not r.deleting} | set(parts.source.damaged(namespace))
    return {(key.kind, key.name) for key in known}

"""What `wait --for` understands: each expectation tells what is otherwise, or nothing when it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from reconciler.cli.render import words
from reconciler.errors import UsageError
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.cli.picking import Picked
    from reconciler.model.key import Key

CONDITIONS = ("Ready", "Progressing", "Healthy", "Drifted", "Complete", "Completed", "Failed")
SAME = {"Completed": "Complete"}
"""As people say it."""
STATUSES = ("True", "False", "Unknown")
FORMS = "condition=NAME[=False], create, delete, or jsonpath='{PATH}'[=VALUE]"


@dataclass(frozen=True, slots=True)
class Expectation:
    wrong: Callable[[Key, Picked | None], str]
    of_absence: bool = False
    """It can hold, or come to hold, of what is not there."""


def expectation(text: str) -> Expectation:
    what, _, rest = text.partition("=")
    match what:
        case "delete" if not rest:
            return Expectation(_still_there, of_absence=True)
        case "create" if not rest:
            return Expectation(_not_there, of_absence=True)
        case "condition" if rest:
            return _condition(text, *rest.partition("=")[::2])
        case "jsonpath" if rest:
            return _jsonpath(rest)
        case _:
            raise UsageError(f"--for={text}: not understood", hint=f"one of {FORMS}")


def _not_there(_key: Key, item: Picked | None) -> str:
    return "" if item else "it does not exist"


def _still_there(_key: Key, item: Picked | None) -> str:
    """Data that was kept on purpose counts as there: it is."""
    return f"it is still there: {words.status_word(item.look, item.sight)}" if item else ""


def _condition(text: str, name: str, status: str) -> Expectation:
    known = _known(text, name, CONDITIONS)
    kind = SAME.get(known, known)
    wanted = _known(text, status or "True", STATUSES)

    def wrong(_key: Key, item: Picked | None) -> str:
        if item is None:
            return "it does not exist"
        condition = item.sight.status.condition(kind)
        if condition is None:
            return f"{kind} is not known of it: it is {words.status_word(item.look, item.sight)}"
        why = ": ".join(filter(None, (condition.reason, condition.message)))
        return "" if condition.status == wanted else f"{kind} is {condition.status}, not {wanted} ({why})"

    return Expectation(wrong)


def _known(text: str, word: str, known: tuple[str, ...]) -> str:
    """In any case, as kubectl takes it."""
    found = next((name for name in known if name.lower() == word.lower()), None)
    if found is None:
        raise UsageError(f"--for={text}: {word!r} is not known", hint=f"one of {', '.join(known)}")
    return found


def _jsonpath(text: str) -> Expectation:
    """`{.a.b}=value`, or just `{.a.b}`: then anything but nothing will do."""
    from reconciler.cli.render import jsonpath
    from reconciler.cli.render.resource import tree

    path, value = _split(text)
    template = jsonpath.compile_template(path)

    def wrong(_key: Key, item: Picked | None) -> str:
        if item is None:
            return "it does not exist"
        found = jsonpath.render(template, tree(item.look, item.sight))
        if value is None:
            return "" if found else f"{path} is empty"
        return "" if found == value else f"{path} is {found!r}, not {value!r}"

    return Expectation(wrong)


def _split(text: str) -> tuple[str, str | None]:
    """The path ends with its brace; a filter inside may hold an equals sign of its own."""
    if text.startswith("{"):
        path, brace, rest = text.rpartition("}")
        path, rest = (path + brace, rest) if brace else (text, "")
        if rest and not rest.startswith("="):
            raise UsageError(f"--for=jsonpath={text}: {rest!r} is not understood", hint="like jsonpath='{.a}'=b")
        return path, rest[1:] if rest else None
    path, equals, value = text.partition("=")
    return path, value if equals else None

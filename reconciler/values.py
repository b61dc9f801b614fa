"""`dataclass`, for values, without most of what it costs to make the class.

The standard one writes and compiles up to six methods for each class: half a millisecond, at each start of each
command, for each of some two hundred classes. Here only `__init__` is compiled, and that when the first value is made,
which most commands do of a few classes only; the others are written once, below, and look at the class's fields. All
else is the standard one's: `field`, `replace`, `fields`, slots. (What it can do besides and nobody here needs is left
out: `field(init=False)`, `__post_init__`.)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 -- to whoever checks types it is just that one
    from dataclasses import replace as replace  # noqa: PLC0414
else:

    def replace(value: Any, /, **changes: Any) -> Any:
        """As the standard one does it with our classes, in a third of its time: for what is done by the thousand."""
        seen, number, slots = _fields_of(value.__class__)
        items = list(seen(value))
        for name, item in changes.items():
            if name not in number:
                raise TypeError(f"{type(value).__qualname__} has no field {name}")
            items[number[name]] = item
        made = object.__new__(value.__class__)
        for put, item in zip(slots, items):  # noqa: B905 -- they come from the same list
            put(made, item)
        return made

    def dataclass(*, frozen: bool = False, eq: bool = True, kw_only: bool = False, slots: bool = True) -> Any:
        """As the standard one; with `frozen`, each field is set once and then never again."""

        def made(cls: type) -> type:
            cls.__doc__ = cls.__doc__ or cls.__qualname__  # or a signature is made up for it, which takes the longest
            cls = dataclasses.dataclass(cls, init=False, repr=False, eq=False, kw_only=kw_only, slots=slots)
            _give(cls, "__repr__", _shown)
            if eq:
                cls._compared = staticmethod(_picker(field.name for field in dataclasses.fields(cls) if field.compare))
                _give(cls, "__eq__", _equal)
                _give(cls, "__hash__", _hashed if frozen else None)
            if frozen:
                cls.__setattr__, cls.__delattr__ = _set_once, _keep
            _give(cls, "__init__", _when_first_made(cls))
            return cls

        return made


def _give(cls: type, name: str, method: Any) -> None:
    """Unless the class says it by itself. To define `__eq__` alone leaves a `__hash__` of None behind."""
    if cls.__dict__.get(name) is None:
        setattr(cls, name, method)


def _when_first_made(cls: Any) -> Callable[..., None]:
    """Puts the compiled one in its own place, and then does what that does."""

    def __init__(self: Any, *args: Any, **named: Any) -> None:  # noqa: N807 -- it is one
        if cls.__init__ is __init__:
            cls.__init__ = _initializer(dataclasses.fields(cls))
        cls.__init__(self, *args, **named)

    return __init__


def _initializer(fields: Any) -> Callable[..., None]:
    """In place of the standard one, which would come by `_set_once` for each field and so take three times as long."""
    names: dict[str, Any] = {"_put": object.__setattr__, "_missing": dataclasses.MISSING}
    parameters, named, body = ["self"], ["*"], ["pass"]
    for field in fields:
        name, default, value = field.name, f"_of_{field.name}", field.name
        declared = f"{name}={default}"
        if field.default is not dataclasses.MISSING:
            names[default] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            names[default] = field.default_factory
            declared, value = f"{name}=_missing", f"{default}() if {name} is _missing else {name}"
        else:
            declared = name
        (named if field.kw_only else parameters).append(declared)
        body.append(f"_put(self, {name!r}, {value})")
    parameters += named if named[1:] else []
    exec(f"def __init__({', '.join(parameters)}):\n " + "\n ".join(body), names)  # noqa: S102 -- as the standard one does
    made: Callable[..., None] = names["__init__"]
    return made


@cache
def _fields_of(cls: type) -> tuple[Callable[[Any], Any], dict[str, int], list[Callable[[Any, Any], None]]]:
    """What gets them all at once, their numbers, and the ways into their slots, past `_set_once`."""
    names = [field.name for field in dataclasses.fields(cls)]
    seen = attrgetter(*names) if names[1:] else lambda value: tuple(getattr(value, name) for name in names)
    return seen, {name: number for number, name in enumerate(names)}, [getattr(cls, name).__set__ for name in names]


def _picker(names: Any) -> Callable[[Any], Any]:
    picked = tuple(names)
    return attrgetter(*picked) if picked else lambda _: ()


def _equal(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self is other or self._compared(self) == self._compared(other)


def _hashed(self: Any) -> int:
    return hash(self._compared(self))


def _shown(self: Any) -> str:
    fields = (field.name for field in dataclasses.fields(self) if field.repr)
    return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in fields)})"


def _set_once(self: Any, name: str, value: Any) -> None:
    if hasattr(self, name):
        raise dataclasses.FrozenInstanceError(f"{type(self).__qualname__}.{name} is set once and for all")
    object.__setattr__(self, name, value)


def _keep(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"{type(self).__qualname__}.{name} stays")

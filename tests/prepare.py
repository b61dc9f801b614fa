"""What the validation library makes of the spec classes, written down as `reconciler/core/prepared.py`.

    python -m tests.prepare          # `make schemas` does it

To make it takes the library a tenth of a second, at each start of each command that reads a spec; to read it, nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic_core

from reconciler.core.envelope import Metadata
from reconciler.core.validate import adapter, written
from reconciler.kinds import KINDS

FILE = Path(__file__).parents[1] / "reconciler" / "core" / "prepared.py"
UNUSED = {"metadata", "serialization", "serialization_alias"}
"""Of no use to who validates."""
BUILTIN = {dict, list, tuple}
WIDTH = 120

HEAD = '''"""Made by `make schemas`, from the spec classes, by the validation library. Not to be edited."""

# ruff: noqa: E501, I001, Q000
# fmt: off
from __future__ import annotations

from typing import Any

{imports}

MADE_FOR = {version!r}
"""The version of the library's core that reads it."""

SCHEMAS: dict[type, Any] = {schemas}

WRITTEN: dict[type, str] = {written}
"""How each class was written when it was read; one that is not written so any more needs another schema."""
'''


def text() -> str:
    """The whole file."""
    roots = (*(kind.spec for kind in KINDS.values()), Metadata)
    schemas = {_Named(cls): _plain(adapter(cls).core_schema) for cls in roots}
    classes = sorted({name.cls for name in _names(schemas)}, key=lambda cls: (cls.__module__, cls.__name__))
    return HEAD.format(
        imports="\n".join(f"from {cls.__module__} import {cls.__name__}" for cls in classes if cls not in BUILTIN),
        version=pydantic_core.__version__,
        schemas=_shown(schemas),
        written=_shown({_Named(cls): written(cls) for cls in classes if cls not in BUILTIN}),
    )


def _plain(part: Any) -> Any:
    match part:
        case {"ref": str(ref)} | {"schema_ref": str(ref)} if ":" in ref:
            name = "ref" if "ref" in part else "schema_ref"
            return _plain({**part, name: ref.partition(":")[0]})  # the rest is the class's address in memory
        case dict():
            return {name: _plain(value) for name, value in part.items() if name not in UNUSED}
        case list():
            return [_plain(value) for value in part]
        case tuple():
            return tuple(_plain(value) for value in part)
        case type() if part in BUILTIN or part.__module__.startswith("reconciler."):
            return _Named(part)
        case str() | int() | float() | None:
            return part
        case _:
            raise TypeError(f"{part!r} can't be written down; validate it by a plain type")


class _Named:
    """A class, shown by its name."""

    def __init__(self, cls: type) -> None:
        self.cls = cls

    def __repr__(self) -> str:
        return self.cls.__name__


def _names(part: Any) -> Iterator[_Named]:
    match part:
        case dict():
            for value in (*part.keys(), *part.values()):
                yield from _names(value)
        case list() | tuple():
            for value in part:
                yield from _names(value)
        case _Named():
            yield part


def _shown(part: Any, indent: int = 0) -> str:
    """In one line where it fits; else each part in its own."""
    whole = repr(part)
    if len(whole) + indent <= WIDTH or not isinstance(part, dict | list):
        return whole
    inner = [
        f"{' ' * (indent + 1)}{f'{name!r}: ' if isinstance(part, dict) else ''}{_shown(value, indent + 1)},\n"
        for name, value in (part.items() if isinstance(part, dict) else enumerate(part))
    ]
    opening, closing = "{}" if isinstance(part, dict) else "[]"
    return f"{opening}\n{''.join(inner)}{' ' * indent}{closing}"


if __name__ == "__main__":
    FILE.write_text(text())

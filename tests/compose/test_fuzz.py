"""Whatever a file says: it is carried, or it is told what is wrong with it, and where. Nothing else comes of it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import yaml

from reconciler.compose.fields import FIELDS
from reconciler.errors import Problem, SpecError
from tests.compose.reading import CORPUS, documents, project

VALUES = [
    None, True, 0, -1, 3.5, 10**30, "", "x", "no", "${A}", "$", "a:b", "1:2:3", "./x", "~", "-", "=", "::", "\u202e",
    [], [None], [[]], ["a"], {}, {"a": 1}, {"a": None}, {"external": True}, {"x-a": 1},
]  # fmt: skip
KEYS = [key for keys in FIELDS.values() for key in keys]
READ = [yaml.load(file.read_text(), yaml.BaseLoader) for file in sorted(CORPUS.glob("*.yml"))]
TREES = [tree for tree in READ if isinstance(tree, dict)]


@pytest.mark.parametrize("seed", range(6))
def test_a_file_with_anything_in_it_ends_in_documents_or_in_places(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(40):
        tree: Any = chance.choice(TREES)
        for _ in range(chance.randint(1, 3)):
            tree = put(tree, chance.choice(list(places(tree))), anything(chance))
        text = yaml.safe_dump(tree, allow_unicode=True)
        assert all(problem.line > 0 for problem in problems(text, lenient=chance.random() < 0.5)), text


def problems(text: str, *, lenient: bool) -> Sequence[Problem]:
    try:
        documents(project(text, lenient=lenient))
    except SpecError as error:
        return error.problems
    return ()


def anything(chance: random.Random) -> Any:
    if chance.random() < 0.7:
        return chance.choice(VALUES)
    return {chance.choice(KEYS): chance.choice(VALUES) for _ in range(2)}


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(value, (*path, key))


def put(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    if isinstance(tree, dict):
        return {key: put(item, path[1:], value) if key == path[0] else item for key, item in tree.items()}
    return [put(item, path[1:], value) if i == path[0] else item for i, item in enumerate(tree)]

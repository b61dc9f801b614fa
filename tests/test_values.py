"""The quick dataclasses are like the standard ones in all that we use of them."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field, replace

import pytest

from reconciler import values
from reconciler.model.key import Key
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0
    secret: str = field(default="", repr=False)
    note: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Nothing:
    pass


@dataclass(slots=True)
class Tally:
    counts: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Itself:
    x: int


@dataclass(frozen=True, slots=True)
class Own:
    x: int

    def __repr__(self) -> str:
        return "own"


def test_values_with_equal_fields_are_equal_and_hash_alike() -> None:
    assert Point(1, 2, note="a") == Point(1, 2, note="b")
    assert len({Point(1, 2, note="a"), Point(1, 2, note="b"), Point(2, 2)}) == 2
    assert Point(1) != Point(2)
    assert Point(1) != (1, 0, "")
    assert Nothing() == Nothing()
    assert hash(Nothing()) == hash(Nothing())


def test_who_wants_to_be_compared_by_identity_is() -> None:
    one = Itself(1)
    assert one != Itself(1)
    assert len({one, Itself(1)}) == 2


def test_a_field_is_set_once() -> None:
    point = Point(1)
    with pytest.raises(FrozenInstanceError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del point.x  # type: ignore[misc]
    assert point.x == 1
    with pytest.raises(AttributeError):
        point.z = 1  # type: ignore[attr-defined]


def test_what_is_not_frozen_changes_and_has_no_hash() -> None:
    tally = Tally()
    tally.counts = [1]
    assert tally == Tally([1])
    assert tally.counts is not Tally().counts
    with pytest.raises(TypeError):
        hash(tally)


def test_a_field_that_is_not_to_be_shown_is_not() -> None:
    assert repr(Point(1, 2, "hush")) == "Point(x=1, y=2, note='')"
    assert repr(Own(1)) == "own"


def test_the_tools_of_the_standard_ones_work() -> None:
    point = Point(1, 2)
    assert replace(point, y=3) == Point(1, 3)
    assert [one.name for one in dataclasses.fields(Point)] == ["x", "y", "secret", "note"]
    assert dataclasses.is_dataclass(Point)
    assert copy.copy(point) == point
    assert copy.deepcopy(point) == point
    assert pickle.loads(pickle.dumps(point)) == point
    assert not hasattr(point, "__dict__")
    match point:
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_keys_are_ordered_by_namespace_first_and_copied_as_they_are_made() -> None:
    ordered = [
        Key("volume", "a", "z"),
        Key("service", "b", "a"),
        Key("service", "b", "a", 0),
        Key("service", "b", "a", 2),
    ]
    assert sorted([*ordered[2:], *ordered[:2]]) == ordered
    assert max(ordered) == ordered[-1]
    assert [pickle.loads(pickle.dumps(key)) for key in ordered] == [copy.deepcopy(key) for key in ordered] == ordered
    assert [key.index for key in ordered] == [None, None, 0, 2]
    assert ordered[3].resource == ordered[1] == Key.parse("service/b/a")


def test_replacing_is_the_standard_one() -> None:
    point = Point(1, secret="s", note="n")
    for changes in ({}, {"x": 2}, {"y": 3, "note": ""}):
        quick, standard = values.replace(point, **changes), replace(point, **changes)
        assert (quick, quick.secret, quick.note) == (standard, standard.secret, standard.note)
    with pytest.raises(TypeError, match="Point has no field z"):
        values.replace(point, z=1)

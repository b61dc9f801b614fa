"""Kinds and resources as people type them."""

from __future__ import annotations

import pytest

from reconciler.cli.kinds import kind_called, targets
from reconciler.errors import UsageError


@pytest.mark.parametrize("word", ["service", "Service", "services", "svc", "SERVICES"])
def test_a_kind_is_found_by_any_of_its_names(word: str) -> None:
    assert kind_called(word).name == "Service"


@pytest.mark.parametrize(
    ("words", "kind", "names"),
    [
        (("services",), "Service", ()),
        (("svc", "web", "db"), "Service", ("web", "db")),
        (("service/web",), "Service", ("web",)),
        (("service/web", "svc/db"), "Service", ("web", "db")),
    ],
)
def test_a_kind_and_names_are_written_in_two_ways(words: tuple[str, ...], kind: str, names: tuple[str, ...]) -> None:
    found, wanted = targets(words)
    assert (found and found.name, wanted) == (kind, names)


def test_all_is_every_kind() -> None:
    assert targets(("all",)) == (None, ())


@pytest.mark.parametrize(
    "words", [(), ("servce",), ("service/",), ("/web",), ("service/web", "volume/data"), ("service/web", "db")]
)
def test_what_makes_no_sense_is_a_usage_error_with_a_hint(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        targets(words)
    assert caught.value.hint

"""Kinds and resources as people type them."""

from __future__ import annotations

import pytest

from reconciler.cli.kinds import kind_called
from reconciler.errors import UsageError


@pytest.mark.parametrize("word", ["service", "Service", "services", "svc", "SERVICES"])
def test_a_kind_is_found_by_any_of_its_names(word: str) -> None:
    assert kind_called(word).name == "Service"


@pytest.mark.parametrize("word", ["servce", "pod", ""])
def test_what_is_no_kind_is_a_usage_error_with_a_hint(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        kind_called(word)
    assert caught.value.hint

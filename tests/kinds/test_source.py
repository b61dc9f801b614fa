"""How often a Source is looked at."""

from __future__ import annotations

import pytest

from reconciler.kinds.source import Git, SourceSpec


@pytest.mark.parametrize(
    ("interval", "seconds"), [(None, 30), (5.0, 5), ("45s", 45), ("5m", 300), ("1h30m", 5400), ("24h", 86400)]
)
def test_an_interval_is_a_number_of_seconds_or_a_span(interval: float | str | None, seconds: float) -> None:
    assert SourceSpec(directory="/specs", interval=interval).seconds == seconds


def test_a_repository_is_looked_at_half_as_often() -> None:
    assert SourceSpec(git=Git(url="/srv/repo"), verify="none").seconds == 60

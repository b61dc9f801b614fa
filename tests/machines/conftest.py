"""A lab for each worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.machines.lab import Lab, opened


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    with opened() as made:
        yield made

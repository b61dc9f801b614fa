from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.keeping import Kept


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    kept = Kept(tmp_path / "diary.db")
    yield kept
    kept.diary.close()

from __future__ import annotations

import pytest


@pytest.fixture(params=[False, True], ids=["whole", "crashing"])
def crashing(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)

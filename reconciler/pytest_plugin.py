"""A fixture for tests that need services: found by pytest as soon as the package is installed.

def test_orders(reconciler_up):
    stack = reconciler_up("specs/shop.yaml")
    assert fetch(stack["web"].url()) == "ok"
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from reconciler.stack import Stack


@pytest.fixture
def reconciler_up() -> Iterator[Callable[..., Stack]]:
    """`reconciler.up`, entered: what it brings up is Ready when it returns, and gone when the test is over, with its
    data. Each call has a namespace of its own, unless it names one; so tests may run beside one another.
    """
    with ExitStack() as stacks:

        def begin(*paths: Any, **given: Any) -> Stack:
            from reconciler.stack import up  # noqa: PLC0415 -- most tests of most projects never ask

            fresh = {"namespace": f"test-{secrets.token_hex(4)}", "volumes": "namespace" not in given}
            return stacks.enter_context(up(*paths, **{**fresh, **given}))

        yield begin

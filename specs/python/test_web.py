"""Services for a test: install reconciler beside pytest, and ask for the fixture.

    pytest specs/python/test_web.py

Each test has a web server of its own; when the test is over it is gone, whatever became of the test.
"""

from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

from reconciler import Stack

SPEC = Path(__file__).parents[1] / "quickstart.yaml"


def test_it_says_hello(reconciler_up: Callable[..., Stack]) -> None:
    stack = reconciler_up(SPEC)
    with urlopen(f"{stack['web'].url()}/hello.txt") as answer:
        assert answer.read() == b"Hello from reconciler.\n"


def test_it_finds_its_files(reconciler_up: Callable[..., Stack]) -> None:
    web = reconciler_up(SPEC)["web"]
    assert "hello.txt" in web.exec(["ls", "files"]).stdout.split()
    assert "Serving HTTP" in web.logs() or web.status().ready

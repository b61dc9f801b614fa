"""The runtimes that the one suite runs over. A new one is a line in HARNESSES."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.model.desired import Stop
from tests.contract.containers import Containers
from tests.contract.elsewhere import Elsewhere
from tests.contract.harness import Harness
from tests.contract.processes import Processes

HARNESSES: dict[str, Callable[[pytest.FixtureRequest, Path, str], Harness]] = {
    "docker": Containers,
    "elsewhere": lambda _request, home, namespace: Elsewhere(home, namespace),
    "process": lambda _request, home, namespace: Processes(home, namespace),
}


@pytest.fixture(params=sorted(HARNESSES))
def harness(request: pytest.FixtureRequest, home: Path, namespace: str) -> Iterator[Harness]:
    """A runtime, and the means to bring it into trouble. All that a test made goes with it."""
    made = HARNESSES[request.param](request, home, namespace)
    yield made
    ours = [thing for thing in made.runtime.observe().objects if thing.key and thing.key.namespace == namespace]
    for thing in sorted(ours, key=lambda thing: thing.kind != "service"):  # before the volumes and networks they use
        if thing.kind == "service":
            made.runtime.stop(thing, Stop("KILL", 0))
        made.runtime.remove(thing)
    assert not [thing for thing in made.runtime.observe().objects if thing.key and thing.key.namespace == namespace]
    made.close()

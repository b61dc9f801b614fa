"""Every example in specs/ does what it says: it comes up, stays as it is, and leaves nothing."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.scenarios.stage import Stage, get

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "specs").glob("*.yaml"))


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    """A copy: what an example writes beside itself is not to end up in the repository."""
    return Path(shutil.copytree(ROOT / "specs", tmp_path / "specs"))


def test_there_are_at_least_eight_examples_of_one_idea_each() -> None:
    assert len(EXAMPLES) >= 8


@pytest.mark.parametrize("name", [path.name for path in EXAMPLES])
def test_H16_an_example_comes_up_stays_as_it_is_and_leaves_nothing(stage: Stage, specs: Path, name: str) -> None:
    spec = specs / name

    first = stage.apply(spec)
    assert first.json["settled"]
    assert set(first.results.values()) == {"created"}
    for key, status in _statuses(stage).items():
        assert status == "True", f"{key} is not Ready"

    with stage.events_during() as events:
        again = stage.apply(spec)
        assert stage.diff(spec).actions == []
        assert stage.diff().actions == []
    assert again.actions == []
    assert set(again.results.values()) == {"unchanged"}
    looks = [event for event in events if event.split()[1].startswith("exec")]  # a probe may; it changes nothing
    assert [event for event in events if event not in looks] == []

    volumes = stage.volumes()
    stage.delete(spec)
    assert stage.containers() == []
    assert stage.networks() == []
    assert stage.processes() == []
    assert list((stage.home / "processes").glob("*")) == []
    assert stage.volumes() == volumes, "data outlives a delete"

    stage.delete("volumes", "--all", "--volumes")
    assert stage.volumes() == []
    assert list((stage.home / "applied").rglob("*.yaml")) == []


def test_the_examples_do_what_their_comments_say(stage: Stage, specs: Path) -> None:
    stage.apply(specs / "mixed.yaml")
    assert "from the container" in stage.container_log("caller")
    assert "Hello from reconciler" in stage.container_log("caller")
    box = f"http://127.0.0.1:{stage.published('box')}"
    assert stage.process("native").environment()["BOX"] == box
    assert get(box) == "from the container\n"


def test_each_example_keeps_to_a_namespace_of_its_own() -> None:
    found = {path.name: set(re.findall(r"metadata: .*namespace: ([a-z-]+)", path.read_text())) for path in EXAMPLES}
    assert all(len(namespaces) == 1 for namespaces in found.values()), found


def _statuses(stage: Stage) -> dict[str, str]:
    items = stage.cli("get", "services", "-o", "json").json["items"]
    ready = {item["metadata"]["name"]: item["status"]["conditions"] for item in items}
    return {name: next(c["status"] for c in conditions if c["type"] == "Ready") for name, conditions in ready.items()}

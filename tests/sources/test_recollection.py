"""What was read once is not parsed again, is believed only as long as nothing has changed, and goes when it should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.sources import recollection
from reconciler.sources.applied import Applied
from reconciler.sources.home import Home
from reconciler.sources.recollection import Recollection
from tests.sources.test_applied import SPECS, example, two


def left(home: Path) -> Path:
    return home / "applied/default/.read.json"


def seal(file: Path, text: str) -> None:
    """As if we had written it ourselves."""
    file.write_text(f"{recollection._digest('default', text)}\n{text}")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A home whose documents were kept, and read once."""
    applied = Applied(Home(str(tmp_path / "home")), remembers=True)
    applied.keep(two())
    applied.resources("default")
    return tmp_path / "home"


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_what_is_recalled_is_what_was_read(path: Path, tmp_path: Path) -> None:
    home = Home(str(tmp_path / "home"))
    given = example(path)
    Applied(home).keep([*given, replace(given[0], key=given[0].key._replace(name="gone"), deleting=True)])
    for namespace in Applied(home).namespaces():
        read = Applied(home, remembers=True).resources(namespace)
        recalled = Recollection(home.path / "applied").recall(namespace)
        assert [known for _, known in recalled.values()] == read
        assert [known.origin for _, known in recalled.values()] == [one.origin for one in read]
        assert [repr(known.spec) for _, known in recalled.values()] == [repr(one.spec) for one in read]


def test_the_next_one_reads_no_yaml(kept: Path) -> None:
    code = f"""
import sys
from reconciler.sources.applied import Applied
from reconciler.sources.home import Home
assert len(Applied(Home({str(kept)!r})).resources("default")) == 2
print({{"yaml", "pydantic", "reconciler.core.parse"}} & set(sys.modules))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


def test_a_mere_look_leaves_nothing(kept: Path) -> None:
    left(kept).unlink()
    Applied(Home(str(kept))).resources("default")
    assert not left(kept).exists()


def test_a_document_that_changed_is_read_anew(kept: Path) -> None:
    home = Home(str(kept))
    changed = replace(two()[0], generation=9)
    Applied(home).keep([changed])
    assert Applied(home).resources("default")[0] == changed
    file = kept / "applied/default/service-two.yaml"
    facts = file.stat()
    file.write_text(file.read_text().replace("a", "b", 1).replace("bpiVersion", "apiVersion"))
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    assert Applied(home).resources("default")[1].key.name == "two"


def test_what_is_deleted_is_not_remembered(kept: Path) -> None:
    applied = Applied(Home(str(kept)), remembers=True)
    assert "two" in left(kept).read_text()
    applied.forget(two()[1].key)
    assert not left(kept).exists()
    applied.resources("default")
    assert "two" not in left(kept).read_text()
    applied.forget(two()[0].key)
    assert not left(kept).parent.exists()


def test_it_is_for_nobody_else(kept: Path) -> None:
    assert left(kept).stat().st_mode & 0o777 == 0o600
    assert left(kept).parent.stat().st_mode & 0o777 == 0o700
    left(kept).chmod(0o644)
    assert Recollection(kept / "applied").recall("default") == {}


HOSTILE = [
    "", "{}", "[]", "null", "[" * 100_000, '{"code": 1}',
    '["os:system", {"command": "x"}]', '["reconciler.model.resource:replace", {}]',
    '["reconciler.model.key:Key", {"kind": "a"}]', '["reconciler.kinds.service:Any", {}]',
    '["reconciler.kinds.nowhere:Any", {}]',
    '["reconciler.model.key:Key", {"kind": "a", "namespace": "b", "name": "c"}]',
]  # fmt: skip


@pytest.mark.parametrize("tree", HOSTILE)
def test_what_can_not_be_believed_is_as_good_as_nothing(kept: Path, tree: str) -> None:
    seal(left(kept), tree)
    assert Recollection(kept / "applied").recall("default") == {}
    whole = {"code": recollection.code(), "documents": {"service-one.yaml": [[1, 2, 3], "TREE"]}}
    seal(left(kept), json.dumps(whole).replace('"TREE"', tree or "0"))
    assert Recollection(kept / "applied").recall("default") == {}
    assert len(Applied(Home(str(kept))).resources("default")) == 2


def test_any_flipped_bit_of_it_is_noticed(kept: Path) -> None:
    """Most of them leave JSON that is as valid as before, and says something else."""
    whole = left(kept).read_bytes()
    for place in range(0, len(whole), 7):
        left(kept).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert Recollection(kept / "applied").recall("default") == {}, place
    left(kept).write_bytes(whole)
    assert len(Recollection(kept / "applied").recall("default")) == 2


def test_another_version_remembers_nothing_of_it(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.__version__", "999")
    assert Recollection(kept / "applied").recall("default") == {}

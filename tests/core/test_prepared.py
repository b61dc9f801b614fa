"""What was written down of the library's schemas is current, and of one mind with the library itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pydantic_core
import pytest

from reconciler.core import prepared, validate
from reconciler.core.parse import Text, parse
from reconciler.errors import SpecError
from reconciler.kinds import KINDS
from tests import prepare

ROOT = Path(__file__).parents[2]
TEXTS = [
    path
    for folder in (ROOT / "specs", ROOT / "tests" / "golden" / "specs")
    for path in sorted(folder.rglob("*.yaml"))
    if path.is_file()
]
VARIABLES = {"HOME": "/home/ada", "COLOUR": "blue"}


def test_it_is_current() -> None:
    """For the version of the library that wrote it; beside another one it is not used at all."""
    if pydantic_core.__version__ == prepared.MADE_FOR:
        assert prepare.FILE.read_text() == prepare.text(), "make schemas"
    else:
        assert not any(validate.in_force(kind.spec) for kind in KINDS.values())


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_it_takes_and_refuses_what_the_library_does(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = _read(path)
    monkeypatch.setattr(validate, "validator", lambda cls: validate.adapter(cls).validator)
    assert written == _read(path)


def test_another_version_of_the_library_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = KINDS["Service"].spec
    monkeypatch.setattr(prepared, "MADE_FOR", pydantic_core.__version__)
    assert validate.in_force(spec)
    monkeypatch.setattr(prepared, "MADE_FOR", "0.1")
    assert not validate.in_force(spec)


def test_a_class_that_was_changed_since_is_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = KINDS["Service"].spec
    monkeypatch.setattr(prepared, "MADE_FOR", pydantic_core.__version__)
    monkeypatch.setitem(spec.__annotations__, "newcomer", "str")
    assert not validate.in_force(spec)


def test_to_read_a_spec_the_library_itself_is_not_imported(tmp_path: Path) -> None:
    spec = tmp_path / "web.yaml"
    spec.write_text("{apiVersion: reconciler/v1, kind: Volume, metadata: {name: web}}")
    code = "import sys\nfrom reconciler.loading import load\nprint(len(load(sys.argv[1:])), 'pydantic' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code, spec], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert ran.stdout.split() == ["1", str(pydantic_core.__version__ != prepared.MADE_FOR)]


def _read(path: Path) -> str:
    try:
        documents = parse([Text(path.name, path.read_bytes(), str(path.parent))], environment=VARIABLES)
    except SpecError as error:
        return "\n".join(map(str, error.problems))
    return "\n".join(repr(document.resource) for document in documents)

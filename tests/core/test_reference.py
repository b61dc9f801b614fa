"""The annotated reference is right, and leaves nothing out."""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.core import shape
from reconciler.core.graph import graph_of
from reconciler.core.linking import link_faults
from reconciler.core.parse import Text, parse
from reconciler.kinds import KINDS

REFERENCE = Path(__file__).parents[2] / "specs" / "reference" / "reference.yaml"


def test_the_reference_is_valid_and_its_documents_fit_together() -> None:
    text = Text(REFERENCE.name, REFERENCE.read_bytes(), str(REFERENCE.parent))
    documents = parse([text], environment={"HOME": "/root"})

    assert list(link_faults(graph_of("reference", [document.resource for document in documents]))) == []


def test_every_field_of_every_kind_stands_in_the_reference() -> None:
    written = set(re.findall(r"([A-Za-z]+):", REFERENCE.read_text()))
    fields = {name for kind in KINDS.values() for name, _ in shape.places(shape.record(kind.spec))}

    assert fields - written == set()

"""What a host says of its networks, read. Whatever one says of itself hurts nobody else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.planner import plan
from reconciler.errors import Unreachable
from reconciler.runtimes.mesh.listing import read
from tests.core.build import NOW
from tests.core.test_topology import seen, stack, world

KEY = "pgZkHKlu1Tv7Wf2U26IRYcOnV8FxNXT0AlXzbK53FG4="
LABELS = {
    "dev.reconciler.owner": "me", "dev.reconciler.namespace": "shop", "dev.reconciler.kind": "mesh",
    "dev.reconciler.name": "far", "dev.reconciler.fingerprint": "abc",
}  # fmt: skip
TOLD = f"""\
who root
met 192.168.7.5
tool ip
tool wg
leg eth0@if7 192.168.7.5/24
leg rcm1 10.42.3.4/32
udp 7918
= rcm1
clock 1700000030
labels {json.dumps(LABELS)}
public {KEY}
set self 10.42.3.4 31000
set peer {KEY} 10.42.9.9/32 10.0.0.1:31000 25 local
live {KEY} 31000
peer {KEY} 10.0.0.1:31000 10.42.9.9/32 1700000000
up
route 10.42.9.9
end
"""


def test_a_part_is_read_with_its_device_and_its_neighbours() -> None:
    footing, (part,) = read(TOLD, "shop/far", "me")
    assert next((leg.device, leg.address) for leg in footing.legs) == ("eth0", "192.168.7.5/24")
    assert (footing.met_at, footing.lacking, footing.datagrams) == ("192.168.7.5", "", {31000})
    assert part.facts is not None
    known = part.facts.fields
    assert (known["up"], known["public"], known["port"], known["wanted_address"]) == (True, KEY, 31000, "10.42.3.4")
    assert (known["wanted_port"], known["peers"][KEY]["settled"]) == (31000, True)
    assert (known["hosts"], known["endpoints"]) == ({"local": "10.42.9.9"}, {"local": "10.0.0.1:31000"})
    assert known["peers"][KEY]["reached"] == ("10.42.9.9",)


def test_what_is_somebody_elses_or_another_hosts_is_no_part_of_ours() -> None:
    assert read(TOLD, "shop/far", "you")[1] == ()
    assert read(TOLD, "shop/near", "me")[1] == ()


def test_half_an_answer_is_none_and_who_may_not_says_so() -> None:
    with pytest.raises(Unreachable):
        read(TOLD.removesuffix("end\n"), "far", "me")
    assert "anna may make no network devices on far" in read(TOLD.replace("root", "anna"), "far", "me")[0].lacking
    assert "far has no wg" in read(TOLD.replace("tool wg\n", ""), "far", "me")[0].lacking


def lies() -> st.SearchStrategy[str]:
    """The same answer, with a word of it replaced, or a line left out."""
    lines = TOLD.splitlines()
    word = st.sampled_from(
        ["", "-", "x", "999.1.1.1/8", "::1/64", "10.42.0.1", "--help", "$(id)", "\x1b[2J", "²", "99999999"]
    )

    def with_word(where: int, which: int, other: str) -> str:
        words = lines[where].split(" ")
        words[which % len(words)] = other
        return "\n".join([*lines[:where], " ".join(words), *lines[where + 1 :]])

    return st.builds(with_word, st.integers(0, len(lines) - 2), st.integers(0, 9), word)


@pytest.mark.parametrize(
    ("said", "lie"),
    [
        (json.dumps(LABELS), "[" * 100_000),
        (f"live {KEY} 31000", f"live {KEY} {'9' * 5000}"),
        ("1700000000", "9" * 5000),
    ],
)
def test_H15_nothing_is_too_deep_or_too_long_to_be_read(said: str, lie: str) -> None:
    _, parts = read(TOLD.replace(said, lie), "shop/far", "me")
    assert all(part.facts and part.facts.fields["port"] in {0, 31000} for part in parts)


@settings(max_examples=60, deadline=None)
@given(lies())
def test_a_host_that_lies_stops_nobody(text: str) -> None:
    try:
        footing, parts = read(text, "shop/far", "me")
    except Unreachable:
        return

    found = plan(stack(), seen(world(), "shop/far", footing=footing, objects=parts), {}, NOW)
    assert [a for a in found.actions if a.key.name == "local"] or found.waits

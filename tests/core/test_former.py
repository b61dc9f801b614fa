"""Where a host led before stays known until nothing of ours is there, whichever namespace's it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.former import given_up, left, unlooked
from reconciler.core.planner import plan
from reconciler.core.teardown import buried
from reconciler.kinds.host import HostSpec, SshAccess
from reconciler.model.key import Key
from reconciler.model.observed import INSTANCE, Observed, Snapshot, View
from reconciler.model.plan import Reason
from tests.core.build import NOW, graph, process, resource, settled

ONE, OTHER = "ssh-ed25519 AAAA", "ssh-ed25519 BBBB"


def host(at: str = "10.0.0.1", user: str = "root", pin: str = "", **spec: Any) -> HostSpec:
    return HostSpec(ssh=SshAccess(host=at, user=user, host_key=pin), **spec)


@pytest.mark.parametrize(
    ("before", "after", "leads_elsewhere"),
    [
        (host(), host(user="deploy"), True),
        (host(), host(state="/srv/state"), True),
        (host(pin=ONE), host("10.0.0.2", pin=OTHER), True),
        (host(pin=ONE), host("10.0.0.2", pin=ONE), False),
        (host(), host("10.0.0.2", pin=ONE), False),
        (host(pin=ONE), host(pin=OTHER), False),
        (host(), host(engine="/run/podman/podman.sock"), True),
        (host(), host(engine="none"), True),
        (host(engine="none"), host(), False),
        (host(), host(address="10.9.9.9", mesh="never"), False),
        (HostSpec(address="10.0.0.1"), HostSpec(address="10.0.0.2"), False),
    ],
)
def test_a_host_leads_elsewhere_by_another_account_or_engine_or_to_a_machine_with_another_key(
    before: HostSpec, after: HostSpec, leads_elsewhere: bool
) -> None:
    """A key that alone is another is that of a machine that was installed anew; an address alone may be a new lease."""
    old, new = resource("host", "far", before), resource("host", "far", after)
    found = left({old.key: old}, [new])
    assert [(one.spec, one.deleting) for one in found] == ([(before, True)] if leads_elsewhere else [])
    assert left({}, [new]) == left({old.key: replace(old, deleting=True)}, [new]) == []


FAR = resource("host", "far", host(user="deploy"))
(WAS,) = left({FAR.key: resource("host", "far", host())}, [FAR])
PLACES = ("shop/far", f"shop/{WAS.key.name}")
WORLD = Snapshot((View("docker"), View("process"), *(View("process", place) for place in PLACES)))


def world(*there: Observed, **before: Any) -> Snapshot:
    """With these things where the host led before, too."""
    return with_view(settled(graph(process("api", run_on="far"), FAR, WAS), WORLD), objects=there, **before)


def with_view(snapshot: Snapshot, **how: Any) -> Snapshot:
    views = (replace(view, **how) if view.host == PLACES[1] else view for view in snapshot.views)
    return replace(snapshot, views=tuple(views))


def thing(identity: str, owner: str = "me", namespace: str = "elsewhere") -> Observed:
    key = Key("service", namespace, "api", 0)
    return Observed(identity, "x", INSTANCE, "process", host=PLACES[1], key=key, owner=owner)


LIVING = next(one.id for one in world().objects() if one.key and one.key.name == "api")


@pytest.mark.parametrize(
    ("snapshot", "gone"),
    [
        (world(), True),
        (world(thing("a")), False),
        (world(thing("a", owner="you")), True),
        (world(thing(LIVING)), True),
        (world(problem="it is away"), False),
    ],
    ids=["empty", "something of ours", "something of others", "the same account by another name", "away"],
)
def test_it_goes_when_nothing_of_ours_is_there_any_more(snapshot: Snapshot, gone: bool) -> None:
    wanted = graph(process("api", run_on="far"), FAR, WAS)
    assert (WAS.key in set(buried(wanted, snapshot))) == gone
    again = graph(process("api", run_on="far"), FAR, given_up(WAS))
    assert WAS.key in set(buried(again, snapshot)), "a person may say that it is gone for good"


def test_of_one_that_is_away_it_is_told_what_that_means() -> None:
    planned = plan(graph(process("api", run_on="far"), FAR, WAS), world(problem="it is away"), {}, NOW)
    assert planned.actions == ()
    (wait,) = planned.waits
    assert (wait.key, wait.reason) == (WAS.key, Reason.UNREACHABLE)
    assert wait.message.endswith(f"if that is gone for good: reconciler delete {WAS.key.short} -n shop")


def test_a_host_that_is_forgotten_unseen_is_not_forgotten_in_silence() -> None:
    gone = graph(given_up(WAS))
    assert unlooked(gone, world()) == []
    ((key, why),) = unlooked(gone, world(problem="it is away"))
    assert (key, why) == (WAS.key, "it can't be looked at, so whatever of ours is there stays there: it is away")
    assert unlooked(graph(WAS), world(problem="it is away")) == [], "that one stays"

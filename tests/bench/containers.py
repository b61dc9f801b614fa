"""Containers, beside the engine's own limit and the peers that are installed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.bench.contest import Contest, Contestant
from tests.bench.peers import Peer, container_peers
from tests.bench.stage import Stage


def contests(stage: Stage, *, quick: bool) -> Iterator[Contest]:
    peers = container_peers(stage)
    counts = (1, 10) if quick else (1, 10, 50, 100)
    for count in counts:
        yield _first(stage, count, _up_to(count, peers), quick=quick)
    for count in counts:
        yield _again(stage, count, _up_to(count, peers), quick=quick)
        yield _handed_over(stage, count, _up_to(count, peers), quick=quick)
    for count in (10,) if quick else (50, 100):
        yield _changed(stage, count, _up_to(count, peers), quick=quick)
        yield _rolled(stage, count, quick=quick)
        yield _delete(stage, count, _up_to(count, peers), quick=quick)


def _up_to(count: int, peers: list[Peer]) -> list[Peer]:
    return [peer for peer in peers if count <= peer.most]


def _first(stage: Stage, count: int, peers: list[Peer], *, quick: bool) -> Contest:

    def away() -> None:
        stage.delete(stage.containers(count))
        stage.forget()

    contestants = [
        Contestant("ours", lambda: stage.apply(stage.containers(count), "--no-wait"), after=away),
        Contestant("floor", lambda: stage.floor("up", count), after=lambda: stage.floor("down", count)),
        Contestant("ours, until Ready", lambda: stage.apply(stage.containers(count)), after=away),
        *(Contestant(p.name, lambda p=p: p.up(count), after=lambda p=p: p.down(count)) for p in peers),  # type: ignore[misc]
    ]
    rounds = 3 if quick else 5 if count <= 10 else 3
    return Contest(f"first apply of {count}", "P1", contestants, 1.5 if count == 1 else 1.10, rounds)


def _again(stage: Stage, count: int, peers: list[Peer], *, quick: bool) -> Contest:
    contestants = _in_a_world(stage, count, peers, 6, [
        Contestant("ours", lambda: stage.apply(stage.containers(count))),
        Contestant("floor", lambda: stage.floor("look", count)),
        *(Contestant(p.name, lambda p=p: p.up(count)) for p in peers),  # type: ignore[misc]
    ])  # fmt: skip
    return Contest(f"nothing to do, {count}", "P3", contestants, None, 2)


def _handed_over(stage: Stage, count: int, peers: list[Peer], *, quick: bool) -> Contest:
    """The same while a daemon looks after it."""
    contest = _again(stage, count, peers, quick=quick)
    ours, *others = contest.contestants

    def up() -> None:
        stage.reconciler("daemon", "start")
        ours.before()

    def down() -> None:
        stage.reconciler("daemon", "stop")
        ours.after()

    return replace(
        contest, title=f"{contest.title}, with a daemon", contestants=[replace(ours, before=up, after=down), *others]
    )


def _changed(stage: Stage, count: int, peers: list[Peer], *, quick: bool) -> Contest:
    step = iter(range(1, 1000))
    contestants = _in_a_world(stage, count, peers, 2 if quick else 4, [
        Contestant("ours", lambda: stage.apply(stage.containers(count, changed=next(step)), "--no-wait")),
        Contestant("floor", lambda: stage.floor("change", count)),
        *(Contestant(p.name, lambda p=p: p.change(count, next(step))) for p in peers if p.changes),  # type: ignore[misc]
    ])  # fmt: skip
    return Contest(f"one of {count} changed", "P4", contestants, 1.25, 2)


def _rolled(stage: Stage, count: int, *, quick: bool) -> Contest:
    """Told, not judged: the old one goes only once another new one is Ready, which nobody else here does."""
    step = iter(range(1, 1000))
    contestants = _in_a_world(stage, count, [], 2 if quick else 4, [
        Contestant("ours", lambda: stage.apply(stage.containers(count, changed=next(step), rolling=True))),
        Contestant("floor", lambda: stage.floor("change", count)),
    ])  # fmt: skip
    return Contest(f"one of {count} changed, rolling", "", contestants, None, 1)


def _delete(stage: Stage, count: int, peers: list[Peer], *, quick: bool) -> Contest:
    contestants = [
        Contestant(
            "ours",
            lambda: stage.delete(stage.containers(count)),
            before=lambda: stage.apply(stage.containers(count)),
            after=stage.forget,
        ),
        Contestant("floor", lambda: stage.floor("down", count), before=lambda: stage.floor("up", count)),
        *(Contestant(p.name, lambda p=p: p.down(count), before=lambda p=p: p.up(count)) for p in peers),  # type: ignore[misc]
    ]
    return Contest(f"delete of {count}", "P5", contestants, 1.15, 3)


def _in_a_world(
    stage: Stage, count: int, peers: list[Peer], times: int, contestants: list[Contestant]
) -> list[Contestant]:
    """Each one's own containers are up during its turn, and nobody else's: a list of all would be longer."""
    worlds = {
        "ours": (
            lambda: stage.apply(stage.containers(count)),
            lambda: (stage.delete(stage.containers(count)), stage.forget()),
        ),
        "floor": (lambda: stage.floor("up", count), lambda: stage.floor("down", count)),
        **{p.name: (lambda p=p: p.up(count), lambda p=p: p.down(count)) for p in peers},  # type: ignore[misc]
    }
    return [replace(one, before=worlds[one.name][0], after=worlds[one.name][1], times=times) for one in contestants]

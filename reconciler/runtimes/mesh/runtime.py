"""The part of a mesh that one host has, here or elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from reconciler.core.mesh import KEEPALIVE_SECONDS
from reconciler.errors import Denied, ReconcilerError, Refused
from reconciler.inquiry import Question, Told, alone
from reconciler.model import labels as table
from reconciler.model.desired import Desired, MeshPayload, Stop
from reconciler.model.key import Key
from reconciler.model.observed import Footing, Observed, View
from reconciler.ports import Completed, Host
from reconciler.runtimes.mesh import scripts
from reconciler.runtimes.mesh.listing import RUNTIME, read
from reconciler.runtimes.said import last_line

LOOK_SECONDS = 15.0
ACT_SECONDS = 30.0


class MeshRuntime:
    """Of the five verbs, three: nothing is started or stopped, it is there or not."""

    name = RUNTIME

    def __init__(self, host: Host, owner: str, *, state: str = "") -> None:
        """`state` is a directory there; empty for the usual one of the user that we are there."""
        self.host = host.name
        self._there, self._owner, self._state = host, owner, state

    def observe(self, *, deep: bool = False) -> View:  # noqa: ARG002 -- a look at everything costs no more
        return self.view(alone(self._there, self.question(), deadline=LOOK_SECONDS))

    def question(self) -> Question:
        return Question(scripts.AS_ROOT, (self._state, scripts.LIST, "look"))

    def view(self, told: Told) -> View:
        try:
            footing, parts = read(told.whole, self.host, self._owner)
        except ReconcilerError as error:
            return View(self.name, self.host, problem=error.message, hint=error.hint)
        return View(self.name, self.host, tuple(_addressed(parts, footing)), footing=footing)

    def glance(self) -> str:
        """Where there are other hosts, it takes a look at them to know. Without any, nothing can matter here."""
        return "alone"

    def get_ready(self) -> None:
        return

    def prepare(self, desired: Desired) -> None:  # noqa: ARG002 -- all that it takes has been looked at
        return

    def create(self, desired: Desired) -> None:
        wanted = desired.payload
        assert isinstance(wanted, MeshPayload), "only parts of meshes are made"
        lines = [json.dumps(table.write(desired), sort_keys=True), f"self {wanted.address} {wanted.port}"]
        for peer in wanted.peers:
            reached = ",".join(f"{address}/32" for address in peer.reached)
            lines.append(f"peer {peer.key} {reached} {peer.endpoint or '-'} {KEEPALIVE_SECONDS} {peer.host}")
            lines += [f"peer {peer.next_key} - {peer.endpoint or '-'} 0 {peer.host}"] if peer.next_key else []
        words = [wanted.device, wanted.address, str(wanted.port), "yes" if wanted.relays else "no", wanted.becomes]
        words.append(" ".join(wanted.to_call))
        said = "\n".join([*lines, ""]).encode()
        self._done(self._run(scripts.UP, words, stdin=said), f"{self.host} can't be made part of the mesh")

    def adjust(self, seen: Observed, desired: Desired, changes: Sequence[str]) -> None:  # noqa: ARG002
        self.create(desired)

    def start(self, seen: Observed, desired: Desired) -> None:  # noqa: ARG002
        self.create(desired)

    def stop(self, seen: Observed, stop: Stop) -> None:  # noqa: ARG002
        raise Refused(f"{seen.title} is there, or not there; it can't be stopped")

    def clear_away(self, key: Key) -> None:  # noqa: ARG002 -- nothing is made for it besides
        return

    def remove(self, seen: Observed) -> None:
        if seen.key is None:
            raise Refused(f"{seen.title} is not ours, and so is not touched")
        self._done(self._run(scripts.DOWN, [seen.id]), f"{self.host} can't be taken out of the mesh")

    def rotate(self, seen: Observed) -> None:
        """A new key is made there, beside the old one. The passes that follow put it in its place."""
        self._done(self._run(scripts.NEXT, [seen.id]), f"{self.host} can't be given another key")

    def _run(self, script: str, words: Sequence[str], *, stdin: bytes = b"") -> Completed:
        argv = ["sh", "-c", scripts.AS_ROOT, "mesh", self._state, script, "act", *words]
        return self._there.run(argv, stdin=stdin, deadline=ACT_SECONDS)

    def _done(self, done: Completed, what: str) -> None:
        if done.exit_code:
            said = last_line(done.stderr, done.exit_code).removeprefix("x: ")
            denied = any(word in said for word in ("ermission denied", "not permitted", "may make no"))
            raise (Denied if denied else Refused)(f"{what}: {said}")


def _addressed(parts: Sequence[Observed], footing: Footing) -> Iterator[Observed]:
    """With the addresses that their devices really have."""
    for part in parts:
        own = tuple(leg.address.partition("/")[0] for leg in footing.legs if leg.device == part.id)
        if part.facts:
            yield replace(part, facts=replace(part.facts, fields={**part.facts.fields, "addresses": own}))

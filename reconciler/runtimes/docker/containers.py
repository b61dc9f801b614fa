"""Containers: made, started, adjusted, stopped, removed; each by the id that was observed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any
from urllib.parse import quote

from reconciler.errors import Gone, NameTaken, OutcomeUnknown, Refused, StillRuns
from reconciler.failpoints import failpoint
from reconciler.model import labels
from reconciler.model.desired import ContainerPayload, Desired, Limits, Stop
from reconciler.model.observed import Observed, Phase
from reconciler.runtimes.docker import files, write
from reconciler.runtimes.docker.connection import READ_SECONDS, WRITE_SECONDS, Connection
from reconciler.runtimes.docker.dialect import ignores_limits, understandable
from reconciler.runtimes.docker.errors import missing_source, refusal
from reconciler.runtimes.docker.facts import networks, stopping
from reconciler.runtimes.docker.wire import Reply
from reconciler.waiting import until

UNDER_WAY = frozenset({"created", "configured", "initialized"})
"""What Podman says of a container from its making until it runs."""
GOES_ON = ("not paused", "cannot resume a running process")
"""What an engine says of what needs no unpausing, and runc to one that has not heard yet of an unpausing before."""


class Containers:
    def __init__(self, connection: Connection, save_log: Callable[[Observed], None]) -> None:
        self._connection = connection
        self._save_log = save_log

    def prepare(self, desired: Desired, payload: ContainerPayload) -> None:
        """Limits that would silently not be made are refused while the old one still runs: else it would be made anew
        for their sake again and again.
        """
        if payload.limits != Limits() and self._limits_ignored:
            raise Refused(
                f"{desired.key}: this engine ignores limits, as a rootless Podman does with cgroups v1",
                hint="take cpus, memory and pids out of spec.resources, or use cgroups v2, or an engine of root's",
            )

    def create(self, desired: Desired, payload: ContainerPayload) -> None:
        doing = f"creating container {desired.name}"
        container, begun = self._make(desired, payload, doing)
        failpoint("docker.container.made")
        if not begun:
            self._bring_up(container, payload, doing)

    def start(self, seen: Observed, payload: ContainerPayload) -> None:
        """Files are delivered again: a crash may have come between the create and their delivery."""
        self._bring_up(seen.id, payload, f"starting {seen.title}")

    def adjust(self, seen: Observed, desired: Desired, changes: Sequence[str]) -> None:
        for change in changes:
            match change:
                case "unpause":
                    self._unpause(seen)
                    failpoint("docker.container.unpaused")
                case "rename":
                    self._rename(seen, desired)
                case "limits":
                    self._update(seen, write.limits(_payload(desired)))
                case "restartPolicy":
                    self._update(seen, {"RestartPolicy": write.restart_policy(_payload(desired))})
                case "networks":
                    self._rejoin(seen, _payload(desired))
                case _:
                    raise Refused(f"{seen.title}: nothing is known of the change {change!r}")

    def stop(self, seen: Observed, stop: Stop) -> None:
        """A plain Stop() says nothing in particular: then it is stopped as it was made to be."""
        doing = f"stopping {seen.title}"
        configured, usual = self._stopping(seen, doing)
        if seen.phase is Phase.PAUSED and self._connection.engine == "podman":
            self._unpause(seen)  # it stops nobody who is paused
        if stop == Stop():
            stop = Stop(configured, usual)
        seconds = write.grace(stop)
        if configured == write.signal_name(stop) or seconds == 0:
            self._stop(seen, seconds, doing)
        else:
            self._ask_to_end(seen, write.signal_name(stop), seconds, doing)
            self._stop(seen, 0, doing)  # also who has ended: an engine that restarts is at it again by now

    def remove(self, seen: Observed) -> None:
        """Never by force: that would kill one that somebody has started meanwhile. Anonymous volumes go along, but for
        those of who was adopted: somebody may have kept all his data there.
        """
        if seen.key is not None:
            self._save_log(seen)
        doing = f"removing {seen.title}"
        try:
            reply = self._connection.delete(f"/containers/{seen.id}?v={int(not seen.adopted)}", doing, minding={409})
            if reply.status == 409:
                self._await_removal(seen, reply, doing)
        except Gone:
            return

    # -- parts of prepare and create

    @cached_property
    def _limits_ignored(self) -> bool:
        if self._connection.engine != "podman":
            return False
        # For the second it counts all that it has: that may last, and nobody is looked at meanwhile.
        version, info = self._connection.get_all(["/version", "/info"], seconds=WRITE_SECONDS)
        return ignores_limits({**info, **version})

    def _make(self, desired: Desired, payload: ContainerPayload, doing: str) -> tuple[str, bool]:
        """The id of the container under our name, and whether it has been started already."""
        self._require_host_paths(payload, doing)
        config = self._understood(write.container(desired, payload))
        reply = self._connection.post(f"/containers/create?name={quote(desired.name)}", doing, config, minding={409})
        return self._holder(desired, doing) if reply.status == 409 else (str(reply.json()["Id"]), False)

    def _understood(self, config: dict[str, Any]) -> dict[str, Any]:
        """Whose engine it is is asked only where that makes a difference."""
        told = understandable(config)
        return told if told != config and self._connection.engine == "podman" else config

    def _require_host_paths(self, payload: ContainerPayload, doing: str) -> None:
        """Podman makes those that are missing, as root and without a word. Docker refuses them by itself. Another
        host's we can't see.
        """
        paths = [mount.host_path for mount in payload.mounts if mount.host_path]
        endpoint = self._connection.endpoint
        if paths and endpoint.path and endpoint.lasts and self._connection.engine == "podman":
            for path in paths:
                if not os.path.lexists(path):
                    raise missing_source(path, doing)

    def _holder(self, desired: Desired, doing: str) -> tuple[str, bool]:
        """Who has the name: the very container that we were to make is as good as made. Names are a mutex. One that has
        come to its end was overlooked: whether it is to run once more is for the next look.
        """
        held = self._appearing(desired.name, doing)
        worn = held["Config"].get("Labels") or {}
        same = (
            worn.get(labels.OWNER) == desired.owner
            and labels.read_key(worn) == desired.key
            and worn.get(labels.FINGERPRINT) == desired.fingerprint
        )
        if not same:
            raise name_taken(desired, held["Id"], f"image {held['Config'].get('Image')}")
        return held["Id"], bool(held["State"].get("Running")) or held["State"].get("Status") == "exited"

    def _appearing(self, name: str, doing: str) -> Any:
        """The engine keeps a name free from the first moment on, and shows its container a little later."""

        def shown() -> Any:
            with suppress(Gone):
                return self._connection.get(f"/containers/{name}/json", doing)
            return None

        if held := until(shown, READ_SECONDS):
            return held
        raise OutcomeUnknown(f"{doing}: the name is taken, but nobody shows it", hint="look again")

    def _bring_up(self, container: str, payload: ContainerPayload, doing: str) -> None:
        files.deliver(self._connection, container, payload, doing)
        failpoint("docker.container.filled")
        further = list(write.further_networks(payload))
        if further:
            self._connect(container, further, doing)
        self._start(container, doing)
        failpoint("docker.container.started")

    def _start(self, container: str, doing: str) -> None:
        try:
            self._connection.post(f"/containers/{container}/start", doing)
        except Refused as error:
            if "state improper" not in str(error) or not self._started_by_another(container, doing):
                raise

    def _started_by_another(self, container: str, doing: str) -> bool:
        """Podman refuses while somebody else's start is under way, where Docker waits for it and agrees."""

        def state() -> Any:
            return self._connection.get(f"/containers/{container}/json", doing)["State"]

        until(lambda: state()["Status"] not in UNDER_WAY, READ_SECONDS)
        return bool(state()["Running"])

    def _connect(self, container: str, further: list[tuple[str, list[str]]], doing: str) -> None:
        joined = self._connection.get(f"/containers/{container}/json", doing)["NetworkSettings"]["Networks"]
        for network, aliases in further:
            if network not in joined:
                body = {"Container": container, "EndpointConfig": {"Aliases": aliases}}
                self._connection.post(f"/networks/{quote(network)}/connect", doing, body)
                failpoint("docker.container.joined")

    # -- parts of adjust, stop and remove

    def _stopping(self, seen: Observed, doing: str) -> tuple[str, float]:
        """Asked for only where no closer look has told it."""
        if seen.facts and seen.facts.stopping:
            return seen.facts.stopping
        return stopping(self._connection.get(f"/containers/{seen.id}/json", doing)["Config"])

    def _unpause(self, seen: Observed) -> None:
        doing = f"unpausing {seen.title}"
        reply = self._connection.post(f"/containers/{seen.id}/unpause", doing, minding={500})
        if reply.status == 500 and not any(words in reply.message for words in GOES_ON):
            raise refusal(reply.status, reply.message, doing)

    def _rename(self, seen: Observed, desired: Desired) -> None:
        doing = f"renaming {seen.title}"
        path = f"/containers/{seen.id}/rename?name={quote(desired.name)}"
        if self._connection.post(path, doing, minding={400, 409}).status < 400:
            return
        held: Any = self._connection.get(f"/containers/{quote(desired.name)}/json", doing)
        if held["Id"] != seen.id:
            raise name_taken(desired, held["Id"], f"image {held['Config'].get('Image')}")

    def _update(self, seen: Observed, settings: dict[str, Any]) -> None:
        self._connection.post(f"/containers/{seen.id}/update", f"adjusting {seen.title}", settings)

    def _rejoin(self, seen: Observed, payload: ContainerPayload) -> None:
        """New ones first: who is for a moment in no network at all loses every connection.

        One of which it keeps only a dead entry, or where it goes by other names, is left and joined anew.
        """
        doing = f"adjusting the networks of {seen.title}"
        inspected = self._connection.get(f"/containers/{seen.id}/json", doing)
        joined, own = dict(networks(inspected)), {inspected["Config"].get("Hostname")}
        for name in payload.networks:
            aliases = write.aliases(payload, name)
            if name not in seen.networks or set(joined.get(name, ())) - own != set(aliases) - own:
                if name in joined:
                    self._leave(seen, name, doing)
                body = {"Container": seen.id, "EndpointConfig": {"Aliases": aliases}}
                self._connection.post(f"/networks/{quote(name)}/connect", doing, body)
        for name in sorted(joined.keys() - set(payload.networks)):
            self._leave(seen, name, doing)

    def _leave(self, seen: Observed, network: str, doing: str) -> None:
        body = {"Container": seen.id, "Force": True}
        # 404: it has gone, with the network or without; others may be at it too
        self._connection.post(f"/networks/{quote(network)}/disconnect", doing, body, minding={404})

    def _stop(self, seen: Observed, seconds: int, doing: str) -> None:
        path, patience = f"/containers/{seen.id}/stop?t={seconds}", seconds + WRITE_SECONDS
        reply = self._connection.post(path, doing, seconds=patience, minding={409})
        if reply.status == 409:
            if "is paused" not in reply.message:
                raise refusal(reply.status, reply.message, doing)
            self._unpause(seen)  # somebody has paused it since the last look
            self._connection.post(path, doing, seconds=patience)

    def _ask_to_end(self, seen: Observed, signal: str, seconds: int, doing: str) -> None:
        """The spec names another signal than the container was made with: ours first, the engine's own after it."""
        reply = self._connection.post(f"/containers/{seen.id}/kill?signal={signal}", doing, minding={409})
        failpoint("docker.container.signalled")
        if reply.status == 409:
            if "is not running" not in reply.message:
                raise refusal(reply.status, reply.message, doing)
            return
        with suppress(OutcomeUnknown):
            self._connection.post(f"/containers/{seen.id}/wait", doing, seconds=seconds)

    def _await_removal(self, seen: Observed, reply: Reply, doing: str) -> None:
        if "running" in reply.message or "paused" in reply.message:
            raise StillRuns(seen.title)
        if "already in progress" not in reply.message:
            raise refusal(reply.status, reply.message, doing)
        self._connection.post(f"/containers/{seen.id}/wait?condition=removed", doing)


def _payload(desired: Desired) -> ContainerPayload:
    assert isinstance(desired.payload, ContainerPayload), "only containers have limits and networks"
    return desired.payload


def name_taken(desired: Desired, holder: str, what: str) -> NameTaken:
    noun = "container" if desired.key.is_workload else desired.key.kind
    return NameTaken(
        f"the name {desired.name} is held by {noun} {holder[:12]} ({what}), which is not ours",
        hint=f"remove or rename it, for example: docker rename {holder[:12]} {desired.name}-old"
        if noun == "container"
        else "remove it, or choose another name",
    )

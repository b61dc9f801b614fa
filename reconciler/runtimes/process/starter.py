"""Makes everything ready for a launch, launches, and clears up behind one that was refused."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

from reconciler.errors import Refused
from reconciler.failpoints import failpoint
from reconciler.model import labels as table
from reconciler.model.desired import Desired, ProcessPayload
from reconciler.model.key import Key
from reconciler.runtimes.process import cgroup, launcher, lock, tree
from reconciler.runtimes.process.cgroup import Cgroups, Group
from reconciler.runtimes.process.directory import (
    begin,
    deliver,
    directories,
    open_way,
    read_labels,
    take_apart,
    write_labels,
    write_new,
)
from reconciler.runtimes.process.facts import as_asked, program_of
from reconciler.runtimes.process.identity import wait_for_end
from reconciler.runtimes.process.launcher import Launch, Launched
from reconciler.runtimes.process.payload import account_of, cannot_start, environment, path_of, payload_of, refusal
from reconciler.runtimes.process.tree import Tree


class Starter:
    """Whoever calls has the turn, and has seen to it that nothing of an earlier run holds the lock."""

    def __init__(self, owner: str) -> None:
        self._owner = owner

    @cached_property
    def cgroups(self) -> Cgroups:
        """Looked up when first needed: not everybody who makes a runtime runs something."""
        return Cgroups.find()

    def start(self, desired: Desired, wanted: ProcessPayload, directory: str, *, fresh: bool) -> int:
        """Returns the shell parent, a child of ours. One that was `fresh` leaves no trace when it is refused."""
        self._end_orphans(desired.key, self._group_name(directory))
        held = lock.take(os.path.join(directory, "lock"))
        if held is None:
            raise Refused(f"{desired.key}: its lock is held", hint="look again")
        failpoint("process.directory.made")
        try:
            with held:
                launched = launcher.launch(self._ready(desired, wanted, directory), held)
        except (OSError, Refused) as error:
            if fresh:
                self.forget(directory)
            raise cannot_start(desired, error, directory) from error
        failpoint("process.service.launched")
        if launched.verdict:
            self._refuse(desired, directory, launched, fresh=fresh)
        return launched.parent

    def limit(self, desired: Desired, directory: str, labels: Mapping[str, Any], members: Tree) -> None:
        """Other limits for one that runs. They are written down last: until then they count as changed by somebody."""
        payload = payload_of(desired)
        try:
            group = self.cgroups.change(self._group_name(directory), payload.limits, labels.get("cgroups", ()))
        except OSError as error:
            raise Refused(
                f"{desired.key}: it uses more now than it is to be limited to: {error.strerror}",
                hint="restart it, or give it more memory",
            ) from error
        tree.gather(members, group.directories)
        asked = {name: value for name, value in as_asked(payload).items() if name == "asked"}
        write_labels(directory, {**labels, **asked, **_limits(group)})

    def forget(self, directory: str) -> None:
        """All that there is of a service that does not run."""
        recorded = (read_labels(directory) or {}).get("cgroups", ())
        cgroup.remove({*recorded, *self.cgroups.places(self._group_name(directory))})
        take_apart(directory)

    def _end_orphans(self, key: Key, group_name: str) -> None:
        """Processes of ours whose directory somebody deleted: only their cgroup still knows them."""
        path, place = self.cgroups.place(group_name)
        if place and cgroup.populated(place):
            tree.kill(Tree(self._owner, str(key), group=path, directory=place))

    def _ready(self, desired: Desired, wanted: ProcessPayload, directory: str) -> Launch:
        """Labels first: from then on it is ours, and whatever comes after can be done again."""
        payload, account = payload_of(desired), account_of(desired)
        group = self.cgroups.make(self._group_name(directory), payload.limits)
        failpoint("process.cgroup.made")
        program = program_of(payload.command[0], payload.working_dir or "/", path_of(desired))
        write_labels(directory, _labels(desired, directory) | as_asked(wanted) | _limits(group) | {"program": program})
        failpoint("process.labels.written")
        begin(directory)
        deliver(directory, payload.mounts, account)
        if account and any(mount.files for mount in payload.mounts):
            open_way(desired.key, [f"{directory}/files", *_outwards(directory)], account)
        if account and payload.package:
            open_way(desired.key, _outwards(f"{_outwards(directory)[-1]}/packages/{payload.package.id}"), account)
        failpoint("process.directory.filled")
        return Launch(
            title=f"reconciler: {desired.key}",
            directory=directory,
            owner=self._owner,
            key=str(desired.key),
            command=payload.command,
            working_dir=payload.working_dir or "/",
            env=environment(desired),
            group=group.path,
            joins=group.joins,
            become=account.become if account else (),
        )

    def _refuse(self, desired: Desired, directory: str, launched: Launched, *, fresh: bool) -> None:
        """Nothing has begun. An older one remembers why."""
        problem = refusal(desired, launched.verdict, directory)
        wait_for_end(launched.parent)
        launcher.reap(launched.parent)
        if fresh:
            self.forget(directory)
        else:
            write_new(os.path.join(directory, "refused"), problem.message.encode())
        raise problem

    def strays(self, known: Collection[str]) -> list[str]:
        """Names of directories that are not there any more, though somebody runs in their cgroups."""
        path, place = self.cgroups.place(self._group_name(""))
        if not path:
            return []
        names = (
            name.removeprefix(self._group_name(""))
            for name in directories(os.path.dirname(place))
            if name.startswith(self._group_name(""))
        )
        return [name for name in names if name not in known and cgroup.populated(f"{place}{name}")]

    def group(self, directory: str) -> str:
        """The cgroup of a service, as the kernel would name it."""
        return self.cgroups.place(self._group_name(directory))[0]

    def _group_name(self, directory: str) -> str:
        return f"{self._owner[:8]}-{os.path.basename(directory)}"


def _outwards(directory: str) -> list[str]:
    """One of a home's, from itself to the home."""
    kind = os.path.dirname(directory)
    return [directory, kind, os.path.dirname(kind)]


def _labels(desired: Desired, directory: str) -> dict[str, object]:
    """The id stays for as long as the directory does, over every start."""
    before = read_labels(directory) or {"id": os.urandom(16).hex(), "created": time.time()}
    return {
        **table.write(desired),
        "id": before["id"],
        "created": before.get("created", time.time()),
        "ports": {port.name: [port.protocol, port.bind] for port in payload_of(desired).ports},
        "stop": [payload_of(desired).stop.signal, payload_of(desired).stop.grace_seconds],
        **({"package": package.id} if (package := payload_of(desired).package) else {}),
    }


def _limits(group: Group) -> dict[str, object]:
    return {
        "cgroups": list(group.directories),
        "unenforced": group.unenforced,
        "limits": {controller: kept.written() for controller, kept in group.kept.items()},
    }

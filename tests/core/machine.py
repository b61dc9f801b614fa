"""A machine as a value, for the rules of the policy: links, sockets, users. No file of the real one is looked at."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import field

from reconciler.core.rules import Account, Landing
from reconciler.values import dataclass


@dataclass(frozen=True)
class Machine:
    links: Mapping[str, str] = field(default_factory=dict)
    special: frozenset[str] = frozenset()
    users: Mapping[str, int] = field(default_factory=dict)
    own: Sequence[str] = ()
    me: str = "root"

    def landing(self, path: str) -> Landing:
        real = posixpath.normpath(path).replace("//", "/")
        for link, target in self.links.items():
            if real == link or real.startswith(f"{link}/"):
                real = posixpath.normpath(target + real.removeprefix(link))
        return Landing(real, special=real in self.special)

    def account(self, user: str) -> Account:
        name = user or self.me
        if name.isdecimal():
            found = next((one for one, uid in self.users.items() if uid == int(name)), name)
            return Account(found, int(name))
        return Account(name, self.users.get(name))

    def guarded(self) -> Sequence[str]:
        return self.own


MACHINE = Machine(
    links={
        "/var/run": "/run", "/proc/self/root": "", "/srv/apps/out": "", "/srv/apps/passwords": "/etc/shadow",
        "/srv/apps/engine": "/run/docker.sock", "/srv/apps/neighbour": "/srv/secret",
        "/srv/apps/inner": "/srv/apps/state",
    },
    special=frozenset({"/srv/apps/hard.sock", "/run/docker.sock"}),
    users={"root": 0, "toor": 0, "svc-toor": 0, "svc-web": 1001, "www-data": 33},
    own=("/srv/apps/state", "/opt/engine/docker.sock"),
)  # fmt: skip

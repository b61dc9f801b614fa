"""What a machine says about itself: one script, one round trip."""

from __future__ import annotations

import time

from reconciler.core import hostfacts
from reconciler.errors import Refused
from reconciler.model.hostfacts import HostFacts
from reconciler.ports import Host

DEADLINE = 15.0


def facts(host: Host) -> HostFacts:
    before = time.time()
    done = host.run(["sh", "-c", hostfacts.SCRIPT], deadline=DEADLINE)
    after = time.time()
    if done.exit_code:
        raise Refused(f"host {host.name} can't tell about itself: its shell ended with {done.exit_code}")
    return hostfacts.read(done.stdout.decode(errors="replace").splitlines(), before, after)

"""The one question of a look: what the machine is, who may change things there, and all that runs."""

from __future__ import annotations

from reconciler.core import hostfacts
from reconciler.runtimes.remote import leases, scripts

LOOK = f"{scripts.COMMON}\n{leases.SCRIPT}\n{leases.TELL}\n{hostfacts.SCRIPT}\n{scripts.LIST}"

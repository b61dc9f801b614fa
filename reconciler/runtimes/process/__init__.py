"""Native processes, detached: each in a session of its own and, where permitted, a cgroup of its own.

A service is a directory under the home. Read in this order: `launcher` (the small shell parent that outlives
us), `directory` (what lies where), `observation` (what a directory says), `runtime` (the verbs), `reach`.
"""

from __future__ import annotations

from reconciler.runtimes.process.runtime import ProcessRuntime as ProcessRuntime

"""The policy at its two gates: over documents when they come in, and over each payload in the moment it is made.

The second one asks the machine again: a directory that was harmless when the spec was read may be a symbolic link
by now. Taking down is never held up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reconciler.errors import Denied, Problem
from reconciler.model.desired import Desired
from reconciler.model.observed import Observed
from reconciler.model.resource import ROOT, Resource
from reconciler.ports import Runtime

if TYPE_CHECKING:
    from reconciler.core.parse import Document
    from reconciler.core.policy import Policy, Profile
    from reconciler.core.rules import Machine
    from reconciler.kinds.source import SourceSpec


class Guard:
    """The `Rules` of Sources, and the gate before each runtime: a policy, and the machine that it is asked about.

    Neither is looked at before somebody comes to whom it matters. `unlimited` tells whether there is no policy file, so
    that only those are limited whom a Source brought.
    """

    def __init__(
        self, policy: Callable[[], Policy], machine: Callable[[], Machine], environ: Mapping[str, str],
        *, unlimited: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._policy = policy
        self._look = machine
        self._environ = environ
        self._unlimited = unlimited

    @property
    def policy(self) -> Policy:
        """As it is now."""
        return self._policy()

    @cached_property
    def machine(self) -> Machine:
        return self._look()

    def profile(self, spec: SourceSpec) -> str:
        """The name of the profile that the documents of a Source are under."""
        return self.policy.name_for("git" if spec.git else "directory", spec.profile)

    def environment(self, profile: str) -> Mapping[str, str]:
        """What of our own environment such documents may be read with."""
        patterns = self._named(profile).environment
        return {name: value for name, value in self._environ.items() if any(fnmatchcase(name, p) for p in patterns)}

    def check(self, documents: Sequence[Document], profile: str, *, root: str) -> list[Problem]:
        """Everything in the documents that the profile forbids, with its place. `root` is where their own files lie."""
        from reconciler.core.permitted import check  # noqa: PLC0415 -- most commands have nobody to limit

        return check(documents, profile, self._named(profile), self.machine, root=root)

    def limits(self, profile: str) -> tuple[int, float]:
        """How many objects, and how large a share of them, one revision may remove without a word."""
        prune = self._named(profile).prune
        return prune.max_delete, prune.max_delete_percent / 100

    def admit(self, desired: Desired) -> None:
        """Raises Denied for what its profile forbids. Whose profile there is none of gets nothing made."""
        if not desired.profile and self._unlimited():
            return
        from reconciler.core.permitted import payload_violations, with_place  # noqa: PLC0415
        from reconciler.core.sheet import show_path  # noqa: PLC0415

        name = desired.profile or self.policy.defaults.local
        profile = self._named(name, f"{desired.key}: ")
        fault = next(payload_violations(desired, profile, self.machine), None)
        if fault:
            field = show_path(fault.path) or "metadata.namespace"
            hint = with_place(fault.hint)
            raise Denied(f"{desired.key}: {field}: {fault.message} (profile {name})", hint=hint)

    def refusal(self, resource: Resource, real: str) -> str:
        """Why a resource may not take content from a file; empty when it may. `real` is where it really lies."""
        from reconciler.core.permitted import may_read  # noqa: PLC0415

        profile = self.policy.named(resource.profile)
        if profile and may_read(real, self.machine, profile, resource.annotations.get(ROOT, "")):
            return ""
        return f"it does not belong to the source (profile {resource.profile})"

    def _named(self, name: str, whose: str = "") -> Profile:
        profile = self.policy.named(name)
        if profile is None:
            hint = f"there are: {', '.join(self.policy.profiles)}; others are written into the policy file"
            raise Denied(f"{whose}the policy has no profile called {name!r}", hint=hint)
        return profile


class Guarded:
    """A runtime that makes nothing which the policy forbids."""

    def __init__(self, runtime: Any, guard: Guard) -> None:
        self._runtime: Runtime = runtime
        self._guard = guard

    def __getattr__(self, name: str) -> Any:
        """Whoever looks, reaches in or takes down is not held up."""
        return getattr(self._runtime, name)

    def prepare(self, desired: Desired) -> None:
        """Here already: a payload that is going to be refused costs the old one nothing."""
        self._guard.admit(desired)
        self._runtime.prepare(desired)

    def create(self, desired: Desired) -> None:
        self._guard.admit(desired)
        self._runtime.create(desired)

    def adjust(self, seen: Observed, desired: Desired, changes: Sequence[str]) -> None:
        self._guard.admit(desired)
        self._runtime.adjust(seen, desired, changes)

    def start(self, seen: Observed, desired: Desired) -> None:
        self._guard.admit(desired)
        self._runtime.start(seen, desired)

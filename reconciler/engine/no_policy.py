"""Rules for where nobody has written any: everything may be asked for, and nothing of our environment is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reconciler.core.brake import MOST, SHARE
from reconciler.kinds.source import SourceSpec

if TYPE_CHECKING:
    from reconciler.core.parse import Document
    from reconciler.errors import Problem


class NoPolicy:
    """What previews and tests go by; `wiring` reads the policy file."""

    def profile(self, spec: SourceSpec) -> str:
        return spec.profile or ("restricted" if spec.git else "trusted")

    def environment(self, profile: str) -> Mapping[str, str]:  # noqa: ARG002 -- nobody is trusted with it
        return {}

    def check(self, documents: Sequence[Document], profile: str, *, root: str) -> list[Problem]:  # noqa: ARG002
        return []

    def limits(self, profile: str) -> tuple[int, float]:  # noqa: ARG002 -- the same for all
        return MOST, SHARE

"""Before a Source takes much away, a person looks at it. A confirmation names this very change, and no other."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from hashlib import blake2b

from reconciler.model.key import Key

MOST = 10
"""More objects than these are never taken away without a word."""
MOST_NAMES = 40
SHARE = 0.3
FEWEST_FOR_SHARE = 3
"""Of fewer objects a single one is too large a share to mean anything."""


def brake(
    brought: Collection[Key], going: Collection[Key], *, stays: bool, most: int = MOST, share: float = SHARE
) -> str:
    """Why it should not go on by itself; empty if it may. `stays`: something is left that the Source brings."""
    if not going:
        return ""
    names = listed(key.short for key in sorted(going))
    would = f"it would remove {len(going)} of {len(brought)} objects ({names})"
    if not stays:
        return f"{would}, and nothing would be left"
    if len(going) > most:
        return f"{would}; more than {most} need a person's word"
    if len(brought) >= FEWEST_FOR_SHARE and len(going) > share * len(brought):
        return f"{would}; more than {share:.0%} need a person's word"
    return ""


def listed(names: Iterable[str]) -> str:
    """All that a person is asked about, within reason."""
    told = list(names)
    more = len(told) - MOST_NAMES
    return ", ".join(told[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def plan_hash(source: Key, reason: str, *facts: str) -> str:
    """Of what is held, so that a confirmation of it can't confirm anything else."""
    text = json.dumps([str(source), reason, *facts])
    return blake2b(text.encode(), digest_size=8).hexdigest()

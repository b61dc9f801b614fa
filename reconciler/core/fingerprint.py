"""One function hashes everything rendered, references included. It is compared, never interpreted."""

from __future__ import annotations

import hashlib
import json

from reconciler.model.desired import Payload, plain


def fingerprint(payload: Payload) -> str:
    """Sixteen hexadecimal digits over the payload's type and plain form."""
    return hashlib.sha256(plain_json(payload).encode()).hexdigest()[:16]


def plain_json(payload: Payload) -> str:
    """Canonical: the same payload is the same text, wherever and whenever."""
    tree = {"is": type(payload).__name__, **plain(payload)}
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

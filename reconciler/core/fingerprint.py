"""One function hashes all that can't be changed on a living thing. The digest is compared, never interpreted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from reconciler.model.desired import Build, Context, Package, Payload, plain

ADJUSTABLE = ("limits", "engine_restart", "networks", "aliases", "stop")
"""Can be changed in place, or is told to whoever stops it: compared field by field, and no ground to make it anew."""


def fingerprint(payload: Payload) -> str:
    """Sixteen hexadecimal digits over the payload's type and plain form, without what is adjustable."""
    tree = _tree(payload)
    fixed = {name: tree[name] for name in tree if name not in ADJUSTABLE}
    return hashlib.sha256(_canonical(fixed).encode()).hexdigest()[:16]


def build_digest(build: Build) -> str:
    """Of all that an image is made from."""
    return hashlib.sha256(_canonical({"digest": build.context.digest, **plain(build)}).encode()).hexdigest()


def package_of(content: Context, setup: tuple[str, ...], env: Mapping[str, str]) -> Package:
    """Of the same name is what holds the same and was set up in the same way."""
    tree = {"digest": content.digest, "setup": list(setup), "env": dict(env)}
    name = hashlib.sha256(_canonical(tree).encode()).hexdigest()[:32]
    return Package(id=name, content=content, setup=setup, env=env)


def plain_json(payload: Payload) -> str:
    """Canonical: the same payload is the same text, wherever and whenever."""
    return _canonical(_tree(payload))


def _tree(payload: Payload) -> dict[str, Any]:
    return {"is": type(payload).__name__, **plain(payload)}


def _canonical(tree: dict[str, Any]) -> str:
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

"""Telling somebody that a campaign has ended. That nobody listens is no failure of the campaign."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.kinds.campaign import Notify

PATIENCE = 10.0


def tell(target: Notify, state: Mapping[str, Any]) -> str:
    """What went wrong; empty when it was told, or was nothing to be told."""
    import urllib.request  # noqa: PLC0415 -- for the few who want to be told
    from http.client import HTTPException  # noqa: PLC0415
    from urllib.error import URLError  # noqa: PLC0415

    word = "complete" if state["state"] == "completed" else "failure"
    if word not in target.events:
        return ""
    body = json.dumps({"event": word, **state}).encode()
    head = {"Content-Type": "application/json", "User-Agent": "reconciler"}
    request = urllib.request.Request(target.url, data=body, headers=head, method="POST")  # noqa: S310 -- validated
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE):  # noqa: S310
            return ""
    except HTTPException as error:  # who answers there speaks no HTTP; its words may repeat the path
        return f"nobody could be told at {_without_secrets(target.url)}: {type(error).__name__}"
    except (URLError, OSError, ValueError) as error:
        return f"nobody could be told at {_without_secrets(target.url)}: {getattr(error, 'reason', error)}"


def _without_secrets(url: str) -> str:
    """Paths and queries of webhooks are passwords."""
    from urllib.parse import urlsplit  # noqa: PLC0415

    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}"

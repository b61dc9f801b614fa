"""Where the user's config file lies. On its own, for those who only ask whether there is one."""

from __future__ import annotations

import os
from collections.abc import Mapping


def location(environ: Mapping[str, str]) -> str:
    base = environ.get("XDG_CONFIG_HOME", "")
    # The XDG rules say that a relative path there is to be ignored.
    base = base if os.path.isabs(base) else os.path.expanduser("~/.config")
    return os.path.join(base, "reconciler", "config.yaml")

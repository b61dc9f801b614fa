"""Where things lie when nobody says where. Next to nothing is imported here, for those who only ask."""

from __future__ import annotations

import os
from collections.abc import Mapping


def config_file(environ: Mapping[str, str]) -> str:
    """The user's preferences."""
    return os.path.join(_base(environ, "XDG_CONFIG_HOME", "~/.config"), "reconciler", "config.yaml")


def policy_files(environ: Mapping[str, str]) -> tuple[str, str]:
    """The machine's policy, and the user's, which is only asked where there is none of the machine's."""
    own = os.path.join(_base(environ, "XDG_CONFIG_HOME", "~/.config"), "reconciler", "policy.yaml")
    return "/etc/reconciler/policy.yaml", own


def usual_home(environ: Mapping[str, str]) -> str:
    """The state of this installation."""
    given = environ.get("RECONCILER_HOME", "")
    if given:
        return os.path.abspath(os.path.expanduser(given))
    return os.path.join(_base(environ, "XDG_STATE_HOME", "~/.local/state"), "reconciler")


def _base(environ: Mapping[str, str], variable: str, default: str) -> str:
    """The XDG rules say that a relative path there is to be ignored."""
    given = environ.get(variable, "")
    return given if os.path.isabs(given) else os.path.expanduser(default)

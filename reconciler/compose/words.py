"""Words of Compose and ours for the same thing, in small tables: for who comes from there, and for who goes back."""

from __future__ import annotations

from collections.abc import Mapping

RESTART: Mapping[str, str] = {
    "no": "Never",
    "never": "Never",
    "none": "Never",
    "on-failure": "OnFailure",
    "always": "Always",
    "any": "Always",
    "unless-stopped": "Always",
}
"""Of `restart` and of `deploy.restart_policy.condition`. What is stopped by name stays stopped here anyway."""

CONDITION: Mapping[str, str] = {
    "service_started": "Started",
    "service_healthy": "Ready",
    "service_completed_successfully": "Completed",
}

PULL: Mapping[str, str] = {
    "always": "Always",
    "missing": "IfNotPresent",
    "if_not_present": "IfNotPresent",
    "never": "Never",
    "build": "IfNotPresent",
}

NETWORK_MODE = frozenset({"host", "none", "bridge"})
"""Networks that every engine has; declared here as external."""

SIGNALS: Mapping[str, str] = {
    "1": "HUP",
    "2": "INT",
    "3": "QUIT",
    "9": "KILL",
    "10": "USR1",
    "12": "USR2",
    "15": "TERM",
}
SECRETS = "/run/secrets"
"""Where secrets lie that name no target."""

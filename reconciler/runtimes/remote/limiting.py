"""What a process on another host may use, where there are cgroups that we may make there. Limits are said in its labels
too: with others it is made anew.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

from reconciler.core import making
from reconciler.errors import Refused
from reconciler.model import labels as table
from reconciler.model.desired import Limits
from reconciler.model.key import Key
from reconciler.model.observed import Facts
from reconciler.runtimes.process.limits import FILES, settings

LABEL = "limits"
CPUS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?", re.ASCII)
MOST = 10**15
REFUSED = """{ rm -f "$1/run"; echo 'it can not be limited' >&3; exit 125; }"""

CONTROLS = r"""
groups=/sys/fs/cgroup unified=
for one in "$groups" "$groups/unified"; do
  if [ -f "$one/cgroup.controllers" ]; then unified=$one; break; fi
done
controls() {
  if [ -n "$unified" ] && [ -w "$unified/cgroup.procs" ] && grep -qw "$1" "$unified/cgroup.controllers"; then
    base=$unified kind=2
  elif [ -d "$groups/$1" ] && [ -w "$groups/$1/tasks" ]; then
    base=$groups/$1 kind=1
  else
    return 1
  fi
}
"""

CHECK = (
    CONTROLS
    + r"""
for one in $8; do controls "$one" || { echo "$one"; exit 87; }; done
"""
)
"""87: nothing there limits that."""

LIMIT = (
    CONTROLS
    + r"""
limit() {
  controls "$1" || return
  place=$base/reconciler/$group
  rmdir "$place" 2>/dev/null
  mkdir -p "$place" || return
  if [ "$kind" = 2 ]; then
    echo "+$1" > "$base/cgroup.subtree_control" && echo "+$1" > "$base/reconciler/cgroup.subtree_control" &&
      echo "$3" > "$place/$2"
  else
    echo "$5" > "$place/$4"
  fi && echo $$ > "$place/cgroup.procs"
}
"""
)

REMOVE = r"""
for place in /sys/fs/cgroup/reconciler/"$6" /sys/fs/cgroup/*/reconciler/"$6"; do
  tries=0
  while [ -d "$place" ] && ! rmdir "$place" 2>/dev/null && [ $((tries += 1)) -lt 30 ]; do
    kill -KILL $(cat "$place/cgroup.procs") 2>/dev/null
    sleep 0.1 2>/dev/null || sleep 1
  done
done
"""
"""Whoever is left in there has left the service's session, and is of it all the same."""


def group(owner: str, directory: str) -> str:
    return f"{owner[:8]}-{directory}"


def controllers(limits: Limits) -> list[str]:
    return [controller for controller, setting in settings(limits).items() if setting.asked is not None]


def limiting(limits: Limits, name: str) -> str:
    """Lines of the shell that is to become the process, before it is said to have begun."""
    found = settings(limits)
    lines = []
    for one in controllers(limits):
        words = [one, FILES[one][1], found[one].value, found[one].legacy_file, found[one].legacy_value]
        lines.append(f"limit {' '.join(map(shlex.quote, words))} || {REFUSED}")
    if not lines:
        return ""
    end = "unset groups unified one base kind place group"
    return "\n".join([f"group={shlex.quote(name)}", LIMIT, *lines, end, ""])


def refusal(key: Key, host: str, controller: str) -> Refused:
    what = FILES[controller][0] if controller in FILES else "that"
    message = f"{key}: {host} can't limit {what}: there is no cgroup that this user may make there"
    return Refused(message, hint=f"connect as root (spec.ssh.user), or leave resources.{what} out")


def told(limits: Limits) -> str:
    """As a label."""
    return ",".join(f"{name}={value}" for name, value in making.limits(limits).items() if value is not None)


def facts(labels: Mapping[str, str]) -> Facts | None:
    """As it was limited when it was started."""
    if LABEL not in labels:
        return None
    found: dict[str, float | None] = {"cpus": None, "memory": None, "pids": None}
    return Facts(fields={"limits": found | dict(_read(labels[LABEL]))}, fixed=frozenset({"limits"}))


def _read(text: str) -> Iterator[tuple[str, float]]:
    for item in text[:200].split(","):
        name, _, value = item.partition("=")
        if name == "cpus" and CPUS.fullmatch(value):
            yield name, float(value)
        elif name in ("memory", "pids") and (number := table.number(value, MOST)) is not None:
            yield name, number

"""Which shell a person gets: the best one that the workload has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.advice import command_line
from reconciler.errors import ReconcilerError, Refused

if TYPE_CHECKING:
    from reconciler.model.key import Key
    from reconciler.model.observed import Observed
    from reconciler.ports import Reach

BEST = """
uid=
while read -r word first rest; do
  if [ "$word" = Uid: ]; then uid=$first; break; fi
done </proc/self/status
own=
if [ -r /etc/passwd ]; then
  while IFS=: read -r name secret id group words home shell; do
    if [ "$id" = "$uid" ]; then own=$shell; break; fi
  done </etc/passwd
fi
case $own in */nologin | */false | */sh) own= ;; esac
for shell in "$own" bash zsh ash sh; do
  if [ -n "$shell" ] && command -v "$shell" >/dev/null 2>&1; then echo "$shell"; exit 0; fi
done
exit 1
"""
"""Constant. The user's own comes first, but for `sh`, which is what somebody has who never chose one. Nothing but the
shell itself is used, for an image may have next to nothing beside it.
"""
ASKED = ("sh", "bash", "zsh", "ash")
"""By whom it can be asked: one of them is enough."""
NO_PROGRAM = frozenset({126, 127})
ASKING_SECONDS = 10.0


def best(reach: Reach, thing: Observed, key: Key) -> str:
    for asked in ASKED:
        try:
            done = reach.run(thing, [asked, "-c", BEST], deadline=ASKING_SECONDS)
        except Refused as refused:
            if "executable file not found" not in refused.message and "no such file" not in refused.message:
                raise
            continue
        if done.exit_code == 0 and (found := done.stdout.decode(errors="replace").strip()):
            return found
        if done.exit_code not in NO_PROGRAM:
            return asked
    raise ReconcilerError(
        f"{key.short}: there is no shell in {thing.title}",
        hint=f"run a program that it has: {command_line(key, 'exec', '--', 'PROGRAM')}; "
        f"or bring files in and out: reconciler cp; or use an image with a shell",
    )

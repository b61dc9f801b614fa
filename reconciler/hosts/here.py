"""The machine that we are on, as the rules of the policy ask about it: where a path really leads, who a user is."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from reconciler.core.rules import Account, Landing


class Here:
    """`guarded` are paths of which nobody may have a part."""

    def __init__(self, guarded: Callable[[], Sequence[str]] = tuple) -> None:
        self._guarded = guarded

    def landing(self, path: str) -> Landing:
        real = os.path.realpath(path)
        try:
            mode = Path(real).stat().st_mode
        except OSError:  # not there, or not to be looked at: whoever mounts it will say so
            return Landing(real)
        return Landing(real, special=not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)))

    def account(self, user: str) -> Account:
        try:
            if not user:
                return _account(os.geteuid())
            if user.isdecimal():
                return _account(int(user))
            return Account(user, pwd.getpwnam(user).pw_uid)
        except (KeyError, OverflowError):
            return Account(user, None)

    def guarded(self) -> Sequence[str]:
        return self._guarded()


def _account(uid: int) -> Account:
    try:
        return Account(pwd.getpwuid(uid).pw_name, uid)
    except KeyError:
        return Account(str(uid), uid)

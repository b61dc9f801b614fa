"""Processes of another host that run as somebody else than we are there, which only root can arrange."""

from __future__ import annotations

import re
import shlex

from reconciler.errors import Denied, Refused
from reconciler.model.key import Key

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")

BECOMING = r"""
becoming() {
  if setpriv --help 2>&1 | grep -q -e --reuid; then echo setpriv
  elif chroot --help 2>&1 | grep -q skip-chdir; then echo chroot
  elif su --help 2>&1 | grep -q BusyBox; then echo su
  else return 1
  fi
}
become() {
  uid=$(id -u "$1" 2>/dev/null) && gid=$(id -g "$1") || return 83
  [ "$uid" != "$(id -u)" ] || { how=; return 0; }
  [ "$(id -u)" = 0 ] || return 84
  how=$(becoming) || return 85
}
by() {
  case $how in
    '') "$@" ;;
    setpriv) $begin setpriv --reuid="$uid" --regid="$gid" --init-groups -- "$@" ;;
    chroot) $begin chroot --userspec="$uid:$gid" --skip-chdir / "$@" ;;
    su) $begin su -s /bin/sh -c 'exec "$@"' -- "$who" sh "$@" ;;
  esac
}
"""
"""Of several ways those that put nobody between us and the program. 83: no such user, 84: we are not root, 85: nothing
there changes users.
"""

CHECK = (
    BECOMING
    + r"""
who=$6 begin=
if [ -n "$who" ]; then
  become "$who" || exit
  if [ -n "$7" ] && [ -n "$how" ]; then
    mkdir -p "$state/processes" && chmod 711 "$state" "$state/processes" || exit 1
    by test -x "$state/processes" || { echo "$state"; exit 86; }
  fi
fi
"""
)
"""86: he can't reach what is delivered for him."""

ENTER = r"""
become "$who" || exit 126
if [ -n "$how" ]; then
  [ ! -d "$place/files" ] || { chown -R "$uid:$gid" "$place/files" && chmod 711 "$place"; } || exit 126
  [ -z "$package" ] || chmod 711 "${package%/*}" "$package" || exit 126
  line=$(getent passwd "$who" 2>/dev/null || grep "^$who:" /etc/passwd)
  line=${line#*:*:*:*:*:}
  export HOME="${line%%:*}" SHELL="${line##*:}" USER="$(id -un "$who")"
  export LOGNAME="$USER"
fi
case $how in
  setpriv) set -- "$(command -v setpriv)" --reuid="$uid" --regid="$gid" --init-groups -- ;;
  chroot) set -- "$(command -v chroot)" --userspec="$uid:$gid" --skip-chdir / ;;
  su) set -- "$(command -v su)" -s /bin/sh -c 'exec "$@"' -- "$who" sh ;;
esac
unset who how uid gid place package line begin
"""
"""Leaves the words that the command is to be put behind. They are found before the service's own PATH holds."""


def entering(user: str, place: str, package: str) -> str:
    """`place` is the service's directory, `package` that of its package."""
    told = {"who": user, "place": place, "package": package}
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in told.items()) + BECOMING + ENTER


def demand_plain(key: Key, user: str) -> None:
    if user and not NAME.fullmatch(user):
        raise Refused(f"{key}: {user!r} is no user's name", hint="a name, or a number")


def refusal(key: Key, user: str, host: str, code: int, said: str) -> Refused | None:
    match code:
        case 83:
            return Refused(f"{key}: there is no user {user!r} on {host}", hint="create it, or change process.user")
        case 84:
            hint = "connect as root (spec.ssh.user), or leave process.user out"
            return Denied(f"{key}: only root may run a process as {user!r} on {host}", hint=hint)
        case 85:
            message = f"{key}: nothing on {host} can start a process as {user!r}"
            return Refused(message, hint="install util-linux there, for its setpriv")
        case 86:
            message = f"{key}: user {user} can't reach its files on {host}, for {said} is closed to it"
            return Denied(message, hint="keep them elsewhere: spec.state of the Host, like /var/lib/reconciler")
    return None

"""Who may change things under one account of a host, where several would: the lease lies there, and is theirs alone
who got it first.

A lease is a file with a number, and the highest number is in force. To take it over, or to renew it, is to make the
next one, which the file system lets only one of all do. It is counted in the host's own uptime, so neither its clock
nor ours matters, and a reboot ends it.
"""

from __future__ import annotations

SECONDS = 600
"""After which it is anybody's. Whoever looks on and may act renews it when half of that is over."""

SCRIPT = r"""
uptime() { read -r up _ < /proc/uptime && echo "${up%%.*}" || date +%s; } 2>/dev/null
newest() {
  number=0
  for file in "$state"/lease/[0-9]*; do
    case ${file##*/} in *[!0-9]*) continue ;; esac
    [ "${file##*/}" -gt "$number" ] && number=${file##*/}
  done
}
held() {
  newest
  holder= left=0 who=
  [ "$number" -gt 0 ] && read -r holder since ends who < "$state/lease/$number" || return 1
  case $ends in ''|*[!0-9]*) return 1 ;; esac
  left=$((ends - $(uptime)))
  [ "$since" = "$boot" ] && [ "$left" -gt 0 ]
} 2>/dev/null
draft() {
  mkdir -p "$state/lease" && printf '%s %s %s %s\n' "$1" "$boot" "$2" "$3" > "$state/lease/.$1.$$"
} 2>/dev/null
claim() {
  held && [ "$holder" != "$1" ] && return 76
  mine=$((number + 1))
  draft "$1" "$(($(uptime) + $2))" "$3" || return 1
  ln "$state/lease/.$1.$$" "$state/lease/$mine" 2>/dev/null || [ -e "$state/lease/$mine" ] ||
    (set -C; cat "$state/lease/.$1.$$" > "$state/lease/$mine") 2>/dev/null
  rm -f "$state/lease/.$1.$$"
  held && [ "$holder" = "$1" ] || return 76
  for file in "$state"/lease/[0-9]*; do
    case ${file##*/} in *[!0-9]*) continue ;; esac
    [ "${file##*/}" -ge "$number" ] || rm -f "$file"
  done
}
release() {
  held && [ "$holder" = "$1" ] || return 0
  draft "$1" 0 "$2" && mv -f "$state/lease/.$1.$$" "$state/lease/$number"
}
"""
"""Needs `state` and `boot`. 76: it is another one's, and `holder`, `who` and `left` tell of him. What was released
keeps its number, or one who is slow would make that one again.
"""

CLAIM = r"""
claim "$2" "$3" "$4"
code=$?
[ "$code" != 76 ] || printf 'lease %s %s %s\n' "$holder" "$left" "$who"
exit $code
"""

RELEASE = r"""
release "$2" "$3"
"""

TELL = r"""
held && [ "$holder" = "$2" ] && [ "$left" -lt $(($3 / 2)) ] && claim "$2" "$3" "$4"
held && printf 'lease %s %s %s\n' "$holder" "$left" "$who"
"""
"""For who looks. An owner that is no more than a dash renews none."""


def word(text: str) -> str:
    """Who somebody is, on a line of its own."""
    return " ".join("".join(c if c.isprintable() else "?" for c in text).split())[:80] or "?"

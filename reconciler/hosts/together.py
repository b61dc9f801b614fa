"""Several questions in one exchange: one after another, each in a shell of its own, and a mark after each answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reconciler.inquiry import Question


def joined(questions: Sequence[Question], mark: str) -> list[str]:
    """The program that asks them. Who may hang has to come last: what was told before stands."""
    words, lines = [mark], []
    for question in questions:
        mine = question.argv[2:]
        named = " ".join(f'"${{{number}}}"' for number in range(len(words) + 1, len(words) + len(mine) + 1))
        lines.append(f'sh -c {named}; echo "$1 $?"')
        words += mine
    return ["sh", "-c", "\n".join(lines), "look", *words]


def answers(said: bytes, mark: str, count: int) -> list[str | None]:
    """Of each of so many questions; None where it was cut off, or never came to be asked."""
    *whole, _ = re.split(rb"%s [0-9]+\n" % mark.encode(), said)
    told = [text.decode(errors="replace") for text in whole[:count]]
    return [*told, *[None] * (count - len(told))]

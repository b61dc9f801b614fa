"""Files of NAME=value lines, as docker and shells agree on them."""

from __future__ import annotations

import pytest

from reconciler.core.envfile import BadEnvFile, parse_env


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("export A=b", "b"),
        ("A = b # why", "b"),
        ("A=b#c", "b#c"),
        ("A=", ""),
        ("A=''", ""),
        ("A='b # c'", "b # c"),
        ("A='b' # why", "b"),
        ('A="b" # why', "b"),
        (r"A='b\n'", r"b\n"),
        (r'A="b\nc"', "b\nc"),
        (r'A="C:\\new"', r"C:\new"),
        (r'A="say \"b\""', 'say "b"'),
        (r'A="\d"', r"\d"),
        ("A=it's", "it's"),
        ("A='it's'", "'it's'"),
    ],
)
def test_a_line_is_a_variable(line: str, value: str) -> None:
    assert parse_env(line.encode(), ".env") == {"A": value}


def test_blank_lines_and_comments_say_nothing_and_the_last_one_wins() -> None:
    assert parse_env(b"# a\n\nA=b\r\nA=c\n", ".env") == {"A": "c"}


@pytest.mark.parametrize("content", [b"A", b"=b", b"A-B=c", b"A=\xff", b"A=b\0c"])
def test_what_is_no_variable_is_said(content: bytes) -> None:
    with pytest.raises(BadEnvFile, match=r"^\.env"):
        parse_env(content, ".env")

"""Argument lists as one line for a shell: whatever the words, and whatever the shell."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import Refused
from reconciler.hosts.remote import quote

SHELLS = [shell for shell in (["dash"], ["bash"], ["busybox", "sh"], ["zsh"], ["fish"]) if shutil.which(shell[0])]
NASTY = st.text(st.sampled_from("$`\"'\\!*?[]{}()<>|&;#~=% \t\n\rax-ä\u202e"), max_size=12)
ANY = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@settings(max_examples=100)
@given(words=st.lists(NASTY | ANY, min_size=1, max_size=30))
def test_a_shell_reads_just_the_words(shell: list[str], words: list[str]) -> None:
    line = quote(["printf", "%s\\0", *words])
    said = subprocess.run([*shell, "-c", f"exec {line}"], capture_output=True, check=True).stdout

    assert said == b"".join(os.fsencode(word) + b"\0" for word in words)


def test_a_backslash_never_stands_between_quotes() -> None:
    """Where most shells read it as it is, and fish does not."""
    assert quote(["a\\'b"]) == """'a'\\\\''"'"'b'"""


def test_what_no_program_can_be_given_is_refused() -> None:
    with pytest.raises(Refused, match="NUL"):
        quote(["a\0b"])

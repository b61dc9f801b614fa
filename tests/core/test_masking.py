"""Secret values taken out of what others say."""

from __future__ import annotations

from reconciler.core.masking import masking
from reconciler.kinds.secret import SecretSpec
from tests.core.build import graph, resource


def test_a_value_is_not_shown_whole_nor_begun() -> None:
    masked = masking(graph(resource("secret", "db", SecretSpec(data={"P": "hunter2-canary"}))))
    assert masked("login with hunter2-canary failed") == "login with *** failed"
    assert masked("an excerpt that ends in hunter2-can") == "an excerpt that ends in ***"
    assert "hunter2" not in repr(masked)


def test_the_content_of_a_secret_file_is_not_shown_whatever_its_path() -> None:
    """A dollar in a path is doubled in the spec, for a reference it is not."""
    secret = resource("secret", "db", SecretSpec(files={"P": "/keys/$$1.txt"}))
    masked = masking(graph(secret, contents={"/keys/$1.txt": b"hunter2-canary\n"}))
    assert masked("hunter2-canary") == "***"


def test_short_values_stand_in_too_many_innocent_words() -> None:
    assert masking(graph(resource("secret", "db", SecretSpec(data={"P": "on"}))))("gone on") == "gone on"

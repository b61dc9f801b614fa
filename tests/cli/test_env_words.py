"""What `env up` takes a word for: a directory, a branch of a repository on this disk or elsewhere, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.environments import named
from reconciler.errors import UsageError


@pytest.mark.parametrize(
    ("written", "branch", "sub"),
    [
        ("{shop}@feature/login", "feature/login", ""),
        ("file://{shop}@feature/login#api", "feature/login", "api"),
        ("{shop}@main", "main", ""),
        ("file://{shop}", "", ""),
    ],
)
def test_R24_a_repository_on_this_disk_has_branches_too(tmp_path: Path, written: str, branch: str, sub: str) -> None:
    shop = tmp_path / "at@home" / "shop"
    shop.mkdir(parents=True)
    found = named(written.format(shop=shop), server="https://git.example.org")
    assert found.repository is not None
    assert found.repository.url.removeprefix("file://") == str(shop)
    assert (found.branch, found.sub) == (branch, sub)


def test_a_word_that_is_no_directory_is_no_url_either() -> None:
    with pytest.raises(UsageError, match="'nonesuch' is neither a directory nor a repository"):
        named("nonesuch", server="https://git.example.org")

"""`-f`: files, directories and standard input, within limits that are checked before anything is read."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.core.parse import Text
from reconciler.errors import UsageError
from reconciler.sources import files


def read(*paths: str | Path, recursive: bool = False, stdin: bytes = b"") -> list[Text]:
    return files.read([str(path) for path in paths], recursive=recursive, stdin=lambda: stdin)


def test_a_file_is_read_with_its_directory_as_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "web.yaml").write_text("a: b")
    monkeypatch.chdir(tmp_path)
    assert read("web.yaml") == [Text("web.yaml", b"a: b", str(tmp_path))]
    assert read("./web.yaml")[0].name == "./web.yaml"


def test_standard_input_is_relative_to_where_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read("-", "-", stdin=b"a: b") == [Text("<stdin>", b"a: b", str(tmp_path))]


def test_a_directory_gives_its_specs_in_order(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "c.json", "note.txt", ".hidden.yaml", "a.yaml~", "sub/d.yaml", "sub/e/f.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a: b")
    assert [Path(text.name).name for text in read(tmp_path)] == ["a.yaml", "b.yml", "c.json"]
    found = read(tmp_path, recursive=True)
    assert [Path(text.name).name for text in found] == ["a.yaml", "b.yml", "c.json", "d.yaml", "f.yaml"]
    assert found[-1].base == str(tmp_path / "sub" / "e")


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: b")
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    found = read(tmp_path / "a.yaml", tmp_path, tmp_path / "b.yaml")
    assert [text.name for text in found] == [str(tmp_path / "a.yaml")]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.yaml").write_text("a: b")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    assert [Path(text.name).name for text in read(tmp_path, recursive=True)] == ["a.yaml"]


def test_a_pipe_is_read_as_shells_hand_it_over(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"a: b",))
    writer.start()
    assert read(pipe)[0].content == b"a: b"
    writer.join()


def _loop(path: Path) -> Path:
    (path / "a.yaml").symlink_to("a.yaml")
    return path / "a.yaml"


def _dangling(path: Path) -> Path:
    (path / "a.yaml").symlink_to("gone.yaml")
    return path


def _large(path: Path) -> Path:
    with (path / "a.yaml").open("wb") as file:
        file.truncate(1 << 30)
    return path / "a.yaml"


def _heavy(path: Path) -> Path:
    for i in range(17):
        with (path / f"{i}.yaml").open("wb") as file:
            file.truncate(1 << 20)
    return path


def _many(path: Path) -> Path:
    for i in range(2001):
        (path / f"{i}.yaml").touch()
    return path


def _many_deep(path: Path) -> Path:
    for i in range(21):
        (path / str(i)).mkdir()
        for j in range(100):
            (path / str(i) / f"{j}.yaml").touch()
    return path


TROUBLE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda path: path / "a.yaml", "no such file or directory"),
    "empty directory": (lambda path: path, "no spec files here"),
    "link to itself": (_loop, "symbolic links"),
    "link to nothing": (_dangling, "no such file or directory"),
    "1 GB": (_large, "1,048,576 is the most"),
    "17 MiB together": (_heavy, "16,777,216 bytes together"),
    "too many": (_many, "more than 2,000 spec files"),
    "too many below": (_many_deep, "more than 2,000 spec files"),
    "device": (lambda _: Path("/dev/null"), "neither a file nor a directory"),
    "no path": (lambda _: Path("a\0b"), "is not a path"),
}


@pytest.mark.parametrize(("make", "message"), TROUBLE.values(), ids=TROUBLE)
def test_what_can_not_be_read_is_said_at_once(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    path = make(tmp_path)
    start = time.monotonic()
    with pytest.raises(UsageError, match=message) as caught:
        read(path, recursive=True)
    assert caught.value.hint
    assert time.monotonic() - start < 20


def test_standard_input_has_the_same_limit() -> None:
    with pytest.raises(UsageError, match="standard input holds more than"):
        read("-", stdin=b"a" * ((1 << 20) + 1))


@pytest.fixture
def nobody() -> Iterator[None]:
    """Root may read everything, so root steps down for a moment."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


def test_what_one_may_not_read_is_said(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    (tmp_path / "a.yaml").touch(mode=0o000)
    request.getfixturevalue("nobody")
    with pytest.raises(UsageError, match="not permitted"):
        read(tmp_path / "a.yaml")


def test_a_hint_tells_of_deeper_specs(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.yaml").touch()
    with pytest.raises(UsageError) as caught:
        read(tmp_path)
    assert "-R" in caught.value.hint

"""Trees as tar streams: what goes in comes out, and nothing leads out of where it is unpacked."""

from __future__ import annotations

import io
import os
import socket
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.archive import PIECE, pack, unpack
from reconciler.errors import Refused

Member = tuple[str, bytes, str]
"""Name, type, and where it leads or what it holds."""


def tar(*members: Member) -> Iterator[bytes]:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as made:
        for name, kind, text in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = kind, 0o755
            if kind == tarfile.REGTYPE:
                entry.size = len(text)
            else:
                entry.linkname = text
            made.addfile(entry, io.BytesIO(text.encode()))
    yield whole.getvalue()


def tree(root: Path) -> dict[str, tuple[int, str, int]]:
    """Mode, content or target, and time of everything beneath."""
    found = {}
    for path in sorted(root.rglob("*")):
        told = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else path.read_text() if path.is_file() else ""
        found[str(path.relative_to(root))] = (told.st_mode, content, 0 if path.is_symlink() else int(told.st_mtime))
    return found


def _socket_at(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    (root / "deep" / "er").mkdir(parents=True)
    (root / "run").write_text("#!/bin/sh\n")
    (root / "run").chmod(0o755)
    (root / "deep" / "secret").write_text("x" * 1000)
    (root / "deep" / "secret").chmod(0o400)
    (root / "link").symlink_to("deep/secret")
    (root / "out").symlink_to("/etc/hostname")
    (root / "ümläut name").write_text("")
    os.link(root / "run", root / "deep" / "same")
    os.mkfifo(root / "pipe", 0o600)
    for path in (root / "run", root / "deep" / "secret", root / "deep"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    (root / "deep").chmod(0o555)
    return root


def test_modes_times_and_links_are_kept(source: Path, tmp_path: Path) -> None:
    unpack(pack(str(source), "copy"), str(tmp_path))
    copy = tmp_path / "copy"
    fifo = copy / "pipe"
    assert stat.S_ISFIFO(fifo.lstat().st_mode)
    (source / "pipe").unlink(), fifo.unlink()
    assert tree(copy) == tree(source)
    assert (copy / "run").stat().st_ino == (copy / "deep/same").stat().st_ino, "a hard link is one"


def test_what_is_in_a_directory_goes_without_it_and_a_root_is_renamed(source: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    unpack(pack(str(source), ""), str(tmp_path / "there"))
    unpack(pack(str(source), "a"), str(tmp_path), root="a", name="b")
    unpack(pack(str(source / "run"), "run"), str(tmp_path), root="run", name="c")
    (tmp_path / "d").mkdir()
    unpack(pack(str(source), "a"), str(tmp_path / "d"), root="a", name="")
    for copy in ("there", "b", "d"):
        assert tree(tmp_path / copy).keys() == tree(source).keys()
    assert (tmp_path / "c").read_text() == "#!/bin/sh\n"


def test_what_is_there_is_replaced_and_never_written_through(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    into = tmp_path / "into"
    into.mkdir()
    (into / "file").symlink_to(precious)
    unpack(tar(("file", tarfile.REGTYPE, "new")), str(into))
    assert (precious.read_text(), (into / "file").read_text()) == ("mine", "new")
    assert not (into / "file").is_symlink()


@pytest.mark.parametrize(
    "members",
    [
        [("../evil", tarfile.REGTYPE, "x")],
        [("root/../../evil", tarfile.REGTYPE, "x")],
        [("/tmp/evil", tarfile.REGTYPE, "x")],
        [("root/way", tarfile.SYMTYPE, ".."), ("root/way/evil", tarfile.REGTYPE, "x")],
        [("root/way", tarfile.SYMTYPE, "/tmp"), ("root/way/deep/evil", tarfile.REGTYPE, "x")],
        [
            ("root/way", tarfile.SYMTYPE, ".."),
            ("root/way", tarfile.DIRTYPE, ""),
            ("root/way/evil", tarfile.REGTYPE, ""),
        ],
        [("root/evil", tarfile.LNKTYPE, "../precious")],
        [("root/way", tarfile.SYMTYPE, ".."), ("root/evil", tarfile.LNKTYPE, "root/way/precious")],
        [("root/evil", tarfile.CHRTYPE, "")],
        [("elsewhere", tarfile.REGTYPE, "x")],
    ],
)
def test_no_name_and_no_link_leads_out(tmp_path: Path, members: list[Member]) -> None:
    (tmp_path / "precious").write_text("mine")
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(Refused):
        unpack(tar(*members), str(into), root="root", name="root")
    assert sorted(path.name for path in tmp_path.rglob("*") if "evil" in path.name) == []
    assert not Path("/tmp/evil").exists()
    assert (tmp_path / "precious").stat().st_nlink == 1


def test_rights_to_act_as_somebody_else_are_not_taken_over(tmp_path: Path) -> None:
    def packed() -> Iterator[bytes]:
        entry = tarfile.TarInfo("su")
        entry.mode = 0o6755
        yield entry.tobuf() + bytes(1024)

    unpack(packed(), str(tmp_path))
    assert stat.S_IMODE((tmp_path / "su").stat().st_mode) == 0o755


@pytest.mark.parametrize("cut", [lambda whole: whole[:700], lambda whole: whole[:-1024], lambda _: b"no tar" * 200])
def test_what_breaks_off_is_told(tmp_path: Path, cut: Callable[[bytes], bytes]) -> None:
    whole = b"".join(tar(("a", tarfile.REGTYPE, "x" * 1000)))[: 512 + 1024 + 1024]
    with pytest.raises(Refused):
        unpack(iter([cut(whole)]), str(tmp_path))


def test_nothing_large_is_ever_held_whole(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(200 * PIECE)
    sizes = []

    def counted() -> Iterator[bytes]:
        for piece in pack(str(large), "large"):
            sizes.append(len(piece))
            yield piece

    unpack(counted(), str(tmp_path), root="large", name="copy")
    assert max(sizes) <= PIECE
    assert (tmp_path / "copy").stat().st_size == 200 * PIECE


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: (path.mkdir(), (path / "kept").touch()), _socket_at])
def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """A copy to a device of the machine would take its name away from everybody else who uses it."""
    make(tmp_path / "there")
    before = (tmp_path / "there").lstat()
    with pytest.raises(Refused, match="is not replaced"):
        unpack(tar(("file", tarfile.REGTYPE, "text")), str(tmp_path), root="file", name="there")
    after = (tmp_path / "there").lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert list(tmp_path.iterdir()) == [tmp_path / "there"]


def test_a_copy_that_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (whole,) = tar(("file", tarfile.REGTYPE, "new" * PIECE))
    with pytest.raises(Refused):
        unpack([whole[: 2 * PIECE]], str(tmp_path))
    assert (tmp_path / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]

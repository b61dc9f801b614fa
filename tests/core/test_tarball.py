"""What may not be unpacked is refused, with its reason, before anything is written."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable, Iterator

import pytest

from reconciler.core import cargo, tarball
from reconciler.core.cargo import Unsafe
from reconciler.core.tarball import Contents

BLOCK = 512


def member(name: str = "app", content: bytes = b"x", *, form: int = tarfile.GNU_FORMAT, **facts: object) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for fact, value in facts.items():
        setattr(info, fact, value)
    return info.tobuf(form, "utf-8", "surrogateescape") + content + bytes(-len(content) % BLOCK)


def directory(name: str, **facts: object) -> bytes:
    return member(name, b"", type=tarfile.DIRTYPE, **facts)


def whole(*members: bytes) -> bytes:
    return b"".join(members) + bytes(2 * BLOCK)


def raw(block: bytes, *edits: tuple[int, bytes], then: bytes = b"") -> bytes:
    """The first header edited by hand, under a checksum that fits."""
    head = bytearray(block[:BLOCK])
    for at, text in edits:
        head[at : at + len(text)] = text
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + block[BLOCK:] + then


def extended(**records: str) -> bytes:
    body = b""
    for name, value in records.items():
        rest = f" {name}={value}\n".encode()
        size = len(rest) + len(str(len(rest) + 2))
        body += str(size).encode() + rest
    return member("pax", body, type=tarfile.XHDTYPE)


def pieces(content: bytes, size: int = 700) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


def read(content: bytes) -> Contents:
    return tarball.inspect(pieces(content))


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a path that climbs": (lambda: whole(member("../etc/passwd")), "leads out"),
    "a path that climbs from within": (lambda: whole(member("a/../../b")), "leads out"),
    "a long name that climbs": (lambda: whole(member("x/" * 60 + "../../b")), "leads out"),
    "an extended name that climbs": (lambda: whole(extended(path="../b"), member()), "leads out"),
    "an absolute path": (lambda: whole(member("/etc/passwd")), "absolute"),
    "a double slash": (lambda: whole(member("a//b")), "not a plain path"),
    "a dot in between": (lambda: whole(member("a/./b")), "not a plain path"),
    "no name": (lambda: whole(raw(member("b"), (0, b"\0"))), "no name"),
    "a symbolic link": (lambda: whole(member(content=b"", type=tarfile.SYMTYPE, linkname="/etc")), "symbolic link"),
    "a hard link": (lambda: whole(member(content=b"", type=tarfile.LNKTYPE, linkname="/etc/passwd")), "hard link"),
    "a long link": (lambda: whole(member(content=b"", type=tarfile.SYMTYPE, linkname="x" * 200)), "link"),
    "a file with a link's target": (lambda: whole(raw(member(), (157, b"/etc/passwd"))), "leads elsewhere"),
    "an extended link": (lambda: whole(extended(linkpath="/etc"), member()), "differently"),
    "a character device": (lambda: whole(member(content=b"", type=tarfile.CHRTYPE)), "device"),
    "a block device": (lambda: whole(member(content=b"", type=tarfile.BLKTYPE)), "device"),
    "a pipe": (lambda: whole(member(content=b"", type=tarfile.FIFOTYPE)), "pipe"),
    "a contiguous file": (lambda: whole(member(type=tarfile.CONTTYPE)), "programs take differently"),
    "a sparse file": (lambda: whole(member(type=tarfile.GNUTYPE_SPARSE)), "holes"),
    "a file with an extended size": (lambda: whole(extended(size="9"), member()), "differently"),
    "an extended header for all": (lambda: whole(member(type=tarfile.XGLTYPE)), "all that follows"),
    "an unknown kind": (lambda: whole(member(type=b"Z")), "nobody knows"),
    "setuid": (lambda: whole(member(mode=0o4755)), "special rights"),
    "setgid of a directory": (lambda: whole(directory("d", mode=0o2755)), "special rights"),
    "a sticky bit": (lambda: whole(member(mode=0o1644)), "special rights"),
    "one name twice": (lambda: whole(member(), member()), "twice"),
    "one name twice, once with a dot": (lambda: whole(member("a"), member("./a")), "twice"),
    "a file, then a directory": (lambda: whole(member("a"), directory("a")), "twice"),
    "something in a file": (lambda: whole(member("a"), member("a/b")), "which is a file"),
    "a file where a directory is": (lambda: whole(member("a/b"), member("a")), "twice"),
    "names that differ by case": (lambda: whole(member("Read.me"), member("read.ME")), "one name"),
    "directories that differ by case": (lambda: whole(member("A/x"), member("a/y")), "one name"),
    "names that differ by composition": (lambda: whole(member("caf\u00e9"), member("cafe\u0301")), "one name"),
    "a NUL in a name": (lambda: whole(raw(member("ab"), (2, b"\0cd"))), "NUL"),
    "a NUL in an extended name": (lambda: whole(extended(path="a\0b"), member()), "NUL"),
    "a line break in a name": (lambda: whole(member("a\nb")), "control characters"),
    "an escape in a name": (lambda: whole(member("a\x1b[2Jb")), "control characters"),
    "a name in no UTF-8": (lambda: whole(member("a\udcff")), "not UTF-8"),
    "a name that is too long": (lambda: whole(member("a/" * 600 + "b")), "too long"),
    "a part that is too long": (lambda: whole(member("a" * 300)), "too long"),
    "too deep a place": (lambda: whole(member("a/" * 101 + "b")), "deep"),
    "a file that is called like a directory": (lambda: whole(raw(member("a"), (0, b"a/"))), "like a directory"),
    "a directory with content": (lambda: whole(member("d", b"x", type=tarfile.DIRTYPE)), "with content"),
    "a header that is longer than any": (lambda: whole(member("x", b"9" * 70_000, type=tarfile.XHDTYPE)), "too long"),
    "a header that makes no sense": (lambda: whole(member("x", b"99 path=a\n", type=tarfile.XHDTYPE)), "no sense"),
    "a header that says a thing twice": (
        lambda: whole(member("x", b"9 path=a\n9 path=b\n", type=tarfile.XHDTYPE), member()), "twice"),
    "two headers for one": (lambda: whole(extended(path="a"), extended(path="b"), member()), "twice"),
    "a number that is none": (lambda: whole(raw(member(), (124, b"-0000000001\0"))), "no octal"),
    "a number in base 256": (lambda: whole(raw(member(), (124, b"\x80" + bytes(10) + b"\x01"))), "no octal"),
    "a prefix that only some programs see": (lambda: whole(raw(member(), (345, b"../up"))), "longer name"),
    "a wrong checksum": (lambda: whole(b"X" + member()[1:]), "checksum"),
    "another format": (lambda: whole(raw(member(), (257, b"other\0"))), "format"),
    "something behind its end": (lambda: whole(member()) + member("b"), "follows its end"),
    "something between two files": (lambda: whole(member("a")[:-1] + b"!", member("b")), "hides between"),
    "half an end": (lambda: member() + bytes(BLOCK) + member("b"), "no proper end"),
    "no end": (member, "cut off"),
    "a cut in a file": (lambda: member("a", b"x" * 3000)[:1500], "cut off"),
    "a cut in a header": (lambda: member()[:300], "cut off"),
    "a cut in what is zipped": (lambda: gzip.compress(whole(member()))[:-9], "cut off"),
    "two zips in a row": (lambda: gzip.compress(whole(member())) * 2, "follows the end"),
    "no zip after all": (lambda: b"\x1f\x8bnonsense", "no gzip"),
    "a bomb": (lambda: gzip.compress(whole(member("a", bytes(3 << 20)))), "times its size"),
    "nothing": (lambda: b"", "empty"),
    "no archive": (lambda: b"x" * 5000, "no tar archive"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_H7_what_nobody_should_unpack_is_refused_with_its_reason(what: str) -> None:
    made, reason = REFUSED[what]
    with pytest.raises(Unsafe, match=reason):
        read(made())


def test_H7_an_archive_that_is_announced_as_too_large_is_refused_before_it_is_read() -> None:
    announced = raw(member("a", b""), (124, b"77777777777\0"))
    with pytest.raises(Unsafe, match="MiB"):
        read(announced)


def test_H7_so_is_one_with_too_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cargo, "MOST_ENTRIES", 5)
    assert len(read(whole(*(member(str(i)) for i in range(5)))).members) == 5
    with pytest.raises(Unsafe, match="more than 5 files"):
        read(whole(*(member(f"d{i}/f") for i in range(3))))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("zipped", [False, True])
def test_H7_what_is_plain_is_read_as_other_programs_read_it(form: int, *, zipped: bool) -> None:
    long = "/".join(["directory"] * 14) + "/file.txt"
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as tar:
        for name, content in ((long, b"long"), ("./empty", b""), ("caf\u00e9", b"x" * 5000), ("run", b"#!/bin/sh\n")):
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(content), 0o755 if name == "run" else 0o600, 1.5
            tar.addfile(info, io.BytesIO(content))
    found = read(gzip.compress(made.getvalue()) if zipped else made.getvalue())
    assert [(m.name, m.size, m.is_executable) for m in found.members] == [
        (long, 4, False), ("empty", 0, False), ("caf\u00e9", 5000, False), ("run", 10, True),
    ]  # fmt: skip
    assert found.bytes == 5014


def test_H7_one_content_has_one_digest_in_whatever_order_and_by_whomever_it_was_packed() -> None:
    one = read(whole(directory("./"), directory("d/"), member("d/a", b"1", mtime=7, uid=5), member("b", mode=0o640)))
    other = read(gzip.compress(whole(member("b"), directory("d"), member("./d/a", b"1"))))
    assert one.digest == other.digest
    assert one.sha256 != other.sha256
    assert read(whole(member("b"), directory("d"), member("d/a", b"1", mode=0o755))).digest != one.digest

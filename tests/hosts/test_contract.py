"""What every host promises, whatever lies in between: it runs what it is told, in its own time, and files are whole."""

from __future__ import annotations

import os
import time

import pytest

from reconciler.errors import Denied, Gone, OutcomeUnknown, Refused
from reconciler.hosts.facts import facts
from reconciler.hosts.running import OUTPUT_BYTES
from reconciler.ports import Completed
from tests.hosts.conftest import Place
from tests.waiting import until


def alive(place: Place, pid: str) -> bool:
    return place.console("sh", "-c", f"cat /proc/{pid}/stat 2>/dev/null || :").rpartition(b")")[2][1:2] not in {
        b"",
        b"Z",
    }


def watched(place: Place) -> bool:
    """Whether anybody still watches the channel of a command that was run from afar."""
    return place.host.name != "local" and any(
        "reconciler" in line
        for line in place.console("ps", "-eo", "args").decode().splitlines()
        if line.startswith("sh -c")
    )


def test_a_program_s_code_and_both_outputs_are_told(place: Place) -> None:
    completed = place.host.run(["sh", "-c", "cat; echo out; echo err >&2; exit 3"], stdin=b"in\n")

    assert completed == Completed(3, b"in\nout\n", b"err\n")


@pytest.mark.parametrize("code", [0, 1, 126, 127, 255])
def test_every_exit_code_is_the_program_s_own(place: Place, code: int) -> None:
    assert place.host.run(["sh", "-c", f"exit {code}"]) == Completed(code)


def test_a_program_that_a_signal_ends_is_told_by_its_number(place: Place) -> None:
    """As the kernel tells it, or as a shell does."""
    assert place.host.run(["sh", "-c", "kill -9 $$"]).exit_code in {-9, 137}


def test_arguments_reach_the_program_as_they_are(place: Place) -> None:
    nasty = [
        "$(id); *",
        "",
        " ",
        "-n",
        "it's",
        '"',
        "\\",
        "\\n",
        "a\nb",
        "\t",
        "`id`",
        "#",
        "~",
        "ä€",
        "\udcff",
        "!",
        "*?[a]",
    ]
    said = place.host.run(["printf", "%s|", *nasty]).stdout

    assert said == b"".join(os.fsencode(word) + b"|" for word in nasty)


def test_a_program_is_never_a_shell_s_own_word_for_something(place: Place) -> None:
    assert place.host.run(["echo", "a\\nb"]).stdout == b"a\\nb\n"


def test_a_program_without_input_reads_nothing_and_one_with_it_reads_it_all(place: Place) -> None:
    content = bytes(range(256)) * 1000

    assert place.host.run(["wc", "-c"], deadline=10).stdout.strip() == b"0"
    assert place.host.run(["cat"], stdin=content, deadline=10).stdout == content


def test_much_goes_in_and_out_at_once_and_output_is_capped(place: Place) -> None:
    content = os.urandom(3 * OUTPUT_BYTES)
    completed = place.host.run(["cat"], stdin=content)

    assert completed.exit_code == 0
    assert completed.stdout == content[:OUTPUT_BYTES]


def test_a_program_that_does_not_read_does_not_stop_us(place: Place) -> None:
    assert place.host.run(["true"], stdin=b"x" * 5_000_000) == Completed(0)


def test_the_deadline_kills_the_program_with_its_children(place: Place) -> None:
    script = "trap '' HUP; sleep 60 & echo $! > child; echo $$ > self; while :; do sleep 60; done"
    started = time.monotonic()
    with pytest.raises(OutcomeUnknown, match=r"^sh did not end within 0.5 s.* and was killed"):
        place.host.run(["sh", "-c", f"cd {place.directory}; {script}"], deadline=0.5)

    assert time.monotonic() - started < 30
    for name in ("child", "self"):
        pid = place.console("cat", f"{place.directory}/{name}").decode().strip()
        until(lambda pid=pid: not alive(place, pid))


def test_a_flood_of_output_does_not_outlive_the_deadline(place: Place) -> None:
    with pytest.raises(OutcomeUnknown):
        place.host.run(["yes"], deadline=0.3)


def test_a_child_left_behind_with_the_pipe_open_does_not_hold_us(place: Place) -> None:
    """What it leaves running on purpose goes on running."""
    started = time.monotonic()
    script = f"sleep 61 & echo $! > {place.directory}/child; echo done"
    completed = place.host.run(["sh", "-c", script], deadline=10)
    took = time.monotonic() - started
    pid = place.console("cat", f"{place.directory}/child").decode().strip()
    until(lambda: not watched(place))

    assert completed == Completed(0, b"done\n")
    assert took < 9
    assert alive(place, pid)
    place.console("kill", "-9", pid)


def test_a_program_that_is_not_there_or_may_not_be_run_is_refused(place: Place) -> None:
    place.host.write(f"{place.directory}/plain", b"x")

    with pytest.raises(Refused, match="no program is called 'no-such-program' "):
        place.host.run(["no-such-program"])
    with pytest.raises(Denied, match="may not be run"):
        place.host.run([f"{place.directory}/plain"])


def test_a_file_is_written_with_its_mode_in_directories_for_its_owner_alone(place: Place) -> None:
    target = f"{place.directory}/a/-b c/file"
    content = os.urandom(100_000)
    place.host.write(target, b"first")
    place.host.write(target, content, mode=0o640)
    place.host.write(f"{target}.empty", b"")

    assert place.host.read(target) == content
    assert place.host.read(f"{target}.empty") == b""
    modes = place.console("stat", "-c", "%a", target, f"{place.directory}/a/-b c", f"{place.directory}/a")
    assert modes.split() == [b"640", b"700", b"700"]
    assert set(place.console("ls", "-A", f"{place.directory}/a/-b c").decode().split()) == {"file", "file.empty"}


def test_a_link_in_the_file_s_place_is_replaced_and_what_it_points_to_is_left_alone(place: Place) -> None:
    place.host.write(f"{place.directory}/elsewhere/theirs", b"theirs")
    for name, there in (("file", "elsewhere/theirs"), ("directory", "elsewhere")):
        place.console("ln", "-s", f"{place.directory}/{there}", f"{place.directory}/{name}")
        place.host.write(f"{place.directory}/{name}", b"ours")
        assert place.host.read(f"{place.directory}/{name}") == b"ours"

    assert place.host.read(f"{place.directory}/elsewhere/theirs") == b"theirs"
    assert place.names(f"{place.directory}/elsewhere") == {"theirs"}


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(place: Place) -> None:
    place.host.write(f"{place.directory}/taken/inside", b"kept")

    with pytest.raises(Refused, match="Is a directory"):
        place.host.write(f"{place.directory}/taken", b"x")
    assert place.names() == {"taken"}


def test_reading_what_is_no_file_is_refused_and_does_not_hang(place: Place) -> None:
    place.console("mkfifo", f"{place.directory}/pipe")

    for name, error, message in [
        ("pipe", Refused, "not a regular file"),
        (".", Refused, "not a regular file"),
        ("missing", Gone, "it does not exist"),
    ]:
        with pytest.raises(error, match=message):
            place.host.read(f"{place.directory}/{name}")


def test_the_ephemeral_ports_are_the_kernel_s(place: Place) -> None:
    low, high = place.host.ephemeral_ports()

    assert place.console("cat", "/proc/sys/net/ipv4/ip_local_port_range").split() == [b"%d" % low, b"%d" % high]


def test_it_tells_about_itself(place: Place) -> None:
    told = facts(place.host)

    assert (told.os, told.arch, told.kernel) == (os.uname().sysname, os.uname().machine, os.uname().release)
    assert told.boot_id == place.console("cat", "/proc/sys/kernel/random/boot_id").decode().strip()
    assert place.console("stat", "-c", "%u %U", place.directory).decode().split() == [str(told.uid), told.user]
    assert abs(told.clock_skew) <= told.clock_error + 0.1
    assert told.cgroups in {"v1", "hybrid", "v2", ""}

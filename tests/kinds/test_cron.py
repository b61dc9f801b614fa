"""Schedules: what their five fields say, and what becomes of them where clocks are put forward and back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kinds.cron import BadSchedule, following, latest, parse, zone

BERLIN = zone("Europe/Berlin")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")


def at(text: str, place: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone(place)).timestamp()


def runs(schedule: str, since: str, count: int, place: str = "UTC") -> list[str]:
    """The next ones, as a clock in UTC shows them."""
    found, moment = [], at(since, place)
    for _ in range(count):
        moment = following(parse(schedule), zone(place), moment) or 0.0
        found.append(datetime.fromtimestamp(moment, UTC).strftime("%m-%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("* * * * *", ["11-21 12:01", "11-21 12:02"]),
        ("*/20 * * * *", ["11-21 12:20", "11-21 12:40", "11-21 13:00"]),
        ("50/5 * * * *", ["11-21 12:50", "11-21 12:55", "11-21 13:50"]),
        ("5,10-12 13 * * *", ["11-21 13:05", "11-21 13:10", "11-21 13:11", "11-21 13:12", "11-22 13:05"]),
        ("0 9 * * mon-fri", ["11-23 09:00", "11-24 09:00"]),
        ("0 9 * * FRI-sun", ["11-22 09:00", "11-27 09:00"]),
        ("0 0 * * 7", ["11-22 00:00", "11-29 00:00"]),
        ("0 0 13 * fri", ["11-27 00:00", "12-04 00:00", "12-11 00:00", "12-13 00:00"]),
        ("0 0 */15 * *", ["12-01 00:00", "12-16 00:00", "12-31 00:00"]),
        ("0 0 29 feb *", ["02-29 00:00"]),
        ("@daily", ["11-22 00:00", "11-23 00:00"]),
        ("@Hourly", ["11-21 13:00"]),
        ("@weekly", ["11-22 00:00"]),
        ("@monthly", ["12-01 00:00", "01-01 00:00"]),
        ("@yearly", ["01-01 00:00"]),
    ],
)
def test_a_schedule_comes_round_when_cron_would_say(schedule: str, expected: list[str]) -> None:
    assert runs(schedule, "2026-11-21T12:00:00", len(expected)) == expected


@pytest.mark.parametrize(
    "schedule",
    [
        "", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "5-1 * * * *",
        "*/0 * * * *", "a * * * *", "* * * mon *", "@often", "@reboot", "0 0 31 feb *", "1,,2 * * * *", "-1 * * * *",
        "\u0661 * * * *", "*/\u00b2 * * * *", "@daily x",
    ],
)  # fmt: skip
def test_what_is_no_schedule_is_refused_with_a_sentence(schedule: str) -> None:
    with pytest.raises(BadSchedule, match=r".{10}"):
        parse(schedule)


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../../etc/passwd", "/etc/localtime", "Europe"])
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(BadSchedule):
        zone(name)


def test_a_time_that_does_not_exist_runs_once_after() -> None:
    """In Berlin, on 29 March 2026, after 01:59 comes 03:00, which is 01:00 in UTC."""
    assert runs("30 2 * * *", "2026-03-28T12:00:00", 2, "Europe/Berlin") == ["03-29 01:00", "03-30 00:30"]
    assert runs("*/10 2 * * *", "2026-03-29T00:30:00", 2, "Europe/Berlin") == ["03-29 01:00", "03-30 00:00"]
    every = runs("*/30 * * * *", "2026-03-29T01:00:00", 4, "Europe/Berlin")
    assert every == ["03-29 00:30", "03-29 01:00", "03-29 01:30", "03-29 02:00"]


def test_a_time_that_comes_twice_runs_once_unless_no_hour_is_named() -> None:
    """In Berlin, on 25 October 2026, after 02:59 comes 02:00 once more."""
    assert runs("30 2 * * *", "2026-10-24T12:00:00", 2, "Europe/Berlin") == ["10-25 00:30", "10-26 01:30"]
    every = runs("*/30 * * * *", "2026-10-25T01:30:00", 6, "Europe/Berlin")
    assert every == ["10-25 00:00", "10-25 00:30", "10-25 01:00", "10-25 01:30", "10-25 02:00", "10-25 02:30"]


def test_the_latest_one_is_not_older_than_since() -> None:
    cron, now = parse("0 * * * *"), at("2026-11-21T12:30:00")
    assert latest(cron, UTC, now, at("2026-11-21T11:59:00")) == at("2026-11-21T12:00:00")
    assert latest(cron, UTC, at("2026-11-21T12:00:00"), 0.0) == at("2026-11-21T12:00:00")
    assert latest(cron, UTC, now, at("2026-11-21T12:00:00")) is None
    assert latest(parse("0 0 1 1 *"), UTC, now, 0.0) == at("2026-01-01T00:00:00")


fields = st.builds(
    lambda minute, hour, day, month, week: f"{minute} {hour} {day} {month} {week}",
    st.sampled_from(["*", "*/7", "0", "30", "15,45", "10-20/5", "59"]),
    st.sampled_from(["*", "*/5", "0", "2", "1-3", "23"]),
    st.sampled_from(["*", "*/10", "1", "29-31"]),
    st.sampled_from(["*", "mar", "oct-nov", "1,3"]),
    st.sampled_from(["*", "sun", "mon-fri", "0-6/2"]),
)


@given(fields, st.sampled_from(ZONES), st.integers(1_700_000_000, 1_900_000_000))
def test_the_next_time_lies_ahead_and_nothing_lies_between(schedule: str, name: str, moment: int) -> None:
    cron, place = parse(schedule), zone(name)
    found = following(cron, place, moment)
    assert found is not None
    assert found > moment
    assert latest(cron, place, found, moment) == found
    assert latest(cron, place, found - 1, moment) is None
    assert found % 60 == 0


@given(fields, st.sampled_from(ZONES), st.integers(1_700_000_000, 1_900_000_000))
def test_its_clock_shows_what_was_asked_for_unless_it_was_put_forward(schedule: str, name: str, moment: int) -> None:
    cron, place = parse(schedule), zone(name)
    found = following(cron, place, moment) or 0.0
    clock, before = (datetime.fromtimestamp(one, place) for one in (found, found - 60))
    assert (clock.hour in cron.hours and clock.minute in cron.minutes) or clock.utcoffset() != before.utcoffset()

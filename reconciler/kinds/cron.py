"""When a schedule comes round: five fields as cron has them, in a time zone whose clocks are put forward and back.

A time of day that does not exist, because the clocks were put forward over it, comes at the moment of that; several
of them in one gap come as one. A time that comes twice, because the clocks were put back, counts the first time only,
unless the schedule names no hour: what is to run every ten minutes does so in the second such hour as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

from reconciler.values import dataclass

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
NICKNAMES = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
FURTHEST_DAYS = 366 * 9
"""A 29 February may be eight years away."""
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


FIELDS = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of the month", 1, 31),
    Field("month", 1, 12, MONTHS),
    Field("day of the week", 0, 7, WEEKDAYS),
)


class BadSchedule(ValueError):
    """Says what is wrong, as a sentence."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A schedule, read. Hashable, so that what is worked out for a day is worked out once."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""
    either: bool
    """Both kinds of day are named: then one of them is enough."""
    hourly: bool
    """No hour is named."""

    def falls_on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (by_month or by_week) if self.either else (by_month and by_week)


def parse(text: str) -> Cron:
    """Raises BadSchedule."""
    words = NICKNAMES.get(text.strip().lower(), text).split()
    if text.strip().startswith("@") and len(words) == 1:
        raise BadSchedule(f"{text!r} is no schedule; of such words there are {', '.join(sorted(NICKNAMES))}")
    if len(words) != len(FIELDS):
        raise BadSchedule(f"{text!r} has {len(words)} fields, not five: minute, hour, day, month, day of the week")
    minutes, hours, days, months, weekdays = (_field(word, field) for word, field in zip(words, FIELDS, strict=True))
    cron = Cron(
        minutes, hours, days, months, frozenset(day % 7 for day in weekdays),
        either=not (words[2].startswith("*") or words[4].startswith("*")), hourly=words[1].startswith("*"),
    )  # fmt: skip
    if following(cron, UTC, 0.0) is None:
        raise BadSchedule(f"{text!r} never comes: there is no such day")
    return cron


def zone(name: str) -> tzinfo:
    """Raises BadSchedule."""
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # noqa: PLC0415 -- few have schedules, fewer another zone

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise BadSchedule(f"no time zone is called {name!r}") from None


def following(cron: Cron, place: tzinfo, moment: float) -> float | None:
    """The first time after the moment, in seconds since 1970."""
    day = _local(moment, place) - ONE_DAY
    for _ in range(FURTHEST_DAYS):
        later = (slot for slot in _slots(cron, place, day) if slot > moment)
        if (found := next(later, None)) is not None:
            return found
        if day.year > date.max.year - 2:
            return None
        day += ONE_DAY
    return None


def latest(cron: Cron, place: tzinfo, moment: float, since: float) -> float | None:
    """The last time at or before the moment, but after `since`."""
    day, first = _local(moment, place) + ONE_DAY, _local(min(since, moment), place) - ONE_DAY
    for _ in range(FURTHEST_DAYS):
        if day < first:
            return None
        for slot in reversed(_slots(cron, place, day)):
            if slot <= moment:
                return slot if slot > since else None
        day -= ONE_DAY
    return None


def _local(moment: float, place: tzinfo) -> date:
    return datetime.fromtimestamp(moment, place).date()


@lru_cache(256)
def _slots(cron: Cron, place: tzinfo, day: date) -> tuple[float, ...]:
    """Of one day, as the clocks there show it, in the order in which they come."""
    if not cron.falls_on(day):
        return ()
    walls = (datetime.combine(day, time(hour, minute)) for hour in cron.hours for minute in cron.minutes)
    return tuple(sorted({moment for wall in walls for moment in _moments(wall, place, twice=cron.hourly)}))


def _moments(wall: datetime, place: tzinfo, *, twice: bool) -> Iterator[float]:
    """When a clock shows this."""
    first, second = (wall.replace(tzinfo=place, fold=fold).timestamp() for fold in (0, 1))
    if first > second:  # it is in a gap: read by the clock of before it seems to be later
        yield _forward(place, second, first)
        return
    yield first
    if twice and second != first:
        yield second


def _forward(place: tzinfo, before: float, after: float) -> float:
    """The moment between the two at which the clocks were put forward."""
    low, high = int(before), int(after)
    offset = datetime.fromtimestamp(high, place).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, place).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return float(high)


def _field(word: str, field: Field) -> frozenset[int]:
    return frozenset(number for part in word.split(",") for number in _part(part, field))


def _part(part: str, field: Field) -> Iterable[int]:
    """`*`, `5`, `mon`, `1-5`, `*/10`, `8-18/2`; `5/10` is from 5 on."""
    span, slash, step = part.partition("/")
    if slash and not (step.isascii() and step.isdecimal() and int(step)):
        raise BadSchedule(f"{part!r}: the step of a {field.name} is a number from 1 on")
    low, dash, high = span.partition("-")
    if span == "*":
        first, last = field.low, field.high
    else:
        first = _number(low, field, part)
        last = _number(high, field, part) if dash else (field.high if slash else first)
    if first > last and field.names == WEEKDAYS and first < 7 and last == 0:
        last = 7  # fri-sun
    if first > last:
        raise BadSchedule(f"{part!r}: the range of a {field.name} begins after its end")
    return range(first, last + 1, int(step) if slash else 1)


def _number(word: str, field: Field, part: str) -> int:
    if word.lower() in field.names:
        return field.names.index(word.lower()) + (1 if field.names == MONTHS else 0)
    if word.isascii() and word.isdecimal() and field.low <= int(word) <= field.high:
        return int(word)
    names = f", or a name like {field.names[1]}" if field.names else ""
    raise BadSchedule(f"{part!r}: a {field.name} is a number from {field.low} to {field.high}{names}")

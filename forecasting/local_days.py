"""Time as a household lives it: local days and the exposure a stretch of time has.

Exposure is counted in average days. A local day has the exposure of its weekday's weight, however many hours the clock
change leaves it; part of a day has its share. Weights average 1, so a week always has the exposure 7. All functions
are O(1) in the length of the stretch.

Instants are integer UTC microseconds; a day is a proleptic ordinal as in `datetime.date.toordinal`; a profile is seven
weights, Monday first.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from forecasting.errors import InvalidInput, UnknownTimeZone

DAY_US = 86_400_000_000
LATEST_US = 7_258_118_400_000_000  # 1 January 2200; beyond it no instant of a household lies
EVEN_PROFILE = (1.0,) * 7
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Profile = tuple[float, ...]


@lru_cache(maxsize=256)
def zone_info(zone: str) -> ZoneInfo:
    """The time zone of this IANA name.

    Raises:
        UnknownTimeZone: there is none.
    """
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownTimeZone(zone) from error


def local_time(at_us: int, zone: str) -> datetime:
    """The instant on the household's clock."""
    if not 0 <= at_us < LATEST_US:
        raise InvalidInput("at_us", at_us, "UTC microseconds between 1970 and 2200")
    return (_EPOCH + timedelta(microseconds=at_us)).astimezone(zone_info(zone))


def local_day(at_us: int, zone: str) -> int:
    """The ordinal of the local day this instant lies in.

    >>> local_day(0, "Europe/Berlin") == date(1970, 1, 1).toordinal()
    True
    """
    return local_time(at_us, zone).toordinal()


@lru_cache(maxsize=8192)
def midnight_us(day: int, zone: str) -> int:
    """The instant at which this local day begins."""
    day_start = datetime.combine(date.fromordinal(day), datetime.min.time(), tzinfo=zone_info(zone))
    return (day_start - _EPOCH) // timedelta(microseconds=1)


def weekday(day: int) -> int:
    """0 for Monday to 6 for Sunday.

    >>> weekday(date(2026, 11, 21).toordinal())
    5
    """
    return (day - 1) % 7


def exposure_between(profile: Profile, zone: str, from_us: int, to_us: int) -> float:
    """Exposure in average days from one instant to a later one (0 when it is not later).

    >>> round(exposure_between(EVEN_PROFILE, "Europe/Berlin", 0, 7 * DAY_US), 9)
    7.0
    """
    if to_us <= from_us:
        return 0.0
    first, begun = _day_and_share(from_us, zone)
    last, share = _day_and_share(to_us, zone)
    if first == last:
        return profile[weekday(first)] * (share - begun)
    weeks, rest = divmod(last - first - 1, 7)
    whole = weeks * sum(profile) + sum(profile[weekday(first + 1 + offset)] for offset in range(rest))
    return profile[weekday(first)] * (1 - begun) + whole + profile[weekday(last)] * share


def instant_after(profile: Profile, zone: str, from_us: int, exposure: float) -> int:
    """The instant at which so much exposure has passed: the inverse of `exposure_between`.

    >>> instant_after(EVEN_PROFILE, "UTC", 0, 2.5) == 2.5 * DAY_US
    True
    """
    day, share = _day_and_share(from_us, zone)
    left = exposure + profile[weekday(day)] * share
    weeks = int(left // sum(profile))
    day += 7 * weeks
    left -= weeks * sum(profile)
    for _ in range(7):
        weight = profile[weekday(day)]
        if left < weight:
            break
        left -= weight
        day += 1
    weight = profile[weekday(day)]
    start_us = midnight_us(day, zone)
    part = min(1.0, left / weight) if weight > 0 else 0.0
    return start_us + round(part * (midnight_us(day + 1, zone) - start_us))


@lru_cache(maxsize=1024)  # one forecast asks for its level's own instant dozens of times
def _day_and_share(at_us: int, zone: str) -> tuple[int, float]:
    """The local day of an instant and the share of that day already gone, from 0 to 1."""
    day = local_day(at_us, zone)
    start_us = midnight_us(day, zone)
    share = (at_us - start_us) / (midnight_us(day + 1, zone) - start_us)
    return day, min(1.0, max(0.0, share))

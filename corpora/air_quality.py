"""Hourly air quality and weather of Beijing, and windows of it to forecast from.

Liang et al., "Assessing Beijing's PM2.5 pollution", Proceedings of the Royal Society A 471, 2015; the file is the UCI
repository's "Beijing PM2.5". Nothing of the future gets into a forecast: a missing value is replaced by the last known
one, the parts are cut apart before windows are made, and the scale is that of the training part.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from math import nan
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from corpora.errors import error_at, quoted
from corpora.text import lines
from corpora.vocabulary import Vocabulary

WIND_DIRECTIONS = Vocabulary(["NE", "NW", "SE", "cv"], unknown=None)  # "cv" is calm and variable

# First and last year of each part of the published file.
AIR_YEARS = {"train": (2010, 2012), "dev": (2013, 2013), "test": (2014, 2014)}

# The columns of a table, what the file calls them, and whether they can be negative.
_NUMBERS = {
    "pm25": ("pm2.5", False),
    "dew_point": ("DEWP", True),
    "temperature": ("TEMP", True),
    "pressure": ("PRES", False),
    "wind_speed": ("Iws", False),
    "snow_hours": ("Is", False),
    "rain_hours": ("Ir", False),
}
_TIME = ("year", "month", "day", "hour")
_WIND = "cbwd"

_WHOLE = re.compile(r"[0-9]{1,4}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LARGEST = float(np.finfo(np.float32).max)

# What each hour of a window has: the numbers, whether pm2.5 was measured, and which of the wind's directions it was.
AIR_FEATURES = (*_NUMBERS, "pm25_known", *(f"wind_{direction}" for direction in WIND_DIRECTIONS))


class AirQuality(NamedTuple):
    """The columns of T successive hours, (T,) each.

    Attributes:
        hours: in datetime64, to the hour.
        pm25: fine particles in micrograms a cubic metre; NaN where they were not measured.
        dew_point: in degrees Celsius.
        temperature: in degrees Celsius.
        pressure: in hectopascals.
        wind_direction: an index of `WIND_DIRECTIONS`.
        wind_speed: in metres a second, added up for as long as the direction is the same.
        snow_hours: for how many hours it has been snowing.
        rain_hours: for how many hours it has been raining.
    """

    hours: NDArray[np.datetime64]
    pm25: NDArray[np.float64]
    dew_point: NDArray[np.float64]
    temperature: NDArray[np.float64]
    pressure: NDArray[np.float64]
    wind_direction: NDArray[np.int64]
    wind_speed: NDArray[np.float64]
    snow_hours: NDArray[np.float64]
    rain_hours: NDArray[np.float64]


class Windows(NamedTuple):
    """N windows and what is to be forecast from them.

    Attributes:
        inputs: (N, history, D), the D being `AIR_FEATURES`.
        targets: (N,), pm2.5 so many hours after the window's last.
        persistence: (N,), the forecast that nothing changes: the last pm2.5 known at the window's last hour.
        hours: (N,), those of the targets.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[np.float32]
    persistence: NDArray[np.float32]
    hours: NDArray[np.datetime64]


class Scale(NamedTuple):
    """Mean and standard deviation of each of `AIR_FEATURES`, (D,) each; 0 and 1 for those that are yes or no."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]


def read_air_quality(path: str | Path) -> AirQuality:
    """The table of a file; columns are found by the names in the first line, and others are left alone.

    Raises:
        CorpusError: a column is missing, a value is no number, or negative where it cannot be, a wind is unknown, or
            an hour is not the one after that of the line before. Only pm2.5 may be ``NA``.
        OSError: the file cannot be read.
    """
    names: list[str] = []
    places: dict[str, int] = {}
    hour: datetime | None = None
    hours: list[datetime] = []
    winds: list[int] = []
    numbers: dict[str, list[float]] = {name: [] for name in _NUMBERS}
    for number, line in lines(path):
        row = line.split(",")
        if number == 1:
            names = row
            for name in (*_TIME, *(name for name, _ in _NUMBERS.values()), _WIND):
                if name not in names:
                    raise error_at(path, 1, len(line) + 1, f"the first line names no column {name}")
                places[name] = names.index(name)
            continue
        if len(row) != len(names):
            problem = f"expected {len(names)} columns between commas, found {len(row)}"
            raise error_at(path, number, len(line) + 1, problem)
        hour = _hour(path, number, row, places, hour)
        hours.append(hour)
        for key, (name, negative) in _NUMBERS.items():
            numbers[key].append(_value(path, number, row, places[name], name, negative))
        if (wind := row[places[_WIND]]) not in WIND_DIRECTIONS:
            problem = f"the wind {quoted(wind)} is none of {', '.join(WIND_DIRECTIONS)}"
            raise error_at(path, number, _column(row, places[_WIND]), problem)
        winds.append(WIND_DIRECTIONS.index(wind))
    if not hours:
        raise error_at(path, 1, 1, "no hour in this file")
    columns = {name: np.array(values, np.float64) for name, values in numbers.items()}
    return AirQuality(hours=np.array(hours, "datetime64[h]"), wind_direction=np.array(winds, np.int64), **columns)


def _column(row: list[str], place: int) -> int:
    return sum(len(text) + 1 for text in row[:place]) + 1


def _hour(path: str | Path, number: int, row: list[str], places: dict[str, int], before: datetime | None) -> datetime:
    for name in _TIME:
        if not _WHOLE.fullmatch(text := row[places[name]]):
            raise error_at(path, number, _column(row, places[name]), f"the {name} {quoted(text)} is no whole number")
    column = _column(row, places["year"])
    parts = [int(row[places[name]]) for name in _TIME]
    try:
        hour = datetime(*parts)  # type: ignore[arg-type]  # four whole numbers
    except ValueError as error:
        raise error_at(path, number, column, f"no hour of the calendar: {error}") from None
    if before is not None and hour != (expected := before + timedelta(hours=1)):
        problem = f"expected the hour {expected:%Y-%m-%d %H}, found {hour:%Y-%m-%d %H}"
        raise error_at(path, number, column, problem)
    return hour


def _value(path: str | Path, number: int, row: list[str], place: int, name: str, negative: bool) -> float:
    text = row[place]
    if text == "NA" and name == "pm2.5":
        return nan
    if not (_NUMBER.fullmatch(text) and abs(value := float(text)) <= _LARGEST):
        raise error_at(path, number, _column(row, place), f"{name}: {quoted(text)} is no finite number")
    if value < 0 and not negative:
        raise error_at(path, number, _column(row, place), f"{name}: {text} is negative")
    return value


def split_years(table: AirQuality, years: Mapping[str, tuple[int, int]] = AIR_YEARS) -> dict[str, AirQuality]:
    """A table for each part: the hours from its first year to its last.

    Windows made of one part have their whole history, all that replaces missing values, and their target within it.

    Raises:
        ValueError: two parts share a year, or one has no hour.
    """
    of_hours = table.hours.astype("datetime64[Y]").astype(np.int64) + 1970
    taken = np.zeros(len(of_hours), np.bool_)
    parts = {}
    for name, (first, last) in years.items():
        inside = (of_hours >= first) & (of_hours <= last)
        if not inside.any() or (inside & taken).any():
            raise ValueError(f"the years {first} to {last} of {name!r} have no hour, or one of another part")
        taken |= inside
        parts[name] = AirQuality._make(column[inside] for column in table)
    return parts


def windows(table: AirQuality, history: int, horizon: int) -> Windows:
    """All windows of ``history`` successive hours, with pm2.5 ``horizon`` hours after the last as target.

    Where pm2.5 is missing in a window, it has the last value known before, however long ago, and a 0 as
    ``pm25_known``. Windows whose target is missing are left out, and those at the beginning of the table before pm2.5
    is first known.

    Raises:
        ValueError: a history or a horizon below 1.
    """
    if history < 1 or horizon < 1:
        raise ValueError(f"expected history and horizon >= 1, got history={history}, horizon={horizon}")
    rows = _features(table).astype(np.float32)
    first = np.arange(max(0, len(rows) - history - horizon + 1))
    targets = first + history - 1 + horizon
    kept = ~np.isnan(table.pm25[targets]) & ~np.isnan(rows[first, 0])
    first, targets = first[kept], targets[kept]
    return Windows(
        inputs=rows[first[:, None] + np.arange(history)],
        targets=table.pm25[targets].astype(np.float32),
        persistence=rows[first + history - 1, 0],
        hours=table.hours[targets],
    )


def _features(table: AirQuality) -> NDArray[np.float64]:
    """`AIR_FEATURES` of each hour, (T, D), in which pm2.5 is NaN only before it is first known."""
    known = ~np.isnan(table.pm25)
    last_known = np.maximum.accumulate(np.where(known, np.arange(len(known)), 0))
    columns = [getattr(table, name) for name in _NUMBERS]
    columns[0] = table.pm25[last_known]
    winds = table.wind_direction[:, None] == np.arange(len(WIND_DIRECTIONS))
    return np.column_stack([*columns, known, winds])


def scale_of(table: AirQuality) -> Scale:
    """Mean and deviation of a table, of the training part for all parts; missing values do not count.

    A column that is constant has a deviation of 1.

    Raises:
        ValueError: pm2.5 is never known.
    """
    if np.isnan(table.pm25).all():
        raise ValueError("pm2.5 is never known in this table")
    mean, deviation = np.zeros(len(AIR_FEATURES), np.float32), np.ones(len(AIR_FEATURES), np.float32)
    for place, name in enumerate(_NUMBERS):
        column = getattr(table, name)
        mean[place] = np.nanmean(column)
        deviation[place] = np.nanstd(column) or 1
    return Scale(mean, deviation)

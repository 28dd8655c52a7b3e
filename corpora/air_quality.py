"""Hourly air quality and weather of Beijing, and windows of them for forecasting.

Liang et al., "Assessing Beijing's PM2.5 pollution", Proceedings of the Royal Society A 471, 2015; the file is the UCI
repository's "Beijing PM2.5". No information about the future leaks into a forecast: a missing value is replaced by the
last known one, the table is split into parts before windows are made, and the inputs are standardised with the mean and
standard deviation of the training part.
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

# Column of the table: its name in the file, and whether it may be negative.
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
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LARGEST = float(np.finfo(np.float32).max)

# Features of each hour of a window: the numbers, whether pm2.5 was measured, and the wind direction (one-hot).
AIR_FEATURES = (*_NUMBERS, "pm25_known", *(f"wind_{direction}" for direction in WIND_DIRECTIONS))


class AirQuality(NamedTuple):
    """Table of T successive hours, with columns of shape (T,).

    Attributes:
        hours: time, in datetime64[h].
        pm25: concentration of fine particles (PM2.5), in micrograms per cubic metre; NaN where missing.
        dew_point: dew point, in degrees Celsius.
        temperature: temperature, in degrees Celsius.
        pressure: air pressure, in hectopascals.
        wind_direction: index in `WIND_DIRECTIONS`.
        wind_speed: wind speed, in metres per second, accumulated while the direction stays the same.
        snow_hours: hours of snow, accumulated while it snows.
        rain_hours: hours of rain, accumulated while it rains.
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
    """Inputs and targets of B windows.

    Attributes:
        inputs: (B, history, D), the D features `AIR_FEATURES` of each hour.
        targets: (B,), pm2.5 ``horizon`` hours after the last hour of the window.
        persistence: (B,), the baseline forecast of no change: the last known pm2.5 at the end of the window.
        hours: (B,), time of the targets.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[np.float32]
    persistence: NDArray[np.float32]
    hours: NDArray[np.datetime64]


class Scale(NamedTuple):
    """Mean and standard deviation, (D,) each, of the `AIR_FEATURES`; 0 and 1 for the binary features."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]


def read_air_quality(path: str | Path) -> AirQuality:
    """Read the table of a comma-separated file.

    Columns are identified by the names in the first line; other columns are ignored. Only pm2.5 may be missing, ``NA``.

    Raises:
        CorpusError: there is no data, a column is missing, a line has another number of columns than the first, a
            value is not a number or must not be negative, a wind direction is unknown, or the hours are not
            consecutive.
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
                    raise error_at(path, 1, len(line) + 1, f"no column {name} in the first line")
                places[name] = names.index(name)
            continue
        if len(row) != len(names):
            problem = f"expected {len(names)} comma-separated columns, found {len(row)}"
            raise error_at(path, number, len(line) + 1, problem)
        hour = _hour(path, number, row, places, hour)
        hours.append(hour)
        for key, (name, negative) in _NUMBERS.items():
            numbers[key].append(_value(path, number, row, places[name], name, negative))
        if (wind := row[places[_WIND]]) not in WIND_DIRECTIONS:
            problem = f"the wind direction {quoted(wind)} is not one of {', '.join(WIND_DIRECTIONS)}"
            raise error_at(path, number, _column(row, places[_WIND]), problem)
        winds.append(WIND_DIRECTIONS.index(wind))
    if not hours:
        raise error_at(path, 1, 1, "no data in this file")
    columns = {name: np.array(values, np.float64) for name, values in numbers.items()}
    return AirQuality(hours=np.array(hours, "datetime64[h]"), wind_direction=np.array(winds, np.int64), **columns)


def _column(row: list[str], place: int) -> int:
    return sum(len(text) + 1 for text in row[:place]) + 1


def _hour(path: str | Path, number: int, row: list[str], places: dict[str, int], before: datetime | None) -> datetime:
    for name in _TIME:
        if not _WHOLE.fullmatch(text := row[places[name]]):
            raise error_at(path, number, _column(row, places[name]), f"the {name} {quoted(text)} is not a whole number")
    column = _column(row, places["year"])
    parts = [int(row[places[name]]) for name in _TIME]
    try:
        hour = datetime(*parts)  # type: ignore[arg-type]  # four whole numbers
    except ValueError as error:
        raise error_at(path, number, column, f"not a valid date and hour: {error}") from None
    if before is not None and hour != (expected := before + timedelta(hours=1)):
        problem = f"expected the hour {expected:%Y-%m-%d %H}, found {hour:%Y-%m-%d %H}"
        raise error_at(path, number, column, problem)
    return hour


def _value(path: str | Path, number: int, row: list[str], place: int, name: str, negative: bool) -> float:
    text = row[place]
    if text == "NA" and name == "pm2.5":
        return nan
    if not (_NUMBER.fullmatch(text) and abs(value := float(text)) <= _LARGEST):
        raise error_at(path, number, _column(row, place), f"{name}: {quoted(text)} is not a finite number")
    if value < 0 and not negative:
        raise error_at(path, number, _column(row, place), f"{name}: {text} is negative")
    return value


def split_years(table: AirQuality, years: Mapping[str, tuple[int, int]] = AIR_YEARS) -> dict[str, AirQuality]:
    """Split a table by years, so that no window of one part depends on the data of another.

    Args:
        table: the table.
        years: first and last year of each part, both inclusive.

    Returns:
        The table of each part.

    Raises:
        ValueError: a part has no hours, or hours that are in another part too.
    """
    of_hours = table.hours.astype("datetime64[Y]").astype(np.int64) + 1970
    taken = np.zeros(len(of_hours), np.bool_)
    parts = {}
    for name, (first, last) in years.items():
        inside = (of_hours >= first) & (of_hours <= last)
        if not inside.any() or (inside & taken).any():
            raise ValueError(f"part {name!r}: the years {first} to {last} have no hours, or hours of another part")
        taken |= inside
        parts[name] = AirQuality._make(column[inside] for column in table)
    return parts


def windows(table: AirQuality, history: int, horizon: int) -> Windows:
    """Make all windows of ``history`` successive hours, with the pm2.5 of ``horizon`` hours later as target.

    A missing pm2.5 in a window is replaced by the last known value, however old, and ``pm25_known`` is 0 there.
    Windows without a target are left out, and so are those that begin before the first known pm2.5.

    Args:
        table: the table, such as a part from `split_years`.
        history: hours in a window.
        horizon: hours from the last hour of the window to the target.

    Raises:
        ValueError: ``history`` or ``horizon`` is below 1.
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
    """Return the `AIR_FEATURES` of each hour, (T, D); pm2.5 is NaN only before its first known value."""
    known = ~np.isnan(table.pm25)
    last_known = np.maximum.accumulate(np.where(known, np.arange(len(known)), 0))
    columns = [getattr(table, name) for name in _NUMBERS]
    columns[0] = table.pm25[last_known]
    winds = table.wind_direction[:, None] == np.arange(len(WIND_DIRECTIONS))
    return np.column_stack([*columns, known, winds])


def scale_of(table: AirQuality) -> Scale:
    """Compute the mean and the standard deviation of the features, without missing values.

    Use those of the training part for all parts. The standard deviation of a constant column is set to 1.

    Raises:
        ValueError: pm2.5 is missing in every hour.
    """
    if np.isnan(table.pm25).all():
        raise ValueError("pm2.5 is missing in every hour of the table")
    mean, deviation = np.zeros(len(AIR_FEATURES), np.float32), np.ones(len(AIR_FEATURES), np.float32)
    for place, name in enumerate(_NUMBERS):
        column = getattr(table, name)
        mean[place] = np.nanmean(column)
        deviation[place] = np.nanstd(column) or 1
    return Scale(mean, deviation)

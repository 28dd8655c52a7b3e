import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora import CorpusError
from corpora.air_quality import (
    AIR_FEATURES,
    AirQuality,
    read_air_quality,
    scale_of,
    split_years,
    windows,
)

HEADER = "No,year,month,day,hour,pm2.5,DEWP,TEMP,PRES,cbwd,Iws,Is,Ir\n"
FIRST = "1,2010,12,31,22,NA,-21,-11.5,1021,NW,1.79,0,0\n"
SECOND = "2,2010,12,31,23,129,-16,-4,1020,cv,0.89,1,2\n"
THIRD = "3,2011,1,1,0,130,-16,-4,1020,SE,0.89,0,0\n"
GOOD = HEADER + FIRST + SECOND


def made(hours, seed=0, start="2010-12-30T00", missing=0.3):
    random = np.random.default_rng(seed)
    numbers = random.uniform(0, 100, (7, hours))
    numbers[0, random.random(hours) < missing] = np.nan
    pm25, *weather = numbers
    return AirQuality(
        np.datetime64(start, "h") + np.arange(hours),
        pm25,
        *weather[:3],
        random.integers(0, 4, hours),
        *weather[3:],
    )


def changed(table, places, seed=99):
    """Return the table with random values at ``places``; some were missing before, some are missing afterwards."""
    other = made(len(table.hours), seed)
    return table._replace(
        **{
            name: np.where(places, getattr(other, name), getattr(table, name))
            for name in AirQuality._fields
            if name != "hours"
        }
    )


def test_a_file_is_read(write):
    for content in (GOOD, GOOD.replace("\n", "\r\n"), "\ufeff" + GOOD, GOOD.rstrip("\n")):
        table = read_air_quality(write(content))
        assert table.hours.dtype == "datetime64[h]"
        assert table.hours.astype(str).tolist() == ["2010-12-31T22", "2010-12-31T23"]
        np.testing.assert_array_equal(table.pm25, [np.nan, 129])
        assert table.dew_point.tolist() == [-21, -16]
        assert table.temperature.tolist() == [-11.5, -4]
        assert table.pressure.tolist() == [1021, 1020]
        assert table.wind_direction.tolist() == [1, 3]
        assert table.wind_speed.tolist() == [1.79, 0.89]
        assert (table.snow_hours.tolist(), table.rain_hours.tolist()) == ([0, 1], [0, 2])
    columns = [line.split(",") for line in GOOD.splitlines()]
    backwards = "".join(",".join(reversed(row)) + "\n" for row in columns)
    for one, other in zip(read_air_quality(write(backwards)), table, strict=True):
        np.testing.assert_array_equal(one, other)


CASES = [
    ("", (1, 1), "no data in this file"),
    (HEADER, (1, 1), "no data in this file"),
    (FIRST, (1, 46), "no column year in the first line"),
    (GOOD.replace("pm2.5", "pm25"), (1, 58), "no column pm2.5 in the first line"),
    (GOOD.replace("cbwd", "wind"), (1, 59), "no column cbwd in the first line"),
    (GOOD.replace("\n2,", "\n"), (3, 42), "expected 13 comma-separated columns, found 12"),
    (GOOD + "\n", (4, 1), "expected 13 comma-separated columns, found 1"),
    (GOOD.replace(",129,", ",129,,"), (3, 45), "expected 13 comma-separated columns, found 14"),
    (GOOD.replace("129", "12O"), (3, 17), "pm2.5: '12O' is not a finite number"),
    (GOOD.replace("129", "nan"), (3, 17), "pm2.5: 'nan' is not a finite number"),
    (GOOD.replace("129", ""), (3, 17), "pm2.5: '' is not a finite number"),
    (GOOD.replace("129", "-999"), (3, 17), "pm2.5: -999 is negative"),
    (GOOD.replace("-16", "NA"), (3, 21), "DEWP: 'NA' is not a finite number"),
    (GOOD.replace("-11.5", "1e39"), (2, 24), "TEMP: '1e39' is not a finite number"),
    (GOOD.replace("1020", "1_020"), (3, 28), "PRES: '1_020' is not a finite number"),
    (GOOD.replace("0.89", " 0.89"), (3, 36), "Iws: ' 0.89' is not a finite number"),
    (GOOD.replace("cv", "SW"), (3, 33), "the wind direction 'SW' is not one of NE, NW, SE, cv"),
    (GOOD.replace("22,NA", "22.0,NA"), (2, 14), "the hour '22.0' is not a whole number"),
    (GOOD.replace("2010,12,31,23", "2010,x,31,23"), (3, 8), "the month 'x' is not a whole number"),
    (GOOD.replace("31,23", "32,23"), (3, 3), "not a valid date and hour: "),
    (GOOD.replace("31,23", "31,24"), (3, 3), "not a valid date and hour: "),
    (HEADER + FIRST + THIRD, (3, 3), "expected the hour 2010-12-31 23, found 2011-01-01 00"),
    (HEADER + SECOND + FIRST, (3, 3), "expected the hour 2011-01-01 00, found 2010-12-31 22"),
    (GOOD + THIRD + THIRD, (5, 3), "expected the hour 2011-01-01 01, found 2011-01-01 00"),
    (GOOD.encode() + b"\xff", (4, 1), "not UTF-8 text"),
    (GOOD.replace("cv", "c\0"), (3, 34), "a NUL character"),
]


@pytest.mark.parametrize(("content", "place", "problem"), CASES, ids=range(len(CASES)))
def test_malformed_files_say_where(write, content, place, problem):
    path = write(content)
    with pytest.raises(CorpusError) as caught:
        read_air_quality(path)
    start = f"{path}, line {place[0]}, column {place[1]}: {problem}"
    assert str(caught.value).startswith(start)
    assert problem.endswith(": ") or str(caught.value) == start


def test_a_missing_file_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_air_quality(tmp_path / "nowhere")


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 6), st.integers(0, 9))
def test_windows_are_what_a_loop_makes(hours, history, horizon, seed):
    table = made(hours, seed)
    expected = []
    known, last = [], np.nan
    for value in table.pm25:
        last = last if np.isnan(value) else value
        known.append(last)
    for end in range(history - 1, hours - horizon):
        start = end - history + 1
        if np.isnan(table.pm25[end + horizon]) or np.isnan(known[start]):
            continue
        rows = [
            [
                known[t],
                *(table[k][t] for k in (2, 3, 4, 6, 7, 8)),
                not np.isnan(table.pm25[t]),
                *(table.wind_direction[t] == wind for wind in range(4)),
            ]
            for t in range(start, end + 1)
        ]
        expected.append((rows, table.pm25[end + horizon], known[end], table.hours[end + horizon]))
    found = windows(table, history, horizon)
    assert found.inputs.shape == (len(expected), history, len(AIR_FEATURES))
    assert not np.isnan(found.inputs).any()
    for column, values in zip(found, zip(*expected, strict=True) if expected else [], strict=False):
        np.testing.assert_array_equal(column, np.array(values, column.dtype))
    np.testing.assert_array_equal(found.persistence, found.inputs[:, -1, 0])


@settings(deadline=None)
@given(st.integers(0, 59), st.integers(1, 5), st.integers(1, 5), st.integers(0, 9))
def test_what_comes_after_a_window_changes_none_of_its_inputs(place, history, horizon, seed):
    table = made(60, seed)
    later = changed(table, np.arange(60) > place)
    before, after = windows(table, history, horizon), windows(later, history, horizon)
    ends = [set((each.hours - horizon).tolist()) for each in (before, after)]
    shared = [hour for hour in ends[0] & ends[1] if hour <= table.hours[place].item()]
    for name in ("inputs", "persistence"):
        one, other = (
            getattr(each, name)[np.isin(each.hours - horizon, np.array(shared, "datetime64[h]"))]
            for each in (before, after)
        )
        np.testing.assert_array_equal(one, other)
    # Windows whose target is at or before the place are the same; later targets may have become missing or known.
    inside = [{h for h in some if h + np.timedelta64(horizon, "h") <= table.hours[place]} for some in ends]
    assert inside[0] == inside[1]


YEARS = {"train": (2010, 2010), "dev": (2011, 2011), "test": (2012, 2012)}


def three_years(seed=0):
    return made(366 * 24 * 2, seed, start="2010-12-25T00")


def test_windows_stay_within_their_part():
    table = three_years()
    parts = split_years(table, YEARS)
    assert [len(part.hours) for part in parts.values()] == [7 * 24, 365 * 24, len(table.hours) - 372 * 24]
    for name, part in parts.items():
        found = windows(part, 24, 6)
        years = (found.hours - np.arange(6 + 24)[:, None]).astype("datetime64[Y]").astype(int) + 1970
        assert len(found.hours)
        assert (years == YEARS[name][0]).all()
        outside = table.hours.astype("datetime64[Y]") != part.hours.astype("datetime64[Y]")[0]
        again = windows(split_years(changed(table, outside), YEARS)[name], 24, 6)
        for one, other in zip(found, again, strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_scale_is_of_the_training_part_only():
    table = three_years()
    scale = scale_of(split_years(table, YEARS)["train"])
    later = changed(table, table.hours >= np.datetime64("2011-01-01T00"))
    again = scale_of(split_years(later, YEARS)["train"])
    np.testing.assert_array_equal(scale, again)
    earlier = changed(table, table.hours < np.datetime64("2011-01-01T00"))
    assert not np.array_equal(scale, scale_of(split_years(earlier, YEARS)["train"]))


def test_the_scale_standardises_what_was_measured():
    table = made(2_000, missing=0.4)._replace(snow_hours=np.zeros(2_000))
    scale = scale_of(table)
    found = windows(table, 3, 1)
    inputs = (found.inputs - scale.mean) / scale.deviation
    assert inputs.dtype == np.float32
    assert not np.isnan(inputs).any()
    measured = (table.pm25[~np.isnan(table.pm25)] - scale.mean[0]) / scale.deviation[0]
    np.testing.assert_allclose([measured.mean(), measured.std()], [0, 1], atol=1e-5)
    weather = (table.temperature - scale.mean[2]) / scale.deviation[2]
    np.testing.assert_allclose([weather.mean(), weather.std()], [0, 1], atol=1e-5)
    np.testing.assert_array_equal(inputs[..., 7:], found.inputs[..., 7:])  # binary features
    assert not inputs[..., AIR_FEATURES.index("snow_hours")].any()


def test_wrong_arguments_are_named():
    table = made(30)
    for history, horizon in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match=f"got history={history}, horizon={horizon}"):
            windows(table, history, horizon)
    for years in ({"train": (2013, 2013)}, {"train": (2010, 2010), "dev": (2010, 2011)}):
        with pytest.raises(ValueError, match="have no hours, or hours of another part"):
            split_years(table, years)
    with pytest.raises(ValueError, match="missing in every hour"):
        scale_of(made(30, missing=1))
    assert windows(made(30, missing=1), 3, 1).inputs.shape == (0, 3, len(AIR_FEATURES))


def test_the_published_table(data):
    table = read_air_quality(data / "beijing_pm25" / "PRSA_data_2010.1.1-2014.12.31.csv")
    assert len(table.hours) == 43_824
    assert np.isnan(table.pm25).sum() == 2_067
    assert table.hours[[0, -1]].astype(str).tolist() == ["2010-01-01T00", "2014-12-31T23"]
    assert np.bincount(table.wind_direction).tolist() == [4_997, 14_150, 15_290, 9_387]
    parts = split_years(table)
    assert {name: len(windows(part, 24, 1).targets) for name, part in parts.items()} == {
        "train": 24_394,
        "dev": 8_654,
        "test": 8_637,
    }
    found = windows(parts["test"], 24, 24)
    assert abs(np.abs(found.persistence - found.targets).mean() - 67.7) < 0.1

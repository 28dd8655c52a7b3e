"""Settings: read from JSON, and wrong in one line."""

from typing import Annotated, Literal

import pytest
from pydantic import Field
from pydantic.dataclasses import dataclass

from recnn.settings import STRICT, Count, Positive, Probability, Size, as_json, settings_of


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Kind:
    names: tuple[str, ...]
    size: Size = 3
    rate: Positive | None = None
    share: Probability = 0.0
    way: Literal["up", "down"] = "up"
    many: Annotated[int, Field(ge=1)] | Literal["all"] = "all"
    extra: Annotated[dict[str, bool | int | float | str], Field(default_factory=dict)]
    count: Count = 1


@pytest.mark.parametrize(
    "values",
    [
        {"names": []},
        {"names": ["a"], "rate": 1, "many": 7, "extra": {"a": True, "b": 1, "c": 0.5, "d": "x"}},
        {"names": ["é"], "size": 1 << 20, "share": 0.999, "way": "down"},
    ],
)
def test_settings_survive_json(values):
    found = settings_of(Kind, values)
    assert settings_of(Kind, as_json(found)) == found
    assert {name: as_json(found)[name] for name in values} == values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "names: field required"),
        ({"names": [], "colour": 1}, "colour: unexpected keyword argument, got 1"),
        ({"names": "a"}, "names: input should be a valid array, got 'a'"),
        ({"names": [1]}, "names: input should be a valid string, got 1"),
        ({"names": [], "size": True}, "size: input should be a valid integer, got True"),
        ({"names": [], "size": 1.0}, "size: input should be a valid integer, got 1.0"),
        ({"names": [], "size": 0}, "size: input should be greater than or equal to 1, got 0"),
        ({"names": [], "rate": float("nan")}, "rate: input should be a finite number, got nan"),
        ({"names": [], "share": float("nan")}, "share: input should be less than 1, got nan"),
        ({"names": [], "way": "left"}, "way: input should be 'up' or 'down', got 'left'"),
        ({"names": [], "many": "some"}, "many: input should be a valid integer or 'all', got 'some'"),
        ({"names": [], "extra": {"x": [1]}}, "extra: input should be a valid boolean or a valid integer or a valid"),
        ({"names": [], "size": "x" * 1000}, f"size: input should be a valid integer, got '{'x' * 79}"),
        (None, "input should be an object"),
        ([1], "input should be an object"),
    ],
)
def test_what_is_wrong_is_one_line(values, message):
    with pytest.raises(ValueError, match=r"input|field|keyword") as caught:
        settings_of(Kind, values)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250

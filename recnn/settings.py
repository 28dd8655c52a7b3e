"""Settings: what a model is made of and how it is trained, checked when they are made, and read from JSON.

A settings class is a pydantic dataclass, ``@dataclass(frozen=True, config=STRICT)``. The description of a field is the
help of the option that the command line makes of it (`recnn.commands.options`).
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

STRICT = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=False)
"""No value is taken for one of another type, and no name is unknown."""

Size = Annotated[int, Field(ge=1, le=1 << 20)]
Probability = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=1 << 63)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Task = Literal["classes", "binary", "regression"]
"""What a `recnn.Head` predicts: one of several classes, yes or no, or numbers."""

Location = Annotated[str, AfterValidator(lambda path: str(Path(path).resolve()))]
"""The path of a file or folder, made absolute: a run may go on from another folder than that in which it began."""

_S = TypeVar("_S")


def settings_of(kind: type[_S], values: object) -> _S:
    """Settings from what JSON gives.

    Raises:
        ValueError: an entry is missing, unknown or wrong; the message is one line.
    """
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        raise ValueError(problem_of(error)) from None


def as_json(settings: object) -> Any:
    """Settings as JSON takes them."""
    return TypeAdapter(type(settings)).dump_python(settings, mode="json")


def values_of(settings: Any) -> dict[str, Any]:
    """The fields of settings with their values, to make settings that have more fields."""
    return {name: getattr(settings, name) for name in settings.__pydantic_fields__}


def problem_of(error: ValidationError) -> str:
    """What is wrong, in one line: the first problem, with the name of the field."""
    problems = error.errors()
    first = problems[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "value_error":
        message = str(first["ctx"]["error"])
    else:
        # Of a field that takes one of several types there is a problem with each.
        same = [problem for problem in problems if problem["loc"][:1] == first["loc"][:1]]
        messages = dict.fromkeys(problem["msg"][0].lower() + problem["msg"][1:] for problem in same)
        message = " or ".join(messages).replace(" or input should be ", " or ")
        if first["type"] not in ("missing", "dataclass_type"):
            message += f", got {repr(first['input'])[:80]}"
    return f"{name}: {message}" if name else message

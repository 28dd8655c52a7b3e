"""Settings of models and of training: their types, the checks of their values, and JSON.

A settings class is a pydantic dataclass, ``@dataclass(frozen=True, config=STRICT)``. The description of a field is the
help of the option that the command line makes of it (`recnn.commands.options`).
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

STRICT = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=False)
"""Configuration of settings classes: a value of another type is an error, and so is an unknown name."""

Size = Annotated[int, Field(ge=1, le=1 << 20)]
Layers = Annotated[int, Field(ge=1, le=1 << 10)]
Probability = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=1 << 63)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Task = Literal["classes", "binary", "regression"]
"""Kind of prediction of a `recnn.Head`: one of several classes, yes or no, or numbers."""
TreeTask = Literal["classes", "labels", "regression"]
"""What is predicted of a tree of typed nodes: one of several classes, any number of labels, or numbers."""
DirectionMerge = Literal["concat", "sum", "mul", "ave"]
"""How the states of both directions are combined."""
Device = Literal["cpu", "cuda", "auto"]
"""Device to compute on; "auto" takes the accelerator of the machine if there is one."""
Explained = Literal["occlusion", "gradient", "integrated_gradients"]
"""Method of `recnn.explain`."""

Location = Annotated[str, AfterValidator(lambda path: str(Path(path).resolve()))]
"""Path of a file or folder, made absolute, so that a run can be continued from another working directory."""

_S = TypeVar("_S")


def settings_of(kind: type[_S], values: object) -> _S:
    """Make settings of the class ``kind`` from a dictionary of JSON values.

    Raises:
        ValueError: an entry is missing, unknown or wrong; the message is one line that names it.
    """
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        raise ValueError(problem_of(error)) from None


def as_json(settings: object) -> Any:
    """Return settings as a dictionary of JSON values, the inverse of `settings_of`."""
    return TypeAdapter(type(settings)).dump_python(settings, mode="json")


def values_of(settings: Any) -> dict[str, Any]:
    """Return the fields of settings with their values, as arguments for a settings class with more fields."""
    return {name: getattr(settings, name) for name in settings.__pydantic_fields__}


def problem_of(error: ValidationError) -> str:
    """Describe the first problem of a validation in one line that begins with the name of the field."""
    problems = error.errors()
    first = problems[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "value_error":
        message = str(first["ctx"]["error"])
    else:
        # Where a field takes one of several types, pydantic reports a problem for each.
        same = [problem for problem in problems if problem["loc"][:1] == first["loc"][:1]]
        messages = dict.fromkeys(problem["msg"][0].lower() + problem["msg"][1:] for problem in same)
        message = " or ".join(messages).replace(" or input should be ", " or ")
        if first["type"] not in ("missing", "dataclass_type"):
            message += f", got {repr(first['input'])[:80]}"
    return f"{name}: {message}" if name else message

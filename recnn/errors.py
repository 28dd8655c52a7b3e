"""Errors in graphs, models, training runs and gradients.

All but `GradientError` are `InputError`s, whose message names the input and the place of the error in it.
"""

from parsers.errors import InputError


class GraphError(InputError):
    """A graph that is not a forest, or not of the kind that a function takes; the message names the nodes."""


class ModelError(InputError):
    """A folder that does not hold a valid model; the message names the folder or the file in it."""


class RunError(InputError):
    """A folder in which a training run cannot start or continue; the message names the folder."""


class GradientError(ArithmeticError):
    """A state or gradient that is NaN, infinite or too large; the message names the layer and step or the parameter."""


def missing_extra(error: ModuleNotFoundError, extra: str = "train") -> InputError:
    """Return the error for a missing package that only an extra of recnn installs, such as Lightning for training."""
    package = (error.name or "a package").partition(".")[0]
    return InputError(f"this needs {package}, which is not installed: pip install 'recnn[{extra}]'")

"""What can be wrong with graphs, models, runs and gradients, one class per kind.

Each is an `InputError` whose message names the input and the place; `GradientError` alone is about numbers, not input.
"""

from parsers.errors import InputError


class GraphError(InputError):
    """A graph that is not a forest, or not of the expected kind; the message names the nodes."""


class ModelError(InputError):
    """A folder that does not hold a valid model; the message names the folder or the file in it."""


class RunError(InputError):
    """A folder in which a training run cannot start or continue; the message names it."""


class GradientError(ArithmeticError):
    """A state or gradient that is NaN, infinite or too large; the message names the layer and the step."""


def missing_extra(error: ModuleNotFoundError) -> InputError:
    """The error for a package that is installed by an extra only, such as Lightning for training."""
    package = (error.name or "a package").partition(".")[0]
    return InputError(f"this needs {package}, which is not installed: pip install 'recnn[train]'")

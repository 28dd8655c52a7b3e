"""Functions that `torch.compile` leaves as they are, because it would compile them anew for every forest."""

from collections.abc import Callable
from typing import Any, TypeVar

from torch._C._dynamo import eval_frame

F = TypeVar("F", bound=Callable[..., Any])

_REASON = (
    "a forest is a data structure, and every new one would be compiled anew; call torch.compile without "
    "fullgraph=True, which compiles the layers before and after, or torch.export with strict=False, which exports the "
    "model for one forest"
)
_SKIP = eval_frame._FrameAction.SKIP


def uncompiled(function: F) -> F:
    """Run a function, and all that it calls, without `torch.compile`, in a model that is compiled around it.

    It does what `torch.compiler.disable` does, of which it sets the marks. That function imports `torch._dynamo`, over
    a second at each start, and puts a function of its own around this one. Outside of compiled models a call of a
    function so marked costs nothing.
    """
    eval_frame.set_code_exec_strategy(function.__code__, eval_frame._FrameExecStrategy(_SKIP, _SKIP))
    function._torchdynamo_disable = True  # type: ignore[attr-defined]
    function._torchdynamo_disable_msg = _REASON  # type: ignore[attr-defined]
    return function

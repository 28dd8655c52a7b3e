"""RNN, LSTM and GRU with the signatures, results and state dicts of torch.nn."""

import re
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from recnn.cells.base import Cell
from recnn.cells.gru import GRUCell
from recnn.cells.lstm import LSTMCell
from recnn.cells.recursive import RecursiveCell
from recnn.cells.regularised import DropoutCell, ZoneoutCell
from recnn.layers.recurrent import Recurrent

_TORCH_NAME = re.compile(r"(\w+)_l(\d+)(_reverse)?")


class _TorchFace(Recurrent):
    """A `Recurrent` with torch.nn's names in its state dict and attributes: ``weight_ih_l0``, ``bias_hh_l1_reverse``...

    The parameters themselves belong to its cells, in ``encoder.cells``, and `named_parameters` says so.
    """

    def __init__(
        self,
        cells: list[Cell],
        bias: bool,
        dropout: float,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
        batch_first: bool,
        **options: Any,
    ) -> None:
        recurrent_dropout, zoneout = options.pop("recurrent_dropout", 0.0), options.pop("zoneout", 0.0)
        rates = tuple(zoneout) if isinstance(zoneout, (list, tuple)) else (zoneout,) * len(cells[0].State._fields)
        if len(rates) != len(cells[0].State._fields):
            raise ValueError(f"zoneout must be a rate or {len(cells[0].State._fields)} of them, got {zoneout!r}")
        for name, rate in (("recurrent_dropout", recurrent_dropout), *(("zoneout", rate) for rate in rates)):
            if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
                raise ValueError(f"{name} must be a probability, got {rate!r}")
        if recurrent_dropout:
            cells = [DropoutCell(cell, recurrent_dropout) for cell in cells]
        if any(rates):
            cells = [ZoneoutCell(cell, *rates) for cell in cells]
        for name, value in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(value, bool):
                raise TypeError(f"{name} should be of type bool, got: {type(value).__name__}")
        if isinstance(dropout, bool) or not isinstance(dropout, (int, float)):
            raise ValueError(f"dropout should be a number in range [0, 1], got {dropout!r}")
        if dropout and len(cells) == 1:
            warnings.warn(
                f"dropout={dropout} has no effect with one layer: it acts between layers", UserWarning, stacklevel=3
            )
        super().__init__(cells, dropout=dropout, batch_first=batch_first, **options)
        self.register_state_dict_post_hook(_to_torch_names)
        self.register_load_state_dict_pre_hook(_from_torch_names)
        self.to(device=device, dtype=dtype)

    @property
    def hidden_size(self) -> int:
        """H of the last layer."""
        return self.encoder.cells[-1].hidden_size

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """The parameters of each layer and direction."""
        return [list(cell.parameters()) for cell in self.encoder.cells]

    def flatten_parameters(self) -> None:
        """Nothing: the weights stay where they are. For code written for torch.nn."""

    def __getattr__(self, name: str) -> Any:
        match = _TORCH_NAME.fullmatch(name)
        if match and "encoder" in self.__dict__.get("_modules", {}):
            parameter, layer, reverse = match.groups()
            index = int(layer) * len(self.encoder.directions) + (reverse is not None)
            if index < len(self.encoder.cells):
                cell = self.encoder.cells[index]
                while isinstance(cell, (DropoutCell, ZoneoutCell)):
                    cell = cell.cell
                return getattr(cell, parameter)
        return super().__getattr__(name)


class RNN(_TorchFace):
    """The vanilla recurrent network (Elman 1990), `torch.nn.RNN` in all it takes and returns.

        h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)        or relu

    Args:
        input_size: D.
        hidden_size: H; or a list of them, one a layer.
        num_layers: L.
        nonlinearity: "tanh" or "relu".
        bias: whether there are biases.
        batch_first: whether padded sequences are (B, T, *).
        dropout: between layers.
        bidirectional: whether it also reads from the end.
        device: of the parameters.
        dtype: of the parameters.
        layer_norm: whether the cells normalise what they sum.
        options: beyond torch: ``recurrent_dropout``, the rate of a `recnn.DropoutCell` around each cell; ``zoneout``,
            that of a `recnn.ZoneoutCell`; ``merge_mode``, ``independent``, ``residual``, ``variational``,
            ``return_sequences`` as in `Recurrent`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        layer_norm: bool = False,
        **options: Any,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        cells: list[Cell] = [
            RecursiveCell(D, H, 1, nonlinearity, bias, layer_norm=layer_norm)  # type: ignore[arg-type]
            for D, H in _sizes(input_size, hidden_size, num_layers, bidirectional, options)
        ]
        super().__init__(cells, bias, dropout, device, dtype, batch_first, bidirectional=bidirectional, **options)


class LSTM(_TorchFace):
    """Long short-term memory, `torch.nn.LSTM` in all it takes and returns.

    For the equations, and for ``forget_gate``, ``coupled`` and ``peepholes``, see `recnn.LSTMCell`.

    Args:
        input_size: D.
        hidden_size: H; or a list of them, one a layer.
        num_layers: L.
        bias: whether there are biases.
        batch_first: whether padded sequences are (B, T, *).
        dropout: between layers.
        bidirectional: whether it also reads from the end.
        proj_size: P, if h is to be projected.
        device: of the parameters.
        dtype: of the parameters.
        forget_gate: False for the LSTM of 1997.
        coupled: whether the forget gate is 1 - i.
        peepholes: whether the gates see the cells.
        layer_norm: whether the cells normalise what they sum.
        options: beyond torch: ``recurrent_dropout``, the rate of a `recnn.DropoutCell` around each cell; ``zoneout``,
            that of a `recnn.ZoneoutCell`, or a pair of them for h and c; ``merge_mode``, ``independent``, ``residual``,
            ``variational``, ``return_sequences``, ``return_cell_states`` as in `Recurrent`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        forget_gate: bool = True,
        coupled: bool = False,
        peepholes: bool = False,
        layer_norm: bool = False,
        **options: Any,
    ) -> None:
        cells: list[Cell] = [
            LSTMCell(D, H, 1, bias, forget_gate, coupled, peepholes, proj_size, layer_norm)
            for D, H in _sizes(input_size, hidden_size, num_layers, bidirectional, options, proj_size)
        ]
        super().__init__(cells, bias, dropout, device, dtype, batch_first, bidirectional=bidirectional, **options)


class GRU(_TorchFace):
    """The gated recurrent unit, `torch.nn.GRU` in all it takes and returns; for the equations see `recnn.GRUCell`.

    Args:
        input_size: D.
        hidden_size: H; or a list of them, one a layer.
        num_layers: L.
        bias: whether there are biases.
        batch_first: whether padded sequences are (B, T, *).
        dropout: between layers.
        bidirectional: whether it also reads from the end.
        device: of the parameters.
        dtype: of the parameters.
        reset_after: False for the unit of Cho et al. 2014, whose reset gate acts before the product.
        layer_norm: whether the cells normalise what they sum.
        options: beyond torch: ``recurrent_dropout``, the rate of a `recnn.DropoutCell` around each cell; ``zoneout``,
            that of a `recnn.ZoneoutCell`; ``merge_mode``, ``independent``, ``residual``, ``variational``,
            ``return_sequences`` as in `Recurrent`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        reset_after: bool = True,
        layer_norm: bool = False,
        **options: Any,
    ) -> None:
        cells: list[Cell] = [
            GRUCell(D, H, 1, bias, reset_after, layer_norm)
            for D, H in _sizes(input_size, hidden_size, num_layers, bidirectional, options)
        ]
        super().__init__(cells, bias, dropout, device, dtype, batch_first, bidirectional=bidirectional, **options)


def _sizes(
    input_size: int,
    hidden_size: int | Sequence[int],
    num_layers: int,
    bidirectional: bool,
    options: dict[str, Any],
    proj_size: int = 0,
) -> list[tuple[int, int]]:
    """What each layer reads and how wide it is."""
    for name, value in (("input_size", input_size), ("num_layers", num_layers)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} should be of type int, got: {type(value).__name__}")
    if num_layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if isinstance(hidden_size, Sequence):
        if num_layers not in (1, len(hidden_size)):
            raise ValueError(f"{len(hidden_size)} hidden sizes for {num_layers} layers")
        widths = list(hidden_size)
        if not widths:
            raise ValueError("hidden_size has no layers")
    else:
        widths = [hidden_size] * num_layers
    for width in widths:
        if not isinstance(width, int):
            raise TypeError(f"hidden_size should be of type int, got: {type(width).__name__}")
        if width <= 0:
            raise ValueError("hidden_size must be greater than zero")
    joined = bidirectional and options.get("merge_mode", "concat") == "concat" and not options.get("independent")
    reads = [input_size, *((2 if joined else 1) * (proj_size or width) for width in widths[:-1])]
    return list(zip(reads, widths, strict=True))


def _names(module: _TorchFace) -> list[tuple[str, str]]:
    """Ours and torch's name of each parameter."""
    ways = len(module.encoder.directions)
    return [
        (
            f"encoder.cells.{index}.{name}",
            f"{name.removeprefix('cell.').removeprefix('cell.')}_l{index // ways}{'_reverse' if index % ways else ''}",
        )
        for index, cell in enumerate(module.encoder.cells)
        for name, _ in cell.named_parameters()
    ]


def _to_torch_names(module: Any, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
    for ours, theirs in _names(module):
        if prefix + ours in state_dict:
            state_dict[prefix + theirs] = state_dict.pop(prefix + ours)


def _from_torch_names(module: Any, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
    for ours, theirs in _names(module):
        if prefix + theirs in state_dict:
            state_dict[prefix + ours] = state_dict.pop(prefix + theirs)

"""RNN, LSTM and GRU with the arguments, results and state dicts of the classes in torch.nn."""

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

    `named_parameters` gives the names of the parameters in the cells instead, such as ``encoder.cells.0.weight_ih``.
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
            fields = cells[0].State._fields
            raise ValueError(f"zoneout must be a probability, or one for each of {', '.join(fields)}, got {zoneout!r}")
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
                f"dropout={dropout} has no effect with num_layers=1: it is applied between layers",
                UserWarning,
                stacklevel=3,
            )
        super().__init__(cells, dropout=dropout, batch_first=batch_first, **options)
        self.register_state_dict_post_hook(_to_torch_names)
        self.register_load_state_dict_pre_hook(_from_torch_names)
        self.to(device=device, dtype=dtype)

    @property
    def hidden_size(self) -> int:
        """Size H of the hidden states of the last layer."""
        return self.encoder.cells[-1].hidden_size

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """List of the parameters of each layer and direction."""
        return [list(cell.parameters()) for cell in self.encoder.cells]

    def flatten_parameters(self) -> None:
        """Do nothing; exists for compatibility with torch.nn."""

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
    """Multi-layer Elman RNN (Elman 1990) with tanh or ReLU, with the interface and results of `torch.nn.RNN`.

        h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)

    With ``nonlinearity="relu"``, ReLU is used in place of tanh.

    Args:
        input_size: The number D of expected features in the input x.
        hidden_size: The number H of features in the hidden state h; or a list of numbers, one for each layer.
        num_layers: Number L of recurrent layers. Default: 1, or the length of ``hidden_size``
        nonlinearity: The nonlinearity to use. Can be either "tanh" or "relu". Default: "tanh"
        bias: If False, then the layer does not use bias weights b_ih and b_hh. Default: True
        batch_first: If True, then the input and output tensors are provided as (B, T, *) instead of (T, B, *). Note
            that this does not apply to hidden states. Default: False
        dropout: If non-zero, introduces dropout on the outputs of each RNN layer except the last layer, with dropout
            probability equal to ``dropout``. Default: 0
        bidirectional: If True, becomes a bidirectional RNN. Default: False
        device: The device of the parameters.
        dtype: The data type of the parameters.
        layer_norm: If True, applies layer normalisation to W_ih x and to W_hh h before the biases are added (after Ba,
            Kiros and Hinton 2016). Default: False
        options: Options that torch.nn.RNN does not have: ``recurrent_dropout``, dropout probability of the previous
            hidden state, see `recnn.DropoutCell`; ``zoneout``, zoneout probability, see `recnn.ZoneoutCell`;
            ``merge_mode``, ``independent``, ``residual``, ``variational`` and ``return_sequences``, see
            `recnn.Recurrent`.

    Shapes:
        input: (T, B, D), (B, T, D) with ``batch_first``, (T, D) without a batch, or a `PackedSequence`.
        h_0, h_n: (L * directions, B, H), or (L * directions, H) without a batch; h_0 is zeros if not provided.
        output: as the input, with H (2 H if bidirectional, with ``merge_mode="concat"``) in place of D.

    Raises:
        TypeError, ValueError: an argument has a wrong type or value, as in torch.nn.
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
    """Multi-layer long short-term memory (LSTM) RNN, with the interface and results of `torch.nn.LSTM`.

    For the equations see `recnn.LSTMCell`.

    Args:
        input_size: The number D of expected features in the input x.
        hidden_size: The number H of features in the hidden state h; or a list of numbers, one for each layer.
        num_layers: Number L of recurrent layers. Default: 1, or the length of ``hidden_size``
        bias: If False, then the layer does not use bias weights b_ih and b_hh. Default: True
        batch_first: If True, then the input and output tensors are provided as (B, T, *) instead of (T, B, *). Note
            that this does not apply to hidden or cell states. Default: False
        dropout: If non-zero, introduces dropout on the outputs of each LSTM layer except the last layer, with dropout
            probability equal to ``dropout``. Default: 0
        bidirectional: If True, becomes a bidirectional LSTM. Default: False
        proj_size: If > 0, will use LSTM with projections of size P = ``proj_size`` (Sak et al. 2014). Default: 0
        device: The device of the parameters.
        dtype: The data type of the parameters.
        forget_gate: If False, then the layer has no forget gates, as in Hochreiter and Schmidhuber 1997. Default: True
        coupled: If True, then the forget gate is 1 - i (Greff et al. 2017). Default: False
        peepholes: If True, adds peephole connections from the cell states to the gates (Gers and Schmidhuber 2000).
            Default: False
        layer_norm: If True, applies layer normalisation to W_ih x and to W_hh h, gate by gate, before the biases are
            added, and to c before its tanh (after Ba, Kiros and Hinton 2016). Default: False
        options: Options that torch.nn.LSTM does not have: ``recurrent_dropout``, dropout probability of the previous
            hidden state, see `recnn.DropoutCell`; ``zoneout``, zoneout probability, or a pair of them for h and c, see
            `recnn.ZoneoutCell`; ``merge_mode``, ``independent``, ``residual``, ``variational``, ``return_sequences``
            and ``return_cell_states``, see `recnn.Recurrent`.

    Shapes:
        input: (T, B, D), (B, T, D) with ``batch_first``, (T, D) without a batch, or a `PackedSequence`.
        h_0, h_n: (L * directions, B, P), or (L * directions, P) without a batch, with P = H if there is no projection.
        c_0, c_n: (L * directions, B, H), or (L * directions, H) without a batch; h_0 and c_0 are zeros if not provided.
        output: as the input, with P (2 P if bidirectional, with ``merge_mode="concat"``) in place of D.

    Raises:
        TypeError, ValueError: an argument has a wrong type or value, as in torch.nn.
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
    """Multi-layer gated recurrent unit (GRU) RNN, with the interface and results of `torch.nn.GRU`.

    For the equations see `recnn.GRUCell`.

    Args:
        input_size: The number D of expected features in the input x.
        hidden_size: The number H of features in the hidden state h; or a list of numbers, one for each layer.
        num_layers: Number L of recurrent layers. Default: 1, or the length of ``hidden_size``
        bias: If False, then the layer does not use bias weights b_ih and b_hh. Default: True
        batch_first: If True, then the input and output tensors are provided as (B, T, *) instead of (T, B, *). Note
            that this does not apply to hidden states. Default: False
        dropout: If non-zero, introduces dropout on the outputs of each GRU layer except the last layer, with dropout
            probability equal to ``dropout``. Default: 0
        bidirectional: If True, becomes a bidirectional GRU. Default: False
        device: The device of the parameters.
        dtype: The data type of the parameters.
        reset_after: If False, the reset gate is applied before the matrix product, as in Cho et al. 2014, instead of
            after it. Default: True
        layer_norm: If True, applies layer normalisation to W_ih x and to W_hh h, gate by gate, before the biases are
            added (after Ba, Kiros and Hinton 2016). Default: False
        options: Options that torch.nn.GRU does not have: ``recurrent_dropout``, dropout probability of the previous
            hidden state, see `recnn.DropoutCell`; ``zoneout``, zoneout probability, see `recnn.ZoneoutCell`;
            ``merge_mode``, ``independent``, ``residual``, ``variational`` and ``return_sequences``, see
            `recnn.Recurrent`.

    Shapes:
        input: (T, B, D), (B, T, D) with ``batch_first``, (T, D) without a batch, or a `PackedSequence`.
        h_0, h_n: (L * directions, B, H), or (L * directions, H) without a batch; h_0 is zeros if not provided.
        output: as the input, with H (2 H if bidirectional, with ``merge_mode="concat"``) in place of D.

    Raises:
        TypeError, ValueError: an argument has a wrong type or value, as in torch.nn.
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
    """Input size and hidden size of each layer."""
    for name, value in (("input_size", input_size), ("num_layers", num_layers)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} should be of type int, got: {type(value).__name__}")
    if num_layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if isinstance(hidden_size, Sequence):
        if num_layers not in (1, len(hidden_size)):
            raise ValueError(f"expected {num_layers} hidden sizes with num_layers={num_layers}, got {len(hidden_size)}")
        widths = list(hidden_size)
        if not widths:
            raise ValueError("hidden_size must not be an empty list")
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
    """The name of each parameter here and in torch.nn."""
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

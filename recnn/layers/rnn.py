"""RNN, LSTM and GRU with the arguments, results and state dicts of the classes in torch.nn."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import nn

from recnn.cells.gru import GRUCell
from recnn.cells.lstm import LSTMCell
from recnn.cells.recursive import RecursiveCell
from recnn.layers.torch_face import TorchFace, innermost


class RNN(TorchFace, nn.RNN):
    """Multi-layer Elman RNN (Elman 1990) with tanh or ReLU, with the interface and results of `torch.nn.RNN`.

        h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)

    With ``nonlinearity="relu"``, ReLU is used in place of tanh. What differs from torch.nn is listed in
    `recnn.layers.torch_face.TorchFace`.

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
            ``merge_mode``, ``independent``, ``residual``, ``variational``, ``return_sequences`` and
            ``engine``, see `recnn.Recurrent`.

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
        self._construct(
            nn.RNN,
            lambda D, H: RecursiveCell(D, H, 1, self.nonlinearity, bias, layer_norm=layer_norm),
            options,
            input_size,
            hidden_size,
            num_layers,
            nonlinearity=nonlinearity,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            device=device,
            dtype=dtype,
        )

    @property
    def nonlinearity(self) -> Literal["tanh", "relu"]:
        """The nonlinearity that ``mode`` names; an assignment changes ``mode``."""
        return "tanh" if self.mode == "RNN_TANH" else "relu"

    @nonlinearity.setter
    def nonlinearity(self, value: str) -> None:
        if value not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{value}'. Select from 'tanh' or 'relu'.")
        self.mode = f"RNN_{value.upper()}"

    def _use_settings(self) -> None:
        super()._use_settings()
        if innermost(self.encoder.cells[0]).nonlinearity != self.nonlinearity:
            for cell in self.encoder.cells:
                innermost(cell).nonlinearity = self.nonlinearity


class LSTM(TorchFace, nn.LSTM):
    """Multi-layer long short-term memory (LSTM) RNN, with the interface and results of `torch.nn.LSTM`.

    For the equations see `recnn.LSTMCell`; what differs from torch.nn is listed in `recnn.layers.torch_face.TorchFace`.

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
            `recnn.ZoneoutCell`; ``merge_mode``, ``independent``, ``residual``, ``variational``, ``return_sequences``,
            ``return_cell_states`` and ``engine``, see `recnn.Recurrent`.

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
        self._construct(
            nn.LSTM,
            lambda D, H: LSTMCell(D, H, 1, bias, forget_gate, coupled, peepholes, proj_size, layer_norm),
            options,
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            proj_size=proj_size,
            device=device,
            dtype=dtype,
        )


class GRU(TorchFace, nn.GRU):
    """Multi-layer gated recurrent unit (GRU) RNN, with the interface and results of `torch.nn.GRU`.

    For the equations see `recnn.GRUCell`; what differs from torch.nn is listed in `recnn.layers.torch_face.TorchFace`.

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
            ``merge_mode``, ``independent``, ``residual``, ``variational``, ``return_sequences`` and
            ``engine``, see `recnn.Recurrent`.

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
        self._construct(
            nn.GRU,
            lambda D, H: GRUCell(D, H, 1, bias, reset_after, layer_norm),
            options,
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            device=device,
            dtype=dtype,
        )

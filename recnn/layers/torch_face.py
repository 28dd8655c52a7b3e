"""The part that `recnn.RNN`, `recnn.LSTM` and `recnn.GRU` share: a `Recurrent` that is also a network of torch.nn."""

import warnings
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from recnn.cells.base import Cell
from recnn.cells.regularised import DropoutCell, ZoneoutCell
from recnn.layers.recurrent import Recurrent

_OPTIONS = ("merge_mode", "independent", "residual", "variational", "return_sequences", "return_cell_states", "engine")
"""Options of `Recurrent` that torch.nn does not have."""

_FIXED = ("input_size", "hidden_size", "num_layers", "bias", "bidirectional", "proj_size", "merge_mode")
"""Attributes that cannot be changed after construction."""

_FIXED_OF = itemgetter(*_FIXED)


class TorchFace(Recurrent, nn.RNNBase):
    """A `Recurrent` that is also a `torch.nn.RNNBase`, constructed by the class of torch.nn whose interface it has.

    The parameters belong to the network, under torch.nn's names: ``weight_ih_l0``, ``bias_hh_l1_reverse``...; options
    that torch.nn does not have add further ones, such as ``peephole_i_l0``.
    Its cells, in ``encoder.cells``, borrow them.

    Where it differs from torch.nn:

    - where its own loop runs (see ``engine`` of `recnn.Recurrent`), results are equal but for the last digits, and
      dropout draws other masks from the same seed;
    - `flatten_parameters` does nothing, and `torch.jit.script` is not supported;
    - ``nonlinearity`` of an RNN can be set, which changes ``mode``; in torch.nn this has no effect. Other attributes
      that determine the shapes (``hidden_size``, ``bias``, ...) are refused in the next forward pass if they have
      changed, with an error that names them;
    - a weight of a wrong shape, and packed inputs of a wrong size or dtype, are errors in all three classes;
    - a parametrization (`torch.nn.utils.parametrize`) is computed once in a pass for each weight;
    - modules that were saved whole by ``torch.save(module)`` are those of one version of this package; state dicts are
      those of torch.nn.
    """

    def _construct(
        self,
        torch_class: Any,
        make: Callable[[int, int], Cell],
        options: dict[str, Any],
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int,
        **arguments: Any,
    ) -> None:
        """Do what a constructor does.

        Args:
            torch_class: class of torch.nn; its constructor checks the arguments that it knows, and draws the weights.
            make: function that makes a cell of an input size and a hidden size.
            options: options that torch.nn does not have.
            input_size: size D of the inputs.
            hidden_size: size H of the hidden states, or one for each layer.
            num_layers: number L of layers; or 1 if there are several hidden sizes.
            arguments: other arguments of torch's constructor.
        """
        recurrent_dropout, zoneout = options.pop("recurrent_dropout", 0.0), options.pop("zoneout", 0.0)
        if "proj_size" in options:  # torch's constructor says that only an LSTM has projections
            arguments["proj_size"] = options.pop("proj_size")
        for name in options:
            if name not in _OPTIONS:
                raise TypeError(f"{type(self).__name__}.__init__() got an unexpected keyword argument {name!r}")
        sizes = _sizes(hidden_size, num_layers)
        layers = num_layers if sizes is None else len(sizes)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch_class.__init__(self, input_size, hidden_size if sizes is None else sizes[-1], layers, **arguments)
        for warning in caught:  # as from the line that called the constructor
            warnings.warn(warning.message, stacklevel=3)
        with torch.device("meta"):  # the weights of the cells are only shapes
            cells, read = [], self.input_size
            joined = self.bidirectional and options.get("merge_mode", "concat") == "concat"
            for H in sizes or [self.hidden_size] * self.num_layers:
                cells.append(_wrapped(make(read, H), recurrent_dropout, zoneout))
                read = cells[-1].output_size * (1 + (joined and not options.get("independent")))
            Recurrent.__init__(
                self, cells, None, self.batch_first, self.dropout, bidirectional=self.bidirectional, **options
            )
        self._sizes = sizes
        self._fixed = _FIXED_OF(self.__dict__)
        self._torch_class = torch_class
        self._lend()
        self._shapes = [weight.shape for weight in self._flat_weights]
        self._is_torchs = self._as_in_torch and self.return_sequences and self._torch_function() is not None

    def _lend(self) -> None:
        """Let the cells borrow their weights; if torch.nn has others, register those of the cells in their place."""
        wanted: dict[str, Tensor] = {}
        grouped = []
        for index, cell in enumerate(map(innermost, self.encoder.cells)):
            layer, reverse = divmod(index, len(self.encoder.directions))
            names = {name: f"{name}_l{layer}{'_reverse' * reverse}" for name, _ in cell.named_parameters()}
            wanted |= {names[name]: parameter for name, parameter in cell.named_parameters()}
            grouped.append(list(names.values()))
            cell.borrow(self, names)
        own = dict(self.named_parameters())
        self._as_in_torch = {n: p.shape for n, p in own.items()} == {n: p.shape for n, p in wanted.items()}
        if self._as_in_torch:
            return
        like = next(iter(own.values()))
        for name in own:
            delattr(self, name)
        for name, parameter in wanted.items():
            made = torch.empty(parameter.shape, dtype=like.dtype, device=like.device)
            self.register_parameter(name, nn.Parameter(made))
        self._flat_weights_names, self._all_weights = list(wanted), grouped
        self._init_flat_weights()
        self.reset_parameters()

    def forward(self, input: Tensor | PackedSequence, hx: Any = None) -> tuple[Any, ...]:
        """Compute the output and the final state, and with ``return_cell_states`` the cell states of all steps.

        Args:
            input: the sequences; see the class for the shapes.
            hx: initial state; zeros if None.

        Raises:
            RuntimeError, ValueError: a shape or type does not fit, as in torch.nn.
        """
        if self._fixed != (now := _FIXED_OF(self.__dict__)):
            name, was, is_now = next(row for row in zip(_FIXED, self._fixed, now, strict=True) if row[1] != row[2])
            raise RuntimeError(f"{name} cannot be changed after construction: it was {was!r}, and is {is_now!r}")
        if self._is_torchs and self.engine in ("auto", "torch") and self._can_call_torch(input):
            onednn = self.mode == "LSTM" and not self.proj_size
            if self.engine == "torch" or self._is_quicker(input, hx, onednn):
                found: tuple[Any, ...] = self._torch_class.forward(self, input, hx)
                return found
        self._use_settings()
        return super().forward(input, hx)

    def _can_call_torch(self, input: Tensor | PackedSequence) -> bool:
        """Check what torch.nn leaves unchecked: wrong weights and empty inputs are left to our loop, and its errors."""
        if isinstance(input, PackedSequence):
            self._check_input(input)
        elif not input.numel():
            return False
        watched = "run" in self._modules["encoder"].__dict__
        weights = self._flat_weights
        return not watched and [None if weight is None else weight.shape for weight in weights] == self._shapes

    def _use_settings(self) -> None:
        """Bring the encoder in step with the attributes of this module."""
        encoder = self.encoder
        if encoder.dropout != self.dropout:
            encoder.dropout = self.dropout
        if innermost(encoder.cells[0])._owner is not self:  # this is a copy, such as a replica of DataParallel
            for cell in encoder.cells:
                innermost(cell).borrow_from(self)

    def reset_parameters(self) -> None:
        """Initialise the weights as `torch.nn.RNNBase.reset_parameters` does, each layer with its own hidden size."""
        if "encoder" not in self._modules or self._as_in_torch:
            nn.RNNBase.reset_parameters(self)
        else:
            for cell in map(innermost, self.encoder.cells):
                cell.reset_parameters()

    def flatten_parameters(self) -> None:
        """Do nothing; exists for compatibility with torch.nn."""

    @property
    def _flat_weights(self) -> list[Any]:
        """The weights as they are now, for methods of torch.nn, which would keep a list of those they have seen."""
        own = self._parameters  # where most of them are, and a look-up takes a third of the time
        return [own[name] if name in own else getattr(self, name, None) for name in self._flat_weights_names]

    @_flat_weights.setter
    def _flat_weights(self, value: Any) -> None:
        pass

    def __setattr__(self, name: str, value: Any) -> None:
        nn.Module.__setattr__(self, name, value)  # that of `torch.nn.RNNBase` maintains the list

    check_input = nn.RNNBase.check_input

    def _initial(self, hx: Any, input: Tensor | PackedSequence, trees: int, order: Tensor | None) -> list[Any]:
        parts = (hx,) if isinstance(hx, Tensor) else hx
        if self._sizes is None and len(parts) == len(self.encoder.cells[0].State._fields):
            self._check_states(parts, input)
        return super()._initial(hx, input, trees, order)

    def _check_states(self, parts: Sequence[Tensor], input: Tensor | PackedSequence) -> None:
        """Check the sizes of the initial states with torch's methods and messages."""
        if isinstance(input, Tensor):
            kind = "unbatched 2-D" if input.dim() == 2 else "batched 3-D"
            if any(part.dim() != input.dim() for part in parts):
                which, dims = ("hx and cx", "({}-D, {}-D) tensors") if len(parts) == 2 else ("hx", "{}-D tensor")
                found = dims.format(*(part.dim() for part in parts))
                raise RuntimeError(f"For {kind} input, {which} should also be {input.dim()}-D but got {found}")
        rows, batch_sizes = (input, None) if isinstance(input, Tensor) else input[:2]
        if rows.dim() == 2 and batch_sizes is None:
            rows = rows.unsqueeze(0 if self.batch_first else 1)
            parts = [part.unsqueeze(1) for part in parts]
        state: Any = tuple(parts) if len(parts) == 2 else parts[0]
        self.check_forward_args(rows, state, batch_sizes)

    def extra_repr(self) -> str:
        """The options that torch.nn shows, and how both directions are merged, for `print`."""
        merged = "" if self.merge_mode == "concat" else f", merge_mode={self.merge_mode!r}"
        return nn.RNNBase.extra_repr(self) + merged


def innermost(cell: Any) -> Any:
    """The cell in a `DropoutCell`, a `ZoneoutCell` or both."""
    while isinstance(cell, (DropoutCell, ZoneoutCell)):
        cell = cell.cell
    return cell


def _sizes(hidden_size: int | Sequence[int], num_layers: int) -> list[int] | None:
    """Hidden size of each layer; None if all have the same."""
    if not isinstance(hidden_size, Sequence):
        return None
    if num_layers not in (1, len(hidden_size)):
        raise ValueError(f"expected {num_layers} hidden sizes with num_layers={num_layers}, got {len(hidden_size)}")
    if not hidden_size:
        raise ValueError("hidden_size must not be an empty list")
    for size in hidden_size:
        if not isinstance(size, int):
            raise TypeError(f"hidden_size should be of type int, got: {type(size).__name__}")
        if size <= 0:
            raise ValueError("hidden_size must be greater than zero")
    return list(hidden_size)


def _wrapped(cell: Cell, recurrent_dropout: Any, zoneout: Any) -> Cell:
    """The cell with recurrent dropout and zoneout, as far as they are wanted."""
    fields = cell.State._fields
    rates = tuple(zoneout) if isinstance(zoneout, (list, tuple)) else (zoneout,) * len(fields)
    if len(rates) != len(fields):
        raise ValueError(f"zoneout must be a probability, or one for each of {', '.join(fields)}, got {zoneout!r}")
    for name, rate in (("recurrent_dropout", recurrent_dropout), *(("zoneout", rate) for rate in rates)):
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
            raise ValueError(f"{name} must be a probability, got {rate!r}")
    if recurrent_dropout:
        cell = DropoutCell(cell, recurrent_dropout)
    return ZoneoutCell(cell, *rates) if any(rates) else cell

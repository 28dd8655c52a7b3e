"""Recurrent networks over sequences, of any cell: a batch of sequences is a forest of chains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from recnn.cells.base import Cell
from recnn.engines import torch_kernels
from recnn.engines.torch_kernels import TorchFunction
from recnn.errors import GraphError
from recnn.graphs.compiler import uncompiled
from recnn.graphs.devices import is_autocast, with_data
from recnn.graphs.schedule import Schedule, schedule
from recnn.layers.chains import Chains, DGLChains, chain_graph, chains_of
from recnn.layers.encoder import Encoder

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

SequenceEngine = Literal["auto", "levels", "torch", "dgl"]
MergeMode = Literal["concat", "sum", "mul", "ave"] | None
_MERGES: dict[str | None, Any] = {"concat": "concat", "sum": "sum", "mul": "mul", "ave": "ave", None: "none"}


class Recurrent(nn.Module):
    """Multi-layer, optionally bidirectional recurrent network of any cell, with the interface of `torch.nn.LSTM`.

    Indices that depend only on the lengths of the sequences are kept for later batches of the same lengths, those of
    the most recently used lengths, up to 8,192 steps and 524,288 entries (steps of a sequence) in total, which is about
    80 MB at most; those of a larger batch until the next.

    Args:
        cell: cell of the first layer, with ``arity=1`` or ``arity="sum"``; or a list with one for each layer, of any
            sizes. See `recnn.Encoder`.
        num_layers: number L of layers. Default: the number of cells given.
        batch_first: if True, padded input and output are (B, T, *) instead of (T, B, *); this does not apply to states.
        dropout: if non-zero, applies dropout with this probability to the outputs of each layer except the last.
        bidirectional: if True, each layer has a second cell that reads the sequence from its end.
        merge_mode: how the outputs of both directions are combined, as in Keras: "concat", "sum", "mul", "ave" (their
            mean), or None, which returns them as a pair.
        independent: stack the layers of each direction separately and merge only the output, instead of merging after
            each layer; always the case with ``merge_mode=None``.
        residual: add the input of each layer but the first to its output, if they have the same size.
        variational: drop the same entries at all steps of a sequence (Gal and Ghahramani 2016).
        return_sequences: return the output of all steps. If False, the output is (B, H): that of the last step; or, if
            bidirectional, the final hidden states of both directions, merged.
        return_cell_states: also return the cell states of the last layer at all steps, as a third value.
        engine: "torch" calls the functions of torch.nn, with cuDNN's and oneDNN's kernels; they need cells with the
            equations of torch.nn, and torch's ways to stack and merge them. "levels" is the loop of this package, which
            has everything, second derivatives and `torch.func` too. "dgl" is DGL's message passing over the chains,
            the slow reference of the others. "auto" takes torch's functions where they can be used and are quicker, see
            `recnn.engines.torch_kernels.is_quicker`, else "levels".

    Shapes:
        input: (T, B, D), (B, T, D) with ``batch_first``, (T, D) without a batch, or a `PackedSequence`.
        state: (L * directions, B, H) for each field of the cell's state: a tensor if the state has one field, else a
            tuple of tensors. If the layers differ in size, a tuple of L * directions tensors (B, H) in place of a
            tensor. Without a batch the dimension B is missing.
        output: as the input, with H (2 H if two directions are concatenated) in place of D.

    Raises:
        ValueError: an argument has a wrong value, or the arguments do not fit together.
    """

    def __init__(
        self,
        cell: Cell | Sequence[Cell],
        num_layers: int | None = None,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        merge_mode: MergeMode = "concat",
        independent: bool = False,
        residual: bool = False,
        variational: bool = False,
        return_sequences: bool = True,
        return_cell_states: bool = False,
        engine: SequenceEngine = "auto",
    ) -> None:
        if "_modules" not in vars(self):  # a class that is also a network of torch.nn has called its constructor
            super().__init__()
        if merge_mode not in _MERGES:
            raise ValueError(f"merge_mode must be one of 'concat', 'sum', 'mul', 'ave', None, got {merge_mode!r}")
        self.encoder = Encoder(
            cell,
            num_layers,
            "both" if bidirectional else "up",
            _MERGES[merge_mode],
            independent,
            residual,
            dropout,
            variational,
        )
        if any(one.slots != 1 for one in self.encoder.cells):
            arities = [one.arity for one in self.encoder.cells]
            raise ValueError(f"a recurrent network needs cells with one child: arity=1 or arity='sum', got {arities}")
        if return_cell_states and "cell" not in self.encoder.cells[0].State._fields:
            raise ValueError(f"return_cell_states=True: a {type(self.encoder.cells[0]).__name__} has no cell state")
        if residual and bidirectional and not return_sequences:
            raise ValueError(
                "residual=True with bidirectional=True needs return_sequences=True: the directions end at different "
                "steps"
            )
        self.input_size = self.encoder.cells[0].input_size
        self.num_layers = self.encoder.num_layers
        self.batch_first = batch_first
        self.bidirectional = bidirectional
        self.merge_mode = merge_mode
        self.return_sequences = return_sequences
        self.return_cell_states = return_cell_states
        if engine not in get_args(SequenceEngine):
            raise ValueError(f"engine must be one of {', '.join(map(repr, get_args(SequenceEngine)))}, got {engine!r}")
        self.engine = engine
        if engine == "torch" and self._torch_function() is None:
            raise ValueError(
                "engine='torch' needs cells with the equations of torch.nn, all with the same options and sizes, and "
                "none of merge_mode (but 'concat'), independent, residual, variational and return_cell_states"
            )

    def forward(self, input: Tensor | PackedSequence, hx: Any = None) -> tuple[Any, ...]:
        """Compute the output and the final state, and with ``return_cell_states`` the cell states of all steps.

        Args:
            input: the sequences; see the class for the shapes.
            hx: initial state; zeros if None.

        Raises:
            RuntimeError, ValueError: a shape or type does not fit, as in torch.nn.
        """
        self._check_input(input)
        if isinstance(input, Tensor) and not input.numel() and input.dim() == 3:
            return self._of_nothing(input)
        function = self._torch_function() if self.engine in ("auto", "torch") else None
        if function is not None:
            first = self.encoder.cells[0]
            onednn = function is torch_kernels.LSTM_FUNCTION and first.output_size == first.hidden_size
            if self.engine == "torch" or self._is_quicker(input, hx, onednn):
                return self._by_torch(function, input, hx)
        return self._by_levels(input, hx)

    @uncompiled
    def _by_levels(self, input: Tensor | PackedSequence, hx: Any) -> tuple[Any, ...]:
        """Compute what `forward` does by the loop of this package, or by DGL's message passing."""
        data, forest, order = self._sequences(input)
        schedule = forest.schedule
        if self.engine == "dgl":
            forest = DGLChains(schedule)
        initial = None if hx is None else self._initial(hx, input, schedule.trees, order)
        state, layers = self.encoder.run(forest, data, initial)
        ways = self.encoder.directions
        ends = [forest.ends(*walked) for layer in layers for walked in zip(layer, ways, strict=True)]
        if self.return_sequences:
            outputs = self._laid_out(state.hidden, input, schedule)
        else:
            last = ends[-2:] if self.bidirectional else [forest.ends(state, "up")]
            outputs = self._last([end.hidden for end in last], input, order)
        found = outputs, self._final(ends, input, order)
        return (*found, self._laid_out(state.cell, input, schedule)) if self.return_cell_states else found

    def _torch_function(self) -> TorchFunction | None:
        """Return torch's function for this network; None if there is none, or the encoder is being watched."""
        encoder = self.encoder
        plain = not (encoder.residual or encoder.variational or encoder.independent or self.return_cell_states)
        if not plain or (self.bidirectional and self.merge_mode != "concat") or "run" in vars(encoder):
            return None
        return torch_kernels.function_for(encoder.cells)

    def _is_quicker(self, input: Tensor | PackedSequence, hx: Any, onednn: bool) -> bool:
        """Test if torch's function should be called; ``onednn`` is True for an LSTM without projections."""
        x = input
        if isinstance(input, PackedSequence):
            x, onednn = input.data, onednn and bool(input.batch_sizes[0] == input.batch_sizes[-1])
        given = () if hx is None else (hx,) if isinstance(hx, Tensor) else hx
        learns = torch.is_grad_enabled() and any(
            part.requires_grad for part in (x, *given, *self.parameters()) if isinstance(part, Tensor)
        )
        return torch_kernels.is_quicker(x, onednn, learns)  # type: ignore[arg-type]

    def _by_torch(self, function: TorchFunction, input: Tensor | PackedSequence, hx: Any) -> tuple[Any, ...]:
        """Compute what `forward` does by torch's function."""
        encoder = self.encoder
        unbatched = isinstance(input, Tensor) and input.dim() == 2
        batch_sizes, order = None, None
        if isinstance(input, PackedSequence):
            x, batch_sizes, order = input.data, input.batch_sizes, input.unsorted_indices
        else:
            x = input.unsqueeze(1) if unbatched else input.transpose(0, 1) if self.batch_first else input
        trees = x.shape[1] if batch_sizes is None else int(batch_sizes[0])
        before = None
        if hx is not None:
            states = self._initial(hx, input, trees, order)
            before = [torch.stack(parts) for parts in zip(*states, strict=True)]
        for cell in encoder.cells:
            cell.compute_weights()
        rows, ends = torch_kernels.run(
            function, encoder.cells, x, batch_sizes, before, encoder.dropout, self.training, self.bidirectional
        )
        final = [self._by_sequence(part, input, order, dim=1) for part in ends]
        state = final[0] if len(final) == 1 else tuple(final)
        if not self.return_sequences:
            last = [self._by_sequence(part, input, order) for part in ends[0][-len(encoder.directions) :]]
            return torch.cat(last, dim=-1), state
        if isinstance(input, PackedSequence):
            return PackedSequence(rows, input.batch_sizes, input.sorted_indices, input.unsorted_indices), state
        return rows.squeeze(1) if unbatched else rows.transpose(0, 1) if self.batch_first else rows, state

    def _of_nothing(self, input: Tensor) -> tuple[Any, ...]:
        """The result for a batch of zero sequences: that for one sequence, with its entries removed."""
        across = 0 if self.batch_first else 1
        output, *rest = self.forward(input.new_zeros([size or 1 for size in input.shape]))

        def without(value: Any, dim: int) -> Any:
            return value.narrow(dim, 0, 0) if isinstance(value, Tensor) else tuple(without(v, dim) for v in value)

        final, *cells = rest
        dim = across if self.return_sequences else 0
        same = isinstance(final, Tensor) or all(isinstance(part, Tensor) and part.dim() == 3 for part in final)
        return without(output, dim), without(final, 1 if same else 0), *(without(part, across) for part in cells)

    def to_graph(self, input: Tensor | PackedSequence) -> DGLGraph:
        """Convert sequences to a batch of chains, one per sequence, in which node t is step t.

        Node data ``x`` (N, D) holds the inputs of the steps, so that
        ``recnn.propagate(cell, graph, graph.ndata["x"])`` computes a layer.

        Args:
            input: the sequences; see the class for the shapes.
        """
        self._check_input(input)
        data, forest, order = self._sequences(input)
        chain = forest.trees()
        if order is not None:
            chain = order.cpu().argsort()[chain]
        graph = chain_graph(chain.bincount())
        graph.ndata["x"] = data[chain.argsort(stable=True)].detach().cpu()
        return graph

    @staticmethod
    def from_graph(graph: DGLGraph) -> PackedSequence:
        """Convert a batch of chains with node data ``x`` (N, D) to sequences; inverse of `to_graph`.

        Raises:
            GraphError: a graph of the batch is not a chain, or there is no node data ``x``.
        """
        if "x" not in graph.ndata:
            raise GraphError("the graph has no node data 'x', the inputs (N, D) of the steps")
        levels = schedule(graph)
        lengths = graph.batch_num_nodes()
        if levels.trees != graph.batch_size or int(graph.in_degrees().max()) > 1:
            raise GraphError("expected a batch of chains, got a graph that is not a chain")
        # Level order starts with the last steps: reversed and sorted by tree, the rows are the sequences.
        order = levels.order.flip(0)[levels.tree.flip(0).argsort(stable=True)]
        steps = graph.ndata["x"][order].split(lengths.tolist())
        return pack_sequence(list(steps), enforce_sorted=False)

    def extra_repr(self) -> str:
        """The options that the encoder does not show, for `print`."""
        return f"batch_first={self.batch_first}, merge_mode={self.merge_mode!r}"

    def _check_input(self, input: Tensor | PackedSequence) -> None:
        if isinstance(input, PackedSequence):
            self.check_input(input.data, input.batch_sizes)
            return
        if input.dim() not in (2, 3):
            raise ValueError(f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.dim()}D instead")
        self.check_input(input if input.dim() == 3 else input.unsqueeze(0), None)
        steps = 1 if input.dim() == 3 and self.batch_first else 0
        if not input.shape[steps]:
            raise RuntimeError(f"Expected sequence length to be larger than 0, got input of {tuple(input.shape)}")

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Check the dtype and the size of inputs, (T, B, D), or (N, D) of a packed sequence with ``batch_sizes``.

        Raises:
            ValueError: the inputs have another dtype than the weights.
            RuntimeError: the inputs have another size than ``input_size``.
        """
        weight = self.encoder.any_weight()
        if weight is not None and input.dtype != weight.dtype and not is_autocast(input):
            raise ValueError(f"input must have the type {weight.dtype}, got type {input.dtype}")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}"
            )

    def _sequences(self, input: Tensor | PackedSequence) -> tuple[Tensor, Chains, Tensor | None]:
        """The inputs (N, D) in the order of a packed sequence, their chains, and the chain of each sequence.

        The last is (B,), or None if chains and sequences are in the same order.
        """
        if isinstance(input, PackedSequence):
            sizes = tuple(input.batch_sizes.tolist())
            return input.data, chains_of(sizes), input.unsorted_indices
        x = input.unsqueeze(1) if input.dim() == 2 else input.transpose(0, 1) if self.batch_first else input
        steps, batch = map(int, x.shape[:2])
        with with_data(x):
            chains = chains_of((batch,) * steps)
        return x.reshape(steps * batch, -1), chains, None

    def _initial(self, hx: Any, input: Tensor | PackedSequence, trees: int, order: Tensor | None) -> list[Any]:
        """Split ``hx`` into a state for each layer and direction, with rows in the order of the chains."""
        unbatched = isinstance(input, Tensor) and input.dim() == 2
        weight = self.encoder.any_weight()
        fields = self.encoder.cells[0].State._fields
        parts = (hx,) if len(fields) == 1 else tuple(hx)
        if len(parts) != len(fields):
            raise RuntimeError(f"Expected hx with {len(fields)} parts ({', '.join(fields)}), got {len(parts)}")
        states: list[Any] = []
        for index, cell in enumerate(self.encoder.cells):
            state = []
            for number, (part, shape) in enumerate(zip(parts, cell.state_shapes(), strict=True)):
                if isinstance(part, Tensor) and part.dim() != len(shape) + 1 + (not unbatched):
                    kind = "unbatched 2-D" if unbatched else "batched 3-D"
                    wanted = len(shape) + 1 + (not unbatched)
                    raise RuntimeError(f"For {kind} input, hx should also be {wanted}-D but got {part.dim()}-D tensor")
                if len(part) != len(self.encoder.cells):
                    raise RuntimeError(
                        f"Expected hidden[{number}] with {len(self.encoder.cells)} states, one per layer and "
                        f"direction, got {len(part)}"
                    )
                own = part[index].unsqueeze(0) if unbatched else part[index]
                if own.shape != (trees, *shape):
                    raise RuntimeError(
                        f"Expected hidden[{number}] size {(len(self.encoder.cells), trees, *shape)}, "
                        f"got {list(part.shape) if isinstance(part, Tensor) else tuple(own.shape)}"
                    )
                if weight is not None and own.dtype != weight.dtype:
                    raise RuntimeError(f"hidden[{number}] must have the type {weight.dtype}, got type {own.dtype}")
                state.append(own if order is None else own.index_select(0, torch.argsort(order)))
            states.append(cell.State(*state))
        return states

    def _laid_out(self, rows: Tensor, input: Tensor | PackedSequence, schedule: Schedule) -> Any:
        """Bring rows (N, *) into the layout of the input; a pair if the directions are not merged."""
        if self.bidirectional and self.merge_mode is None:
            return tuple(self._as_input(part, input, schedule) for part in rows.unbind(1))
        return self._as_input(rows, input, schedule)

    def _as_input(self, rows: Tensor, input: Tensor | PackedSequence, schedule: Schedule) -> Tensor | PackedSequence:
        if isinstance(input, PackedSequence):
            return PackedSequence(rows, input.batch_sizes, input.sorted_indices, input.unsorted_indices)
        if input.dim() == 2:
            return rows
        padded = rows.view(-1, schedule.trees, *rows.shape[1:])
        return padded.transpose(0, 1) if self.batch_first else padded

    def _final(self, ends: list[Any], input: Tensor | PackedSequence, order: Tensor | None) -> Any:
        """The final states in the layout of ``hx``."""
        found = []
        for parts in zip(*ends, strict=True):
            sequences = [self._by_sequence(part, input, order) for part in parts]
            same = len({part.shape for part in sequences}) == 1
            found.append(torch.stack(sequences) if same else tuple(sequences))
        return found[0] if len(found) == 1 else tuple(found)

    def _last(self, ends: list[Tensor], input: Tensor | PackedSequence, order: Tensor | None) -> Any:
        hidden = [self._by_sequence(end, input, order) for end in ends]
        if len(hidden) == 2 and self.merge_mode is None:
            return tuple(hidden)
        rows = [part.unsqueeze(0) if part.dim() == 1 else part for part in hidden]
        merged = self.encoder.merged(rows)
        return merged.squeeze(0) if hidden[0].dim() == 1 else merged

    @staticmethod
    def _by_sequence(rows: Tensor, input: Tensor | PackedSequence, order: Tensor | None, dim: int = 0) -> Tensor:
        if isinstance(input, Tensor) and input.dim() == 2:
            return rows.squeeze(dim)
        return rows if order is None else rows.index_select(dim, order)


def detached(state: Any) -> Any:
    """Detach a state from the autograd graph, between two segments of truncated backpropagation through time.

    Args:
        state: a tensor, or tuples of tensors, such as the final state of a `Recurrent`.

    Returns:
        The detached state, in the same form.
    """
    return state.detach() if isinstance(state, Tensor) else tuple(detached(part) for part in state)

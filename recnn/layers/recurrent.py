"""Any cell as a recurrent network over sequences: a forest of chains, walked by the same loop as trees."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from recnn.cells.base import Cell
from recnn.engines.propagate import walk
from recnn.errors import GraphError
from recnn.graphs import _dgl
from recnn.graphs.plan import Direction, indices
from recnn.graphs.schedule import Schedule, chains, schedule
from recnn.layers.encoder import Encoder, Forest

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

MergeMode = Literal["concat", "sum", "mul", "ave"] | None
_MERGES: dict[str | None, Any] = {"concat": "concat", "sum": "sum", "mul": "mul", "ave": "ave", None: "none"}


_AGAINST: dict[Direction, Direction] = {"up": "down", "down": "up"}


class _Chains(Forest):
    """Chains that hang from their first tokens; see `recnn.graphs.schedule.chains`.

    To a user a chain is read "up", as a tree that hangs from its last token, so directions are turned here.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        sources = indices(schedule.up.sources.nodes, schedule.order)
        self._last = sources[schedule.tree[sources].argsort()]  # (B,) the last node of each chain

    def walk(self, cell: Cell, x: Tensor, direction: Direction, initial: Any, everywhere: bool) -> Any:
        return walk(cell, self.schedule, x, _AGAINST[direction], initial)

    def trees(self) -> Tensor:
        return self.schedule.tree

    def ends(self, state: Any, direction: Direction) -> Any:
        """The state at the last step of each chain, or, read from its end, at the first."""
        first = slice(self.schedule.trees)
        return type(state)(
            *(part[first] if direction == "down" else part.index_select(0, self._last) for part in state)
        )


@lru_cache(maxsize=256)
@torch.inference_mode(False)  # what is kept may be used in training next
def _chains(batch_sizes: tuple[int, ...], device: str) -> _Chains:
    return _Chains(chains(batch_sizes, device))


class Recurrent(nn.Module):
    """A recurrent network of any cell with one child, called as `torch.nn.LSTM` is.

    Args:
        cell: the cell of the first layer, or a list with one for each layer, of any sizes; see `recnn.Encoder`.
        num_layers: L; not needed with a list.
        batch_first: whether padded input and output are (B, T, *) instead of (T, B, *).
        dropout: the probability of an entry to be dropped between layers.
        bidirectional: whether a second cell in each layer reads the sequence from its end.
        merge_mode: how the two directions become one, in the names of Keras: "concat", "sum", "mul", "ave", or None,
            which returns them as a pair.
        independent: whether the two directions are stacks of their own, merged at the output, instead of in each layer.
        residual: whether each layer but the first adds its input to its output, where they are of one size.
        variational: whether dropout drops the same entries at every step (Gal and Ghahramani 2016).
        return_sequences: whether the output holds every step; otherwise it is (B, H), where each direction ends:
            the last step, and, merged with it, the first as it is read from the end.
        return_cell_states: whether the cell states of all steps are returned as well, as a third value.

    Shapes:
        input: (T, B, D), (B, T, D), (T, D) or a `PackedSequence`.
        state: for each field of the cell's state (L * directions, B, H); a tensor if there is one field, else a tuple
            of them; of tensors, one a layer and direction, where the layers differ in size. Without B if unbatched.
        output: as the input, with H (or 2 H) in place of D.
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
    ) -> None:
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
            raise ValueError("a recurrent network takes cells with one child: arity=1 or arity='sum'")
        if return_cell_states and "cell" not in self.encoder.cells[0].State._fields:
            raise ValueError(f"return_cell_states: a {type(self.encoder.cells[0]).__name__} has no cell state")
        if residual and bidirectional and not return_sequences:
            raise ValueError("residual=True with two directions needs return_sequences=True: they end at two places")
        self.batch_first = batch_first
        self.bidirectional = bidirectional
        self.merge_mode = merge_mode
        self.return_sequences = return_sequences
        self.return_cell_states = return_cell_states

    @property
    def input_size(self) -> int:
        """D."""
        return self.encoder.cells[0].input_size

    @property
    def num_layers(self) -> int:
        """L."""
        return self.encoder.num_layers

    def forward(self, input: Tensor | PackedSequence, hx: Any = None) -> tuple[Any, ...]:
        """The output and the final state; and all cell states, if asked for.

        Raises:
            RuntimeError, ValueError: sizes that do not fit, as in torch.nn.
        """
        self._check_input(input)
        if isinstance(input, Tensor) and not input.numel() and input.dim() == 3:
            return self._of_nothing(input)
        data, forest, order = self._sequences(input)
        schedule = forest.schedule
        unbatched = isinstance(input, Tensor) and input.dim() == 2
        initial = None if hx is None else self._initial(hx, schedule, order, unbatched)
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

    def _of_nothing(self, input: Tensor) -> tuple[Any, ...]:
        """What `forward` answers to a batch of no sequences: what it says of one, without that one."""
        across = 0 if self.batch_first else 1
        output, *rest = self.forward(input.new_zeros([size or 1 for size in input.shape]))

        def without(value: Any, dim: int) -> Any:
            return value.narrow(dim, 0, 0) if isinstance(value, Tensor) else tuple(without(v, dim) for v in value)

        final, *cells = rest
        dim = across if self.return_sequences else 0
        same = isinstance(final, Tensor) or all(isinstance(part, Tensor) and part.dim() == 3 for part in final)
        return without(output, dim), without(final, 1 if same else 0), *(without(part, across) for part in cells)

    def to_graph(self, input: Tensor | PackedSequence) -> DGLGraph:
        """The forest of chains that the network walks for ``input``, one chain a sequence, node t its step t.

        Node data ``x`` (N, D) holds the steps, so that ``recnn.propagate(cell, graph, graph.ndata["x"])`` is a layer.
        """
        self._check_input(input)
        data, forest, order = self._sequences(input)
        chain = forest.trees()
        graphs = []
        for number in range(forest.schedule.trees) if order is None else order.tolist():
            rows = (chain == number).nonzero().squeeze(1)
            time = torch.arange(len(rows))
            graph = _dgl.graph((time[:-1], time[1:]), num_nodes=len(rows))
            graph.edata["slot"] = torch.zeros(len(rows) - 1, dtype=torch.int64)
            graph.ndata["x"] = data[rows].detach().cpu()
            graphs.append(graph)
        return _dgl.batch(graphs)

    @staticmethod
    def from_graph(graph: DGLGraph) -> PackedSequence:
        """The sequences of a forest of chains, from its node data ``x``: the inverse of `to_graph`.

        Raises:
            GraphError: not every graph of the batch is a chain, or there is no ``x``.
        """
        if "x" not in graph.ndata:
            raise GraphError("the graph has no node data 'x', the steps (N, D)")
        levels = schedule(graph)
        lengths = graph.batch_num_nodes()
        if levels.trees != graph.batch_size or int(graph.in_degrees().max()) > 1:
            raise GraphError("the graph is no batch of chains")
        # In level order the last steps come first; by tree and then backwards, they are the sequences.
        order = levels.order.flip(0)[levels.tree.flip(0).argsort(stable=True)]
        steps = graph.ndata["x"][order].split(lengths.tolist())
        return pack_sequence(list(steps), enforce_sorted=False)

    def extra_repr(self) -> str:
        """What is not seen in the encoder."""
        return f"batch_first={self.batch_first}, merge_mode={self.merge_mode!r}"

    def _check_input(self, input: Tensor | PackedSequence) -> None:
        data = input.data if isinstance(input, PackedSequence) else input
        name = type(self).__name__
        if isinstance(input, Tensor) and input.dim() not in (2, 3):
            raise ValueError(f"{name}: Expected input to be 2D or 3D, got {input.dim()}D instead")
        dtype = next(self.encoder.cells[0].parameters()).dtype
        if data.dtype != dtype and not torch.is_autocast_enabled(data.device.type):
            raise ValueError(f"input must have the type {dtype}, got type {data.dtype}")
        if data.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {data.shape[-1]}"
            )
        steps = 1 if isinstance(input, Tensor) and input.dim() == 3 and self.batch_first else 0
        if isinstance(input, Tensor) and not input.shape[steps]:
            raise RuntimeError(f"Expected sequence length to be larger than 0, got input of {tuple(input.shape)}")

    def _sequences(self, input: Tensor | PackedSequence) -> tuple[Tensor, _Chains, Tensor | None]:
        """The steps (N, D) numbered as in a packed sequence, their chains, and which chain each sequence is."""
        if isinstance(input, PackedSequence):
            sizes = tuple(input.batch_sizes.tolist())
            return input.data, _chains(sizes, str(input.data.device)), input.unsorted_indices
        x = input.unsqueeze(1) if input.dim() == 2 else input.transpose(0, 1) if self.batch_first else input
        steps, batch = x.shape[:2]
        return x.reshape(steps * batch, -1), _chains((batch,) * steps, str(input.device)), None

    def _initial(self, hx: Any, schedule: Schedule, order: Tensor | None, unbatched: bool) -> list[Any]:
        """``hx`` as a state for each layer and direction, its rows in the order of the chains."""
        fields = self.encoder.cells[0].State._fields
        parts = (hx,) if len(fields) == 1 else tuple(hx)
        if len(parts) != len(fields):
            raise RuntimeError(f"Expected a state of {len(fields)} parts ({', '.join(fields)}), got {len(parts)}")
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
                        f"Expected hidden[{number}] for {len(self.encoder.cells)} layers, got {len(part)}"
                    )
                own = part[index].unsqueeze(0) if unbatched else part[index]
                if own.shape != (schedule.trees, *shape):
                    raise RuntimeError(
                        f"Expected hidden[{number}] size {(len(self.encoder.cells), schedule.trees, *shape)}, "
                        f"got {list(part.shape) if isinstance(part, Tensor) else tuple(own.shape)}"
                    )
                if own.dtype != next(cell.parameters()).dtype:
                    raise RuntimeError(
                        f"hidden[{number}] must have the type {next(cell.parameters()).dtype}, got type {own.dtype}"
                    )
                state.append(own if order is None else own.index_select(0, torch.argsort(order)))
            states.append(cell.State(*state))
        return states

    def _laid_out(self, rows: Tensor, input: Tensor | PackedSequence, schedule: Schedule) -> Any:
        """(N, *) as the input is laid out; a pair if the directions are not merged."""
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
        """The final states, as ``hx`` is laid out."""
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
    def _by_sequence(rows: Tensor, input: Tensor | PackedSequence, order: Tensor | None) -> Tensor:
        if isinstance(input, Tensor) and input.dim() == 2:
            return rows.squeeze(0)
        return rows if order is None else rows.index_select(0, order)


def detached(state: Any) -> Any:
    """``state`` cut from the graph of gradients: what a segment hands to the next in truncated backpropagation."""
    return state.detach() if isinstance(state, Tensor) else tuple(detached(part) for part in state)

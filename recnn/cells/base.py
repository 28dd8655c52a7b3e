"""The interface of a cell: the equations of a paper as a few small functions, independent of graphs and batches.

Shapes, here and in every cell: N nodes, E edges, K children per node, D input size, H hidden size, G columns that a
cell computes from its inputs. "Child" and "parent" describe states that flow bottom-up; top-down, the only "child" of a
node is the node above it, in the node's own slot.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from recnn.cells.weights import Borrower

Arity = int | Literal["sum"]


class HiddenState(NamedTuple):
    """The state of nodes in a cell that has only a hidden vector."""

    hidden: Tensor
    """(N, H) hidden vectors."""


class Nodes(NamedTuple):
    """Data of N nodes for `Cell.apply_node`, beside the messages of their children."""

    inputs: Tensor
    """(N, G) projected inputs, the result of `Cell.inputs`; 0 where a node has no input."""
    label: Tensor
    """(N,) label indices (node data ``label``), -1 where a node has no label."""
    tree: Tensor
    """(N,) index of the tree in the batch."""


class Edges(NamedTuple):
    """Data of E edges for `Cell.message`, beside the states of the children."""

    slot: Tensor
    """(E,) position of the child among its siblings, from 0."""
    label: Tensor
    """(E,) label index of the child."""
    leaf: Tensor
    """(E,) True if the child is a leaf (top-down: the root) without an initial state before it."""
    parent: Nodes
    """The parent of each edge."""


class Children(ABC):
    """The children of N nodes, for `Cell.reduce`: ways to gather E messages, one per child, by parent."""

    @abstractmethod
    def sum(self, messages: Tensor) -> Tensor:
        """Sum the messages (E, *) over the children of each node, to (N, *); 0 where there are none."""

    @abstractmethod
    def stack(self, messages: Tensor) -> Tensor:
        """Arrange the messages (E, *) by slot, to (N, K, *); 0 in empty slots."""


class Cell(Borrower, ABC):
    """One step of a recursive network: from the input of a node and the states of its children to its own state.

    A new cell defines `inputs`, `message`, `reduce` and `apply_node`, and `State` if it has more than a hidden vector;
    engines, directions, stacking, chains and single steps then work. With a name it can be chosen by ``--cell`` and
    `recnn.models.NetworkConfig`:

        class MyCell(recnn.Cell, name="mine"): ...

    The constructor needs an argument ``input_size`` for stacks and two directions (see `another`). ``apply_node`` is
    DGL's "apply", a name that `torch.nn.Module` uses for initialisation.

    Args:
        input_size: size D of the input vectors.
        hidden_size: size H of the hidden vectors.
        arity: number K of children with weights of their own; or "sum" for any number of children as a set.
    """

    State: ClassVar[type[Any]] = HiddenState
    """NamedTuple of tensors (N, *), the state of nodes; its first field is ``hidden``, (N, H)."""

    registry: ClassVar[dict[str, type["Cell"]]] = {}
    """Cells by name; see `recnn.cells.registry`, which also finds those of installed packages."""

    _arguments: tuple[tuple[Any, ...], dict[str, Any]]

    def __init_subclass__(cls, name: str | None = None, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        # An engine that unpacks a lone tensor would take its rows for the fields of a state, without an error.
        for method, expected in (("message", tuple), ("reduce", tuple), ("apply_node", None), ("leaf", None)):
            if method in vars(cls):
                setattr(cls, method, _with_checked_type(method, vars(cls)[method], expected))
        if name is not None:
            other = Cell.registry.setdefault(name, cls)
            if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
                raise ValueError(f"the name {name!r} is taken by {other.__module__}.{other.__qualname__}")
            Cell.registry[name] = cls  # the same class, defined again

    def __new__(cls, *args: Any, **kwargs: Any) -> "Cell":
        """Store the arguments for `another`."""
        self = super().__new__(cls)
        object.__setattr__(self, "_arguments", (args, kwargs))
        return self

    def __init__(self, input_size: int, hidden_size: int, arity: Arity = 2) -> None:
        super().__init__()
        for name, value in (("input_size", input_size), ("hidden_size", hidden_size), ("arity", arity)):
            if not ((isinstance(value, int) and value > 0) or (name == "arity" and value == "sum")):
                expected = "a positive integer" + (' or "sum"' if name == "arity" else "")
                raise ValueError(f"{name} must be {expected}, got {value!r}")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.arity = arity

    @property
    def slots(self) -> int:
        """Number of children with weights of their own: K, or 1 for child-sum."""
        return 1 if self.arity == "sum" else int(self.arity)

    @property
    def output_size(self) -> int:
        """Size of the hidden vector: H, unless the cell projects it."""
        return self.hidden_size

    @abstractmethod
    def inputs(self, x: Tensor) -> Tensor:
        """Project inputs (N, D) to (N, G), in one product for the whole forest.

        Must be linear: a node without an input counts as x = 0 and gets zeros without this call.
        """

    @abstractmethod
    def message(self, child: Any, edges: Edges) -> tuple[Tensor, ...]:
        """Return the messages of E children with state ``child`` to their parents."""

    @abstractmethod
    def reduce(self, messages: tuple[Tensor, ...], children: Children) -> tuple[Tensor, ...]:
        """Combine the messages of the children of N nodes; leaves have none."""

    @abstractmethod
    def apply_node(self, nodes: Nodes, message: tuple[Tensor, ...]) -> Any:
        """Return the states of N nodes from their inputs and the combined messages."""

    def leaf(self, nodes: Nodes, message: tuple[Tensor, ...]) -> Any:
        """Return the states of N nodes without children; by default `apply_node` with empty messages."""
        return self.apply_node(nodes, message)

    def compose(self, nodes: Nodes, child: Any, edges: Edges, children: Children, leaf: bool = False) -> Any:
        """Apply `message`, `reduce` and `apply_node` (or `leaf`) one after the other."""
        message = self.reduce(self.message(child, edges), children)
        return self.leaf(nodes, message) if leaf else self.apply_node(nodes, message)

    def prepared(self, trees: int, like: Tensor) -> "Cell":
        """Return the cell for one pass over ``trees`` trees.

        A cell that draws one mask per tree returns a copy; so does one with borrowed or computed weights, so that they
        are the same in the whole pass.
        """
        return self if self.has_fixed_weights else self.with_weights({})

    def another(self, input_size: int) -> "Cell":
        """Make a new cell with the same constructor arguments but for the input size, and with weights of its own.

        It has the dtype, the device and the mode (training or evaluation) of this one.

        Raises:
            ValueError: the constructor has no argument ``input_size``, and another input size is asked for.
        """
        args, kwargs = self._arguments
        parameters = self.constructor_parameters()
        positional = [name for name, p in parameters.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if "input_size" in positional[: len(args)]:
            at = positional.index("input_size")
            args = (*args[:at], input_size, *args[at + 1 :])
        elif "input_size" in parameters:
            kwargs = {**kwargs, "input_size": input_size}
        elif input_size != self.input_size:
            raise ValueError(
                f"a {type(self).__name__} with input size {input_size} is needed, but its constructor has no argument "
                "input_size"
            )
        made = type(self)(*args, **kwargs).train(self.training)
        like = self.any_weight()
        return made if like is None else made.to(like.device, like.dtype)

    @classmethod
    def constructor_parameters(cls) -> dict[str, inspect.Parameter]:
        """Return the arguments of the constructor, and of the base class's if it forwards ``*args`` or ``**kwargs``."""
        found: dict[str, inspect.Parameter] = {}
        for base in cls.__mro__:
            if "__init__" in vars(base):
                _, *own = inspect.signature(vars(base)["__init__"]).parameters.values()
                named = [p for p in own if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
                found |= {p.name: p for p in named if p.name not in found}
                if len(named) == len(own):
                    break
        return found

    def empty_state(self, like: Tensor, size: int) -> Any:
        """Return a state of zeros for ``size`` nodes, with the dtype and device of ``like``."""
        return self.State(*(like.new_zeros(size, *shape) for shape in self.state_shapes()))

    def state_shapes(self) -> list[tuple[int, ...]]:
        """Return the shape of each field of the state, without N."""
        return [(self.hidden_size,) for _ in self.State._fields]

    def forward(self, x: Tensor, state: Any = None) -> Any:
        """Compute a single step of a cell with one child, with the interface of `torch.nn.RNNCell` and `LSTMCell`.

        Weights and results are those of torch.nn with ``arity=1``; the constructor has no ``device`` and ``dtype`` (use
        ``to``), and wrong shapes are a ValueError, where torch.nn has a RuntimeError for some.

        Args:
            x: input (B, D) or (D,).
            state: previous state, a tensor (B, H) or (H,), or a tuple of tensors if the state has several fields; zeros
                if None.

        Returns:
            The new state, in the same form.

        Raises:
            ValueError: the cell has several slots, or ``x`` or ``state`` has another shape.
        """
        if self.slots != 1:
            raise ValueError(f"a single step needs a cell with one child, got arity {self.arity}")
        rows = x if x.dim() == 2 else x.unsqueeze(0)
        if x.dim() not in (1, 2) or rows.shape[1] != self.input_size:
            raise ValueError(f"expected x of (B, {self.input_size}) or ({self.input_size},), got {tuple(x.shape)}")
        before = self.empty_state(rows, len(rows)) if state is None else self._batched(state, x)
        cell = self.prepared(len(rows), rows)
        slot = torch.zeros(len(rows), dtype=torch.int64, device=x.device)
        nodes = Nodes(cell.inputs(rows), slot - 1, torch.arange(len(rows), device=x.device))
        after = cell.compose(nodes, before, Edges(slot, slot - 1, slot > 0, nodes), OneChild())
        after = after if x.dim() == 2 else self.State(*(part.squeeze(0) for part in after))
        return after.hidden if len(after) == 1 else tuple(after)

    def _batched(self, state: Any, x: Tensor) -> Any:
        """Make a `State` with a batch dimension from a tensor or a tuple of tensors."""
        given = (state,) if isinstance(state, Tensor) else tuple(state)
        expected = [(*x.shape[:-1], *shape) for shape in self.state_shapes()]
        if [tuple(part.shape) for part in given] != expected:
            raise ValueError(
                f"expected a state of {' and '.join(map(str, expected))} for {', '.join(self.State._fields)}, "
                f"got {' and '.join(str(tuple(part.shape)) for part in given)}"
            )
        return self.State(*(part if x.dim() == 2 else part.unsqueeze(0) for part in given))

    def extra_repr(self) -> str:
        """Return the sizes, for `print`."""
        return f"{self.input_size}, {self.hidden_size}, arity={self.arity!r}"


class OneChild(Children):
    """N nodes with one child each, in slot 0."""

    def sum(self, messages: Tensor) -> Tensor:
        """Return the messages as they are."""
        return messages

    def stack(self, messages: Tensor) -> Tensor:
        """Add the dimension of slots, (N, *) to (N, 1, *)."""
        return messages.unsqueeze(1)


def _with_checked_type(name: str, method: Callable[..., Any], expected: type[Any] | None) -> Callable[..., Any]:
    """Wrap a cell's ``method`` to check that it returns an instance of ``expected``, or of its `State` if None."""

    @wraps(method)
    def checked(self: Cell, *arguments: Any) -> Any:
        found = method(self, *arguments)
        if not isinstance(found, expected or self.State):
            wanted = "tuple of tensors" if expected else self.State.__name__
            raise TypeError(
                f"{type(self).__name__}.{name} must return a {wanted}, it returned a {type(found).__name__}"
            )
        return found

    return checked


_EQUATIONS = ("inputs", "message", "reduce", "apply_node", "leaf", "compose", "state_shapes")


def has_equations_of(cell: Cell, kind: type[Cell]) -> bool:
    """Test if a cell is of this kind, or of a subclass that does not change its equations."""
    return isinstance(cell, kind) and all(getattr(type(cell), name) is getattr(kind, name) for name in _EQUATIONS)


def normalised(x: Tensor, gain: Tensor | None) -> Tensor:
    """Layer normalisation of each block of H columns separately.

    Args:
        x: (N, blocks * H).
        gain: (blocks, H); None for no normalisation.
    """
    if gain is None:
        return x
    return (layer_norm(x.unflatten(1, gain.shape), gain.shape[1:]) * gain).flatten(1)


def uniform(module: nn.Module, hidden_size: int) -> None:
    """Draw all parameters of ``module`` uniformly from ±1/√H, as torch.nn does for its recurrent networks.

    Except for those of layer normalisation: its gains are set to 1, and ``bias_c`` to 0.
    """
    for name, parameter in module.named_parameters():
        if name.startswith("gain"):
            nn.init.ones_(parameter)
        elif name == "bias_c":
            nn.init.zeros_(parameter)
        else:
            nn.init.uniform_(parameter, -(hidden_size**-0.5), hidden_size**-0.5)

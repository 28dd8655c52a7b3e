"""Rows of a Parquet file for the records of a corpus: the text, the tree and the vector of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import lazy_loader

import parsers
from corpora.conllu import parse_conllu
from corpora.errors import CorpusError, error_at
from corpora.text import WORD_LIMIT
from parsers.bracketed import read_brackets
from parsers.errors import InputError
from parsers.trees import words_of
from recnn.data.parsing import fitting, nltk, parser_named
from recnn.encoding.records import Record

if TYPE_CHECKING:
    from nltk import Tree
    from torch import Tensor

    from recnn.graphs._dgl import DGLGraph

np = lazy_loader.load("numpy")
torch = lazy_loader.load("torch")

DEFAULT_MODEL = "sentiment-tree"


@dataclass(frozen=True)
class RowSettings:
    """What is computed of each record.

    Attributes:
        model: folder of a model, or of a training run; by default the small model of sentiment over trees that is part
            of this package.
        parser: parser of sentences, see `parsers.load`; by default that of the model.
        tokens: split sentences at blanks only.
        nodes: the vectors of all nodes, too.
    """

    model: str | None = None
    parser: str | None = None
    tokens: bool = False
    nodes: bool = False

    def folder(self) -> str:
        """Return the folder of the model."""
        return self.model or str(files("recnn") / "pretrained" / DEFAULT_MODEL)


class _Row(NamedTuple):
    """The tree of a record, and its graph."""

    tree: Tree
    graph: DGLGraph


class RowEncoder:
    """Makes rows of records: a function from a list of records to a `pyarrow.Table`.

    The columns are ``id``; ``text``, the sentence, or the words of a tree; ``tree``, in brackets; ``vector``, as by
    `recnn.SentenceEncoder`; ``nodes``, if they are asked for, the vectors of all nodes, in its order; and ``error``. A
    row with an error has no tree and no vector.

    Args:
        settings: what is computed.

    Raises:
        InputError: there is no such model or parser.
    """

    def __init__(self, settings: RowSettings) -> None:
        from recnn.models.sentence_encoder import SentenceEncoder

        self.settings = settings
        encoder = SentenceEncoder(settings.folder())
        self.model, self.size = encoder.model, encoder.size

    @property
    def parser_name(self) -> str | parsers.Parser:
        """Name of the parser of sentences; or the parser itself, if it is a part of the model."""
        return self.settings.parser or self.model.own_parser(roots=not self.settings.nodes)

    @cached_property
    def parser(self) -> parsers.Parser:
        """Parser of sentences."""
        found = self.parser_name
        return parser_named(found) if isinstance(found, str) else found

    def __call__(self, records: Sequence[Record]) -> Any:
        """Make the rows of records."""
        found = [self._row(record, tree) for record, tree in zip(records, self._trees(records), strict=True)]
        rows = [row for row in found if isinstance(row, _Row)]
        return self._table(records, found, self._states([row.graph for row in rows]))

    def _trees(self, records: Sequence[Record]) -> Iterator[Tree | InputError]:
        """Yield the tree of each record; sentences are parsed together."""
        given = [self._given(record) for record in records]
        plain = [one for one in given if not isinstance(one, nltk.Tree | InputError)]
        parsed = self.parser.parse_each(plain) if plain else iter(())
        for one in given:
            yield one if isinstance(one, nltk.Tree | InputError) else next(parsed)

    def _given(self, record: Record) -> str | list[str] | Tree | InputError:
        """Return the sentence or the tree of a record; or what is wrong with it."""
        content = record.content
        if isinstance(content, InputError):
            return content
        try:
            if record.notation == "text":
                return content.split() if self.settings.tokens else self.model.split(content)
            trees = list(_trees_in(record, content))
        except InputError as error:
            return error
        return trees[0] if len(trees) == 1 else InputError(f"expected one tree, found {len(trees)}")

    def _row(self, record: Record, tree: Tree | InputError) -> _Row | str:
        """Return a tree that fits the model with its graph; or the message of an error."""
        try:
            if isinstance(tree, InputError):
                raise tree
            fitted = fitting(tree, self.model.config.max_children)
            return _Row(fitted, self.model.graph(fitted))
        except CorpusError as error:  # it has the place
            return str(error)
        except InputError as error:
            return f"{record.place}{error}"

    def _states(self, graphs: list[DGLGraph]) -> list[Tensor]:
        """Compute the vectors (1, H) of the roots, or (N, H) of all nodes."""
        from recnn.models.sentences import in_batches

        compute = self._states_of_each if self.settings.nodes else self._roots_of_each
        found: dict[int, Tensor] = {}
        for dependencies in (False, True):  # which cannot be in one batch with other trees
            rows = [row for row, graph in enumerate(graphs) if ("position" in graph.ndata) == dependencies]
            found.update(zip(rows, in_batches(self.model, (graphs[row] for row in rows), compute), strict=True))
        return [found[row] for row in range(len(graphs))]

    def _roots_of_each(self, forest: DGLGraph) -> Sequence[Tensor]:
        split: Sequence[Tensor] = self.model.root_states(forest).split(1)
        return split

    def _states_of_each(self, forest: DGLGraph) -> Sequence[Tensor]:
        split: Sequence[Tensor] = torch.split(self.model.states(forest), forest.batch_num_nodes().tolist())
        return split

    def _table(self, records: Sequence[Record], rows: Sequence[_Row | str], states: list[Tensor]) -> Any:
        import pyarrow

        right = [isinstance(row, _Row) for row in rows]
        columns = {
            "id": _ids(records),
            "text": pyarrow.array(map(_text, records, rows), pyarrow.string()),
            "tree": pyarrow.array([_brackets(row) for row in rows], pyarrow.string()),
            "vector": self._vectors(self._roots(rows, states), right),
        }
        if self.settings.nodes:
            columns["nodes"] = self._vectors_of_nodes(states, right)
        columns["error"] = pyarrow.array([row if isinstance(row, str) else None for row in rows], pyarrow.string())
        return pyarrow.table(columns)

    def _roots(self, rows: Sequence[_Row | str], states: list[Tensor]) -> list[Tensor]:
        """Take the vectors (1, H) of the roots."""
        if not self.settings.nodes:
            return states
        graphs = (row.graph for row in rows if isinstance(row, _Row))
        return [state[graph.out_degrees() == 0] for graph, state in zip(graphs, states, strict=True)]

    def _vectors(self, states: list[Tensor], right: Sequence[bool]) -> Any:
        """Make a column of vectors (H,), with null where it is not ``right``."""
        import pyarrow

        values = torch.cat(states).float().cpu().numpy().reshape(-1) if states else np.empty(0, np.float32)
        # Not lists of a fixed size: of these, Arrow before version 24 can neither write nor read a null.
        return _lists(pyarrow.array(values), [self.size if one else None for one in right])

    def _vectors_of_nodes(self, states: list[Tensor], right: Sequence[bool]) -> Any:
        """Make a column of lists of vectors (N, H), with null where it is not ``right``."""
        lengths = iter([len(state) for state in states])
        nodes = self._vectors(states, [True] * sum(map(len, states)))
        return _lists(nodes, [next(lengths) if one else None for one in right])


def _lists(values: Any, lengths: Sequence[int | None]) -> Any:
    """Make a column of lists of some lengths, or null."""
    import pyarrow

    ends = np.cumsum([0, *(length or 0 for length in lengths)])
    begins = [None if length is None else int(begin) for length, begin in zip(lengths, ends, strict=False)]
    return pyarrow.ListArray.from_arrays(pyarrow.array([*begins, int(ends[-1])], pyarrow.int32()), values)


def _trees_in(record: Record, content: str) -> Iterator[Tree]:
    lines = enumerate(content.split("\n"), record.line)
    if record.notation == "conllu":
        return (sentence.tree() for sentence in parse_conllu(lines, record.path))
    return read_brackets(lines, partial(error_at, record.path), max_length=WORD_LIMIT)


def _text(record: Record, row: _Row | str) -> str | None:
    if record.notation == "text":
        return record.content if isinstance(record.content, str) else None
    return " ".join(words_of(row.tree)) if isinstance(row, _Row) else None


def _ids(records: Sequence[Record]) -> Any:
    import pyarrow

    numbers = bool(records) and isinstance(records[0].id, int)
    return pyarrow.array([record.id for record in records], pyarrow.int64() if numbers else pyarrow.string())


def _brackets(row: _Row | str) -> str | None:
    return parsers.brackets(row.tree) if isinstance(row, _Row) else None

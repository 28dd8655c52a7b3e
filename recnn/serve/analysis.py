"""The answers to questions that come together: sentences are parsed and models run in batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from nltk import Tree

import parsers
from parsers.errors import InputError
from recnn.data.parsing import fitting
from recnn.draw.drawing import ColourScale, Drawing
from recnn.draw.layout import levels
from recnn.serve.catalogue import Catalogue, ShownModel
from recnn.serve.figures import chain_figure, room_for, tree_figure, values_and_scale, with_colours
from recnn.serve.predictions import TreePredictions, predict_nodes
from recnn.serve.schemas import Answer, ModelAnswer, PhraseNode, Question, Reading

_READINGS = 8  # of a sentence
_NEAREST = 5  # phrases


@dataclass
class _Task:
    """A question on the way to its answer."""

    question: Question
    parser: str
    models: list[ShownModel]
    dropped: list[str] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)
    more: bool = False
    found: dict[str, list[TreePredictions]] = field(default_factory=dict)
    """Predictions of each model: of the trees, and for a network over sequences also of the left-branching tree, whose
    nodes are the beginnings of the sentence."""
    error: InputError | None = None

    @property
    def words(self) -> list[str]:
        return parsers.words_of(self.trees[0])


def answer_all(catalogue: Catalogue, questions: Sequence[Question]) -> list[Answer | InputError]:
    """Return the answer to each question, or what is wrong with it."""
    tasks = [_task(catalogue, question) for question in questions]
    _parse(catalogue, tasks)
    for shown in catalogue.models.values():
        _predict(shown, [task for task in _going_on(tasks) if shown in task.models])
    return [_answer(task) if task.error is None else task.error for task in tasks]


def _task(catalogue: Catalogue, question: Question) -> _Task:
    try:
        models = catalogue.chosen(question.models)
        return _Task(question, catalogue.parser_of(question.parser, models), models)
    except InputError as error:
        return _Task(question, "", [], error=error)


def _going_on(tasks: Iterable[_Task]) -> list[_Task]:
    return [task for task in tasks if task.error is None]


def _parse(catalogue: Catalogue, tasks: Sequence[_Task]) -> None:
    """Parse the sentences; those of a parser that has a faster way for many, together."""
    by_parser: dict[str, list[_Task]] = defaultdict(list)
    for task in _going_on(tasks):
        by_parser[task.parser].append(task)
    for name, some in by_parser.items():
        parser = catalogue.parsers[name]
        if type(parser).parse_each is not parsers.Parser.parse_each:
            for task, tree in zip(some, parser.parse_each([task.question.sentence for task in some]), strict=True):
                if isinstance(tree, InputError):
                    task.error = tree
                else:
                    task.trees = [tree]
            continue
        for task in some:
            try:
                parses = parser.parses(task.question.sentence)
                trees = parses.ahead(_READINGS + 1)
                task.trees, task.more, task.dropped = trees[:_READINGS], len(trees) > _READINGS, parses.dropped
            except InputError as error:
                task.error = error


def _predict(shown: ShownModel, tasks: Sequence[_Task]) -> None:
    """Run a model over the trees of all tasks together; a tree that does not fit the model costs its task alone."""
    trees = [_trees_for(shown, task) for task in tasks]
    try:
        found = iter(predict_nodes(shown.model, [tree for some in trees for tree in some]))
    except InputError as error:
        if len(tasks) == 1:
            tasks[0].error = error
        else:
            for task in tasks:
                _predict(shown, [task])
        return
    for task, some in zip(tasks, trees, strict=True):
        task.found[shown.offer.name] = [next(found) for _ in some]


def _trees_for(shown: ShownModel, task: _Task) -> list[Tree]:
    if shown.offer.network == "tree":
        return task.trees
    # Binary, so that there are the phrases of the usual networks over trees, too.
    binary = (tree if isinstance(tree, parsers.DependencyTree) else fitting(tree, 2) for tree in task.trees)
    return [*binary, parsers.shaped(task.words, "left")]


def _answer(task: _Task) -> Answer:
    readings = [Reading(brackets=parsers.brackets(tree), probability=_probability(tree)) for tree in task.trees]
    models = [_model_answer(shown, task.found[shown.offer.name], task) for shown in task.models]
    return Answer(
        words=task.words,
        dropped=task.dropped,
        parser=task.parser,
        readings=readings,
        more=task.more,
        models=models,
    )


def _probability(tree: Tree) -> float | None:
    return float(tree.prob()) if hasattr(tree, "prob") else None


def _model_answer(shown: ShownModel, found: list[TreePredictions], task: _Task) -> ModelAnswer:
    colours, largest = task.question.colours, max(float(one.states.norm(dim=1).max()) for one in found)
    shades = [values_and_scale(one, colours, largest) for one in found]
    nodes = [_nodes(shown, one, values) for one, (values, _) in zip(found, shades, strict=True)]
    count = len(task.trees)
    if shown.offer.network == "tree":
        drawn = [with_colours(one.drawing, *shade) for one, shade in zip(found, shades, strict=True)]
        room = room_for(count, task.question.width)
        figures = [tree_figure(drawing, reading, room) for reading, drawing in enumerate(drawn[:count])]
        sequence = []
    else:
        sequence = _beginnings(nodes[-1])
        drawing = _chain(shown, sequence, task.words, shades[-1][1])
        figures = [chain_figure(drawing, task.question.width)]
    return ModelAnswer(
        model=shown.offer.name,
        network=shown.offer.network,
        unknown=list(dict.fromkeys(found[0].unknown)),
        figures=figures,
        readings=nodes[:count],
        sequence=sequence,
    )


def _beginnings(nodes: Sequence[PhraseNode]) -> list[PhraseNode]:
    """Return the nodes over the first word, the first two words, and so on, as steps of a sequence."""
    first = sorted((node for node in nodes if node.span[0] == 1), key=lambda node: node.span[1])
    parents = [*range(1, len(first)), -1]
    return [node.model_copy(update={"parent": parent}) for node, parent in zip(first, parents, strict=True)]


def _chain(shown: ShownModel, nodes: Sequence[PhraseNode], words: Sequence[str], scale: ColourScale) -> Drawing:
    """Return the steps of a sequence, each with the name of the class that is predicted after it."""
    titles = dict(zip(shown.offer.labels, shown.offer.titles, strict=True))
    children = [[step - 1] if step else [] for step in range(len(nodes))]
    return Drawing(
        children, [titles[node.label] for node in nodes], words, values=[node.value for node in nodes], scale=scale
    )


def _nodes(shown: ShownModel, found: TreePredictions, values: Sequence[float]) -> list[PhraseNode]:
    children = found.drawing.children
    parents = [-1] * len(children)
    for node, below in enumerate(children):
        for child in below:
            parents[child] = node
    if shown.offer.network == "tree":
        depth = levels(children, aligned=True)
        steps = [1 + max(depth) - one for one in depth]
    else:
        steps = [end - start + 1 for start, end in found.spans]
    phrases, labels = found.drawing.phrases(), found.labels
    nearest = shown.table.nearest(phrases, labels, found.states, _NEAREST)
    columns = zip(
        phrases,
        found.spans,
        parents,
        steps,
        labels,
        found.nodes.probabilities.tolist(),
        values,
        found.states.norm(dim=1).tolist(),
        nearest,
        strict=True,
    )
    return [PhraseNode(**dict(zip(PhraseNode.model_fields, column, strict=True))) for column in columns]

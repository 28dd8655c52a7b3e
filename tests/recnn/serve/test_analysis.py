"""Answers are what the parsers and the models compute by themselves, whether questions come together or alone."""

import pytest
import torch

import corpora
import parsers
import recnn
from parsers.errors import InputError, UnknownWordError
from recnn.serve.analysis import answer_all
from recnn.serve.catalogue import Catalogue
from recnn.serve.phrases import PhraseTable
from recnn.serve.schemas import Question

DUCK = "The boy saw her duck"
FILM = "The plot is not very funny, but the cast is superb."


def answer(catalogue, sentence, parser, **more):
    (found,) = answer_all(catalogue, [Question(sentence=sentence, parser=parser, **more)])
    return found


def test_all_readings_are_there(catalogue):
    found = answer(catalogue, DUCK, "duck")
    trees = list(parsers.load("duck").parses(DUCK))
    assert [one.brackets for one in found.readings] == [parsers.brackets(tree) for tree in trees]
    assert [one.probability for one in found.readings] == [tree.prob() for tree in trees]
    assert found.words == DUCK.split()
    assert not found.more


def test_eight_readings_are_shown_and_the_rest_mentioned(catalogue):
    sentence = "I saw the man with a telescope in the park on the hill near the house"
    found = answer(catalogue, sentence, "telescope", models=["sentiment-tree"])
    assert len(found.readings) == len(found.models[0].figures) == 8
    assert found.more


def test_dropped_punctuation_is_named(catalogue):
    assert answer(catalogue, DUCK + "!", "duck").dropped == ["!"]


@pytest.mark.parametrize(("sentence", "parser"), [(DUCK, "duck"), (FILM, "english"), ("superb", "right")])
def test_predictions_are_those_of_the_model(catalogue, sentence, parser):
    found = answer(catalogue, sentence, parser)
    for shown in found.models:
        model = catalogue.models[shown.model].model
        for tree, nodes in zip(parsers.load(parser).parses(sentence), shown.readings, strict=True):
            (fitted,) = model.trees([parsers.binarise(tree, labelled=False)])
            (expected,) = model.probabilities([fitted])
            torch.testing.assert_close(torch.tensor([node.probabilities for node in nodes]), expected)
            graph = model.graph(fitted)
            assert [list(node.span) for node in nodes] == graph.ndata["span"].tolist()
            assert [node.phrase for node in nodes] == recnn.draw.tree_to_drawing(fitted).phrases()


def test_a_sequence_has_the_prediction_after_each_word(catalogue):
    found = answer(catalogue, FILM, "english").models[1]
    model, words = catalogue.models[found.model].model, [node.phrase.split()[-1] for node in found.sequence]
    assert words == parsers.tokenize(FILM)
    for count, node in enumerate(found.sequence, 1):
        (expected,) = model.probabilities([parsers.shaped(words[:count], "right")])
        torch.testing.assert_close(torch.tensor(node.probabilities), expected[0])
    assert [node.step for node in found.sequence] == list(range(1, len(words) + 1))


def test_states_are_computed_after_those_of_their_parts(catalogue):
    for nodes in answer(catalogue, FILM, "english").models[0].readings:
        for node in nodes[1:]:
            assert nodes[node.parent].step > node.step >= 1


def test_unknown_words_are_named(catalogue):
    found = answer(catalogue, DUCK, "duck")
    assert [one.unknown for one in found.models] == [["boy", "saw", "her", "duck"]] * 2
    assert [one.unknown for one in answer(catalogue, FILM, "english").models] == [[], []]


def test_questions_together_have_the_answers_of_questions_alone(catalogue):
    questions = [
        Question(sentence=FILM, parser="english"),
        Question(sentence=DUCK, parser="duck", colours="norm"),
        Question(sentence="a dull film", parser="english", models=["sentiment-sequence"]),
        Question(sentence="cats bark", parser="duck"),
        Question(sentence="a dull film", parser="left", models=["sentiment-tree"], width=300),
        Question(sentence="a", parser="no"),
        Question(sentence="a", models=["no"]),
        Question(sentence="", parser="english"),
    ]
    for together, question in zip(answer_all(catalogue, questions), questions, strict=True):
        (alone,) = answer_all(catalogue, [question])
        if isinstance(alone, InputError):
            assert (type(together), str(together)) == (type(alone), str(alone))
            continue
        for one, other in zip(together.models, alone.models, strict=True):
            assert one.figures == other.figures
            for some, same in zip([*one.readings, one.sequence], [*other.readings, other.sequence], strict=True):
                ours, theirs = ([node.probabilities for node in nodes] for nodes in (some, same))
                torch.testing.assert_close(torch.tensor(ours), torch.tensor(theirs))
    assert isinstance(answer(catalogue, "cats bark", "duck"), UnknownWordError)


def test_nearest_phrases_are_those_with_the_largest_cosine():
    torch.manual_seed(0)
    states = torch.randn(40, 6)
    names = [f"phrase {number}" for number in range(40)]
    table = PhraseTable(names[:30] * 2, ["0"] * 60, torch.cat([states[:30], torch.randn(30, 6)]))
    found = table.nearest(names[30:], ["1"] * 10, states[30:], 3)
    unit = states / states.norm(dim=1, keepdim=True)
    for row, some in enumerate(found, 30):
        others = sorted(((float(unit[row] @ unit[one]), names[one]) for one in range(40) if one != row), reverse=True)
        assert [one.phrase for one in some] == [name for _, name in others[:3]]
        assert [one.similarity for one in some] == pytest.approx([value for value, _ in others[:3]])
        assert [one.label for one in some] == ["1" if int(one.phrase.split()[1]) >= 30 else "0" for one in some]


def saved(folder, config, words):
    recnn.TreeClassifier(config, corpora.Vocabulary(words)).save(folder)
    return folder


def test_own_models(tmp_path):
    labels = ("bad", "fair", "good")
    first = saved(tmp_path / "mine", recnn.TreeConfig(labels, arity="sum", parser="balanced"), ["a", "film"])
    second = saved(tmp_path / "other" / "mine", recnn.TreeConfig(labels, model="sequence", direction="both"), ["a"])
    catalogue = Catalogue([first, second], ["right"])
    assert list(catalogue.models) == ["mine", "mine (2)"]
    assert list(catalogue.parsers) == ["right", "balanced", "english"]
    found = answer(catalogue, "a long dull film", None)
    assert found.parser == "balanced"
    assert found.models[0].unknown == ["long", "dull"]
    assert {node.label for node in found.models[1].sequence} <= set(labels)


def test_models_of_expressions(tmp_path):
    config = recnn.TreeConfig(tuple("0123456789"), form="listops")
    folder = saved(tmp_path / "listops", config, ["[MAX", "]", *"0123456789"])
    catalogue = Catalogue([folder], ["duck"])
    example = catalogue.choices(9).examples[0]
    found = answer(catalogue, example.sentence, example.parser)
    assert found.words == example.sentence.split()
    assert "never closed" in str(answer(catalogue, "[MAX", example.parser))


def test_dependency_trees_stay_as_they_are(tmp_path, monkeypatch):
    labels = ("no", "yes")
    folders = [
        saved(tmp_path / "tree", recnn.TreeConfig(labels, arity="sum"), ["a"]),
        saved(tmp_path / "binary", recnn.TreeConfig(labels), ["a"]),
        saved(tmp_path / "sequence", recnn.TreeConfig(labels, model="sequence"), ["a"]),
    ]
    catalogue = Catalogue(folders, ["right"])
    words = ["she", "saw", "the", "dog", "today"]
    tree = parsers.tree_from_dependencies(words, [2, 0, 4, 2, 2], ["nsubj", "root", "det", "obj", "obl"])
    monkeypatch.setattr(catalogue.parsers["right"], "parses", lambda _: parsers.Parses(iter([tree]), [], []))
    models = (["tree", "sequence"], ["binary"], ["binary", "tree"])
    found, *refused = answer_all(catalogue, [Question(sentence="x", parser="right", models=some) for some in models])
    assert found.words == words
    assert [len(one.readings[0]) for one in found.models] == [5, 5]
    assert [str(one) for one in refused] == ["'saw' has 3 dependents, but --arity is 2: train with --arity sum"] * 2

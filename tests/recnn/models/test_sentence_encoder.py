"""`recnn.SentenceEncoder`: vectors of sentences and phrases, and `predict` of models of sentences."""

import io
from random import Random

import numpy as np
import pytest
import torch
from nltk import Tree

import recnn
from corpora import SENTIMENTS, Vocabulary, bundled_sentiment, listops_tree, parse_listops
from parsers import InputError, Parser, Parses, shaped, words_of
from recnn.data.parsing import trees_over
from recnn.models.translation import END, START

torch.set_num_threads(1)
TREES = [tree for tree, _ in zip(bundled_sentiment("dev"), range(40), strict=False)]
TEXTS = [" ".join(words_of(tree)) for tree in TREES]
WORDS = Vocabulary.of(word for tree in TREES for word in words_of(tree))
SIZES = {"input_size": 6, "hidden_size": 5, "parser": "balanced"}


def classifier(**options):
    return recnn.TreeClassifier(recnn.TreeConfig(tuple(SENTIMENTS), **{**SIZES, **options}), WORDS)


def pair_model(**options):
    return recnn.PairModel(recnn.PairConfig(pair_size=3, **{**SIZES, **options}), WORDS)


def autoencoder(**options):
    made = recnn.TreeAutoencoder(recnn.AutoencoderConfig(hidden_size=5, labels=(), **options), WORDS)
    torch.nn.init.normal_(made.words.embedding.weight)
    return made


def translator(**options):
    target = Vocabulary([*"abc"], specials=(START, END))
    return recnn.Translator(recnn.TranslationConfig(**{**SIZES, **options}), WORDS, target)


MODELS = [
    classifier,
    lambda: classifier(direction="both", subwords=20, num_layers=2, arity="sum"),
    lambda: classifier(model="sequence", direction="both"),
    pair_model,
    autoencoder,
    translator,
    lambda: translator(model="tree", leaves="sequence"),
]
each_model = pytest.mark.parametrize("make", MODELS)


def encoder_of(make, parser=None):
    torch.manual_seed(0)
    return recnn.SentenceEncoder(make().double(), parser)


def mixed():
    """Strings, words and trees of many lengths, in no order."""
    found = [*TEXTS[:14], *(text.split() for text in TEXTS[14:27]), *TREES[27:]]
    Random(3).shuffle(found)
    return found


@each_model
def test_a_list_is_encoded_as_its_sentences_are_one_by_one(make):
    encoder, sentences = encoder_of(make), mixed()
    found = encoder.encode(sentences, batch_size=7)
    assert found.shape == (40, encoder.size)
    alone = np.stack([encoder.encode([sentence])[0] for sentence in sentences])
    np.testing.assert_allclose(found, alone, rtol=0, atol=1e-12)
    assert len(np.unique(found.round(9), axis=0)) > 35
    np.testing.assert_array_equal(encoder.encode(TEXTS[0]), encoder.encode(TEXTS[:1])[0])
    np.testing.assert_array_equal(encoder.encode(TREES[0]), encoder.encode(TREES[:1])[0])


@each_model
def test_the_states_are_those_of_the_models_graph(make):
    encoder = encoder_of(make)
    model, sentences = encoder.model, mixed()[:12]
    nodes, roots = encoder.encode(sentences, output="nodes", batch_size=5), encoder.encode(sentences)
    trees, phrases = encoder.trees(sentences), encoder.phrases(sentences)
    for tree, states, root, texts in zip(trees, nodes, roots, phrases, strict=True):
        graph = model.graph(tree)
        with torch.no_grad():
            np.testing.assert_allclose(states, model.eval().states(graph), rtol=0, atol=1e-12)
        (place,) = (graph.out_degrees() == 0).nonzero().squeeze(1).tolist()
        np.testing.assert_allclose(root, states[place], rtol=0, atol=1e-12)
        assert len(texts) == len(states)
        if place == 0:
            assert texts[0] == " ".join(words_of(tree))
    np.testing.assert_allclose(encoder.encode(trees[0], output="nodes"), nodes[0], rtol=0, atol=1e-12)
    assert encoder.phrases(trees[0]) == phrases[0]


def test_states_are_those_of_an_encoder_with_the_same_weights():
    model = classifier()
    reference = recnn.Encoder(recnn.LSTMCell(6, 5, 2))
    reference.load_state_dict(model.encoder.network.state_dict())
    (tree,) = trees_over([TEXTS[0]], "balanced", 2)
    graph = recnn.tree_to_graph(tree, WORDS)
    expected = reference(graph, model.encoder.words.embedding(graph.ndata["word"].clamp(min=0)))
    found = recnn.SentenceEncoder(model).encode(TEXTS[0], output="nodes", convert_to_tensor=True)
    torch.testing.assert_close(found, expected.h.detach())


def test_the_phrases_of_a_tree_are_in_the_order_of_its_states():
    encoder = recnn.SentenceEncoder(classifier())
    tree = Tree.fromstring("(S (NP (D the) (N plot)) (VP is (A dull)))")
    assert encoder.phrases(tree) == ["the plot is dull", "the plot", "is dull", "the", "plot", "is", "dull"]
    states = encoder.encode(tree, output="nodes")
    np.testing.assert_allclose(states[1], encoder.encode(tree[0]), atol=1e-6)
    np.testing.assert_allclose(states[2], encoder.encode(tree[1]), atol=1e-6)
    wide = Tree("S", ["the", "plot", "is", "dull"])
    assert len(encoder.encode(wide, output="nodes")) == 7  # binarised
    assert len(words_of(encoder.trees(wide))) == 4


def test_forms_of_the_result():
    encoder = recnn.SentenceEncoder(classifier())
    arrays = encoder.encode(TEXTS[:3])
    assert (type(arrays), arrays.dtype, arrays.shape) == (np.ndarray, np.float32, (3, 5))
    tensors = encoder.encode(TEXTS[:3], convert_to_tensor=True)
    assert not tensors.requires_grad
    np.testing.assert_array_equal(tensors, arrays)
    rows = encoder.encode(TEXTS[:3], convert_to_numpy=False)
    assert [row.shape for row in rows] == [(5,)] * 3
    assert isinstance(rows, list)
    assert encoder.encode([]).shape == (0, 5)
    assert encoder.encode([], convert_to_tensor=True).shape == (0, 5)
    assert encoder.encode([], output="nodes") == []
    assert encoder.encode(TEXTS[0]).shape == (5,)
    normal = encoder.encode(TEXTS[:3], normalize_embeddings=True)
    np.testing.assert_allclose(normal, arrays / np.linalg.norm(arrays, axis=1, keepdims=True), rtol=1e-5)
    for one in encoder.encode(TEXTS[:3], normalize_embeddings=True, output="nodes"):
        np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, rtol=1e-5)
    half = recnn.SentenceEncoder(classifier().bfloat16()).encode(TEXTS[:2], device="cpu")
    assert (half.dtype, half.shape) == (np.float32, (2, 5))


def test_dropout_is_off_and_the_mode_stays():
    model = classifier(input_dropout=0.5, word_dropout=0.5).train()
    encoder = recnn.SentenceEncoder(model)
    np.testing.assert_array_equal(encoder.encode(TEXTS[:4]), encoder.encode(TEXTS[:4]))
    assert model.training
    with pytest.raises(InputError):
        encoder.encode([""])
    assert model.training


class Counting(Parser):
    def __init__(self):
        self.seen = []

    def parses(self, sentence):
        self.seen.append(sentence)
        return Parses(iter([shaped(sentence.split(), "left")]), sentence.split(), [])


def test_the_parser_is_that_of_the_model_or_the_one_given():
    left = encoder_of(lambda: classifier(parser="left"))
    given = encoder_of(classifier, counting := Counting())
    np.testing.assert_array_equal(given.encode(TEXTS[:4] + TREES[:2]), left.encode(TEXTS[:4] + TREES[:2]))
    assert counting.seen == TEXTS[:4]
    assert not np.allclose(encoder_of(classifier).encode(TEXTS[:4]), left.encode(TEXTS[:4]))
    np.testing.assert_array_equal(encoder_of(classifier, "left").encode(TEXTS[:4]), left.encode(TEXTS[:4]))
    gone = recnn.SentenceEncoder(classifier(parser="/gone"))
    assert gone.encode(TREES[:2]).shape == (2, 5)  # trees need no parser
    with pytest.raises(InputError, match="parser /gone: no such file or folder any more; give another parser"):
        gone.encode(TEXTS[:2])
    assert recnn.SentenceEncoder(classifier(parser="/gone", model="sequence")).encode(TEXTS[:2]).shape == (2, 5)


def test_the_trees_of_an_autoencoder_are_greedy():
    encoder = encoder_of(autoencoder)
    assert [words_of(tree) for tree in encoder.trees(TEXTS[:5])] == [text.split() for text in TEXTS[:5]]
    assert encoder.trees(TEXTS[:5]) == encoder.model.greedy([text.split() for text in TEXTS[:5]])
    with pytest.raises(InputError, match="sentence 2: "):
        encoder.trees(["a", ""])


def test_a_folder_of_a_model_or_of_a_run(tmp_path):
    model = classifier()
    model.save(tmp_path / "run" / "best")
    (tmp_path / "run" / "run.json").write_text("{}")
    for folder in (tmp_path / "run", str(tmp_path / "run" / "best")):
        found = recnn.SentenceEncoder(folder).encode(TEXTS[:3])
        np.testing.assert_array_equal(found, recnn.SentenceEncoder(model).encode(TEXTS[:3]))


def test_what_it_does_not_take(tmp_path):
    language = recnn.LanguageModel(recnn.LanguageModelConfig(input_size=3, hidden_size=3), Vocabulary([*"\nab"]))
    language.save(tmp_path / "lm")
    problem = "a model of kind 'language_model' has no encoder of sentences; models of kind 'trees', 'pairs'"
    for given in (language, tmp_path / "lm"):
        with pytest.raises(recnn.ModelError, match=problem):
            recnn.SentenceEncoder(given)
    encoder = recnn.SentenceEncoder(classifier())
    for sentences, message in (
        (["a film", float("nan")], "sentence 2: expected a string, a list of words or an nltk.Tree, got float: nan"),
        (["a film", "a film", " "], "sentence 3: parser balanced: sentence ' ': no words"),
        ([Tree("S", [])], r"sentence 1: the phrase \(S\) has no words"),
    ):
        with pytest.raises(InputError, match=message):
            encoder.encode(sentences)
    for options, message in (
        ({"output": "leaves"}, "output must be 'root' or 'nodes', got 'leaves'"),
        ({"batch_size": 0}, "batch_size must be a positive integer, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            encoder.encode(TEXTS[:2], **options)


def test_the_progress_bar_counts_sentences(monkeypatch):
    encoder = recnn.SentenceEncoder(classifier())
    for shown, bar in ((True, True), (False, False), (None, False)):
        monkeypatch.setattr("sys.stderr", stream := io.StringIO())
        encoder.encode(TEXTS, 8, show_progress_bar=shown)
        assert ("40/40 sentences" in stream.getvalue()) is bar


def test_more_sentences_than_a_pool(monkeypatch):
    monkeypatch.setattr("recnn.models.sentences._POOL", 6)
    encoder, sentences = encoder_of(classifier), mixed()
    found = encoder.encode(iter(sentences), batch_size=4)
    monkeypatch.undo()
    np.testing.assert_allclose(found, encoder.encode(sentences), rtol=0, atol=1e-12)


def test_predicted_labels_are_the_most_probable():
    torch.manual_seed(1)
    model = classifier().double().eval()
    trees = list(trees_over(mixed(), "balanced", 2))
    best = [row.argmax(1).tolist() for row in model.probabilities(trees)]
    assert model.predict(mixed(), batch_size=7) == [model.config.labels[row[0]] for row in best]
    for tree, found, row in zip(trees, model.predict_trees(mixed()), best, strict=True):
        assert words_of(found) == words_of(tree)
        graph = recnn.tree_to_graph(found)
        assert [graph.labels[label] for label in graph.ndata["label"].tolist()] == [model.config.labels[i] for i in row]
        assert recnn.tree_to_graph(tree).ndata["span"].tolist() == graph.ndata["span"].tolist()
    with pytest.raises(InputError, match="expected a list of sentences, got one str: put it in a list"):
        model.predict("a film")


def test_the_parser_of_listops_is_that_of_its_expressions():
    config = recnn.TreeConfig(tuple("0123456789"), input_size=3, hidden_size=3, form="listops")
    model = recnn.TreeClassifier(config, Vocabulary(["[MAX", "1", "2", "]"]))
    (tree,) = model.trees(["[MAX 1 2 ]"])
    assert tree == listops_tree(parse_listops("[MAX 1 2 ]"))
    with pytest.raises(InputError, match=r"sentence 1: .*the operator MAX is never closed"):
        model.predict(["[MAX 1"])


@pytest.mark.parametrize("options", [{}, {"model": "sequence"}, {"answer": "entailment"}])
def test_pairs_are_compared_as_in_a_data_set(options):
    torch.manual_seed(1)
    model = pair_model(**options).double().eval()
    pairs = list(zip(mixed()[:9], mixed()[9:18], strict=True))
    trees = [tuple(trees_over(pair, "balanced", 2)) for pair in pairs]
    expected = model.answers(recnn.PairDataset(trees, torch.zeros(9), WORDS)[list(range(9))].forest)
    found = model.predict(pairs, batch_size=4)
    if model.config.answer == "entailment":
        assert found == [("CONTRADICTION", "NEUTRAL", "ENTAILMENT")[i] for i in expected.tolist()]
    else:
        torch.testing.assert_close(torch.tensor(found, dtype=torch.float64), expected)
        grades = model.probabilities(pairs) @ torch.arange(1, 6, dtype=torch.float64)
        torch.testing.assert_close(grades, expected)
    assert model.predict([]) == []
    for wrong, message in (
        ([("a", "b"), ("a",)], "pair 2: expected two sentences"),
        (["a b"], "pair 1: expected two sentences"),
        ([("a", "b"), ("a", "")], "pair 2: "),
    ):
        with pytest.raises(InputError, match=message):
            model.predict(wrong)


@pytest.mark.parametrize("options", [{}, {"model": "tree"}])
def test_a_translator_splits_and_joins_words(options):
    torch.manual_seed(1)
    model = translator(lower=True, **options).eval()
    sentences = ["The plot is dull .", "It isn't", "a film"]
    found = model.predict(sentences, beam=2)
    words = [["the", "plot", "is", "dull", "."], ["it", "is", "n't"], ["a", "film"]]
    forest = recnn.batch(list(model.graphs(words)))
    expected = [" ".join(model.spelt(best[0].tokens)) for best in model.search(forest, 2)]
    assert [text.split() for text in found] == [text.split() for text in expected]


def test_an_autoencoder_reconstructs_what_it_is_given():
    model = autoencoder().eval()
    tree = Tree.fromstring("(S (NP the plot) (VP is dull))")
    given, greedy = model.predict([tree, "the plot is dull"])
    assert given == model.phrases(tree)
    assert greedy == model.phrases(model.greedy([["the", "plot", "is", "dull"]])[0])

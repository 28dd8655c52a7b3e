"""Every model with its weights on a device other than that of its inputs, see `tests.devices`."""

import pytest
import torch

import recnn
from corpora import Vocabulary, bundled_sentiment
from parsers import shaped, words_of
from recnn.data.datasets import PairDataset
from recnn.models.translation import END, START
from tests.devices import Elsewhere, elsewhere

torch.set_num_threads(1)
SIZES = {"input_size": 5, "hidden_size": 4}
TREES = [tree for tree, _ in zip(bundled_sentiment("dev"), range(6), strict=False)]
LABELS = tuple("01234")
SENTENCES = [words_of(tree)[:size] for tree, size in zip(TREES, (7, 3, 5, 1, 4, 6), strict=True)]
WORDS = Vocabulary(sorted({word for tree in TREES for word in words_of(tree)}))
TARGET = Vocabulary([*"abcdefg"], specials=(START, END))
TEXT = Vocabulary([*"\nabcd "])


def tree_classifier(**options):
    return recnn.TreeClassifier(recnn.TreeConfig(LABELS, **SIZES, **options), WORDS)


def pair_model(**options):
    return recnn.PairModel(recnn.PairConfig(pair_size=3, **SIZES, **options), WORDS)


def sequence_model(task, steps, **options):
    both = steps.startswith("many")
    config = recnn.SequenceConfig(inputs=2, task=task, steps=steps, hidden_size=4, bidirectional=both, **options)
    return recnn.SequenceModel(config)


def language_model(**options):
    return recnn.LanguageModel(recnn.LanguageModelConfig(**SIZES, **options), TEXT)


def translator(**options):
    return recnn.Translator(recnn.TranslationConfig(**SIZES, **options), WORDS, TARGET)


def autoencoder(**options):
    model = recnn.TreeAutoencoder(recnn.AutoencoderConfig(hidden_size=4, labels=(), **options), WORDS)
    torch.nn.init.normal_(model.words.embedding.weight)
    return model


def probabilities(model):
    return model.probabilities(TREES)


def evaluation(model):
    return {place: scores.record() for place, scores in recnn.evaluate(model, model.dataset(TREES)).items()}


def answers(model):
    pairs = [(shaped(one), shaped(other)) for one, other in zip(SENTENCES, SENTENCES[::-1], strict=True)]
    data = PairDataset(pairs, torch.ones(len(pairs)), WORDS, model.config.subwords)
    return model.answers(data[list(range(len(pairs)))].forest)


def predictions(model):
    random = torch.Generator().manual_seed(2)
    shape = (3, 5, 2) if model.config.steps.startswith("many") else (3, 2)
    return model.predict(torch.randn(shape, generator=random), 4)


def scores(model):
    tokens = model.indices(list("a cab\nbad ?\n" * 30))  # in several segments
    first, state = model.score(tokens[:300])
    return [first, model.score(tokens[300:], int(tokens[299]), state)[0]]


def samples(model):
    generator = torch.Generator().manual_seed(1)
    return list(map(list, model.generate("ab", 9, 3, top_k=4, top_p=0.9, temperature=1.5, generator=generator)))


def beam(model):
    return list(map(list, model.generate("ab", 6, 2, beam=3, line=True)))


def forest(model):
    return recnn.batch([model.graph(words) for words in SENTENCES])


def greedy_translations(model):
    return model.translate(forest(model), max_length=6)


def beam_translations(model):
    return [list(map(list, found)) for found in model.search(forest(model), 3, 5)]


def attention(model):
    return model.attended(model.graph(SENTENCES[0]), ["b", "c"])


def greedy_trees(model):
    return list(map(str, model.greedy(SENTENCES)))


def phrases(model):
    return [list(phrase) for tree in TREES for phrase in model.phrases(tree)]


def annotated(model):
    return [str(model.annotated(tree)) for tree in TREES]


def vectors(model):
    return recnn.SentenceEncoder(model, "right").encode([*TREES, "a film"], 3, convert_to_tensor=True)


def vectors_of_phrases(model):
    return recnn.SentenceEncoder(model).encode(TREES, 3, output="nodes", convert_to_tensor=True)


def labels(model):
    return [model.config.labels.index(label) for label in model.predict(TREES)]


def relations(model):
    found = model.predict(list(zip(TREES, TREES[::-1], strict=True)))
    return found if model.config.answer == "relatedness" else list(map(list, found))


# Model, its options, a method, and if the method may wait for the device: only if its result is no tensor.
NETWORKS = [{}, {"direction": "both", "num_layers": 2}, {"subwords": 50}, {"model": "sequence"}]
CASES = [
    *[(tree_classifier, options, probabilities, False) for options in NETWORKS],
    (tree_classifier, {"model": "sequence", "direction": "both", "merge": "sum"}, probabilities, False),
    (tree_classifier, {"subwords": 50}, evaluation, False),
    (pair_model, {}, answers, False),
    (pair_model, {"answer": "entailment", "model": "sequence", "subwords": 50}, answers, False),
    (sequence_model, {"task": "classes", "steps": "many-to-one", "outputs": 3}, predictions, False),
    (sequence_model, {"task": "classes", "steps": "many-to-many", "outputs": 2}, predictions, False),
    (sequence_model, {"task": "binary", "steps": "one-to-many", "outputs": 1}, predictions, False),
    (sequence_model, {"task": "regression", "steps": "many-to-one", "outputs": 2}, predictions, False),
    (sequence_model, {"task": "regression", "steps": "one-to-one", "outputs": 1}, predictions, False),
    *[(language_model, {"cell": cell, "tied": tied}, scores, False) for cell, tied in (("lstm", True), ("gru", False))],
    *[(language_model, {"num_layers": 2}, what, True) for what in (samples, beam)],
    *[
        (translator, options, what, True)
        for options in ({"model": "tree"}, {"model": "sequence", "attention": "bahdanau"}, {"attention": "none"})
        for what in (greedy_translations, beam_translations)
    ],
    (translator, {"model": "tree", "leaves": "sequence", "direction": "both", "subwords": 50}, beam_translations, True),
    (translator, {"model": "tree"}, attention, False),
    (translator, {"model": "sequence", "attention": "bahdanau"}, attention, False),
    (autoencoder, {"trees": "greedy"}, greedy_trees, True),
    *[(autoencoder, {}, what, True) for what in (phrases, annotated)],
    *[(build, {}, vectors, False) for build in (tree_classifier, pair_model, autoencoder, translator)],
    (tree_classifier, {"model": "sequence"}, vectors, False),
    *[(build, {}, vectors_of_phrases, False) for build in (pair_model, autoencoder)],
    (tree_classifier, {}, labels, True),
    *[(pair_model, {"answer": answer}, relations, True) for answer in ("relatedness", "entailment")],
]  # fmt: skip


def parts(found):
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize(
    ("build", "options", "compute", "waits"),
    CASES,
    ids=[f"{case[0].__name__}-{case[2].__name__}-{place}" for place, case in enumerate(CASES)],
)
def test_what_a_model_computes_there_is_what_it_computes_here(build, options, compute, waits):
    torch.manual_seed(0)
    model = build(**options).eval()
    expected = compute(model)
    with elsewhere() as device:
        found = compute(model.to("meta"))
    for one, other in zip(parts(found), parts(expected), strict=True):
        if isinstance(other, torch.Tensor):
            assert type(one) is Elsewhere
            torch.testing.assert_close(one.values, other, rtol=1e-4, atol=1e-6)
        else:
            assert rounded(one) == rounded(other)
    assert waits or not device.reads


def rounded(value):
    """The value with its floating-point numbers to four digits."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, list | tuple):
        return [rounded(part) for part in value]
    return {name: rounded(part) for name, part in value.items()} if isinstance(value, dict) else value

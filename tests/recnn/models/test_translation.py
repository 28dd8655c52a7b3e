"""Translators: step-by-step and parallel decoding, search, and training on small tasks."""

import pytest
import torch
from nltk import Tree

import recnn
from corpora import Translation, Vocabulary
from corpora.translation import join_words
from parsers import InputError, shaped
from recnn.layers.attention import LuongAttention
from recnn.models.config import TranslationConfig
from recnn.models.translation import END, START, Translator
from recnn.training.objectives.translation import (
    TextDataset,
    TextPair,
    TranslationObjective,
    by_text,
    evaluated,
    scored,
    text_pairs,
)
from recnn.training.options import TreeTraining
from recnn.training.run import train

torch.set_num_threads(1)
WORDS = ["a", "b", "c", "d", "e"]
SOURCES = ["a b c", "d", "e a b c d", "c c"]
PAIRS = [TextPair(text.split(), text.upper().split()) for text in SOURCES]
KINDS = ["none", "luong", "bahdanau"]
ENCODERS = [
    {},
    {"direction": "up"},
    {"model": "tree"},
    {"model": "tree", "leaves": "sequence"},
    {"model": "tree", "leaves": "sequence", "direction": "up", "arity": "sum"},
]


def made(seed=0, **options):
    torch.manual_seed(seed)
    config = TranslationConfig(**{"input_size": 5, "hidden_size": 4, "dropout": 0.0, **options})
    target = Vocabulary([word.upper() for word in WORDS], specials=(START, END))
    return Translator(config, Vocabulary(WORDS), target).double().eval()


def batch_of(model, pairs=PAIRS):
    return TextDataset(pairs, model)[list(range(len(pairs)))]


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("attention", KINDS)
def test_a_batch_answers_as_its_sentences_do(attention, encoder):
    model = made(attention=attention, **encoder)
    batch = batch_of(model)
    scores = model(batch.forest, batch.read)
    assert scores.shape == (6, 4, 8)
    for place, pair in enumerate(PAIRS):
        one = batch_of(model, [pair])
        torch.testing.assert_close(scores[: len(one.read), place : place + 1], model(one.forest, one.read))
    scores.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"cell": "gru"}, {"cell": "recursive"}, {"cell": "tensor"}])
@pytest.mark.parametrize("attention", KINDS)
def test_all_steps_at_once_are_step_by_step(attention, options):
    model = made(attention=attention, **options)
    batch = batch_of(model)
    expected = model(batch.forest, batch.read).log_softmax(2)
    decoding = model.encode(batch.forest)
    for step, last in enumerate(batch.read):
        scores, decoding = model.step(last, decoding)
        assert scores[:, :2].isneginf().all()  # no unknown word, and no start
        torch.testing.assert_close(scores[:, 2:], expected[step, :, 2:])


def test_the_first_state_and_the_output_are_the_equations():
    model = made(direction="up")
    batch = batch_of(model)
    states = model.encoder(batch.forest).split(batch.forest.batch_num_nodes().tolist())
    output, weights = model.readout(batch.forest, batch.read)
    assert isinstance(model.attention, LuongAttention)
    for sentence, m in enumerate(states):
        h, c = torch.tanh(model.begin.weight @ m[-1] + model.begin.bias).chunk(2)
        for step, word in enumerate(batch.read[:, sentence]):
            h, c = model.decoder.encoder.cells[0](model.words.embedding.weight[word], (h, c))
            a = torch.softmax(m @ model.attention.W_a.weight.T @ h, 0)
            torch.testing.assert_close(weights[sentence, step, : len(m)], a)
            torch.testing.assert_close(output[step, sentence], torch.tanh(model.combine.weight @ torch.cat([a @ m, h])))


def test_bahdanau_looks_before_the_step():
    model = made(attention="bahdanau", cell="gru")
    batch = batch_of(model, PAIRS[:1])
    m = model.encoder(batch.forest)
    h = torch.tanh(model.begin(m[-1]))
    for step, word in enumerate(batch.read[:, 0]):
        seen = model.attention(h.view(1, 1, -1), model.attention.memory(m, torch.tensor([3])))[0][0, 0]
        h = model.decoder.encoder.cells[0](torch.cat([model.words.embedding.weight[word], seen]), h)
        torch.testing.assert_close(
            model.readout(batch.forest, batch.read)[0][step, 0],
            torch.tanh(model.combine.weight @ torch.cat([seen, h])),
        )


def test_a_chain_is_a_tree_and_leaves_read_the_words_in_their_order():
    model = made(direction="up")
    batch = batch_of(model)
    reference = recnn.LSTM(5, 4).double()
    reference.encoder.load_state_dict(model.encoder.network.state_dict())
    for pair, states in zip(
        PAIRS, model.encoder(batch.forest).split(batch.forest.batch_num_nodes().tolist()), strict=True
    ):
        words = torch.tensor([model.source.index(word) for word in pair.source])
        torch.testing.assert_close(states, reference(model.encoder.words.embedding(words))[0])
    tree = made(model="tree", leaves="sequence", direction="up")
    forest = batch_of(tree).forest
    read = []
    tree.encoder.network.register_forward_pre_hook(
        lambda _, inputs, options: read.append((inputs[1], options["row"])), with_kwargs=True
    )
    tree.encoder(forest)
    ((x, row),) = read
    each = torch.cat([x, x.new_zeros(1, 4)])[row].split(forest.batch_num_nodes().tolist())
    for pair, x, graph in zip(PAIRS, each, recnn.unbatch(forest), strict=True):
        words = torch.tensor([tree.source.index(word) for word in pair.source])
        expected = tree.encoder.sequence(tree.encoder.words.embedding(words))[0]
        for node, (start, end) in enumerate(graph.ndata["span"].tolist()):
            wanted = expected[start - 1] if graph.ndata["word"][node] >= 0 else torch.zeros(4).double()
            assert start == end or graph.ndata["word"][node] < 0
            torch.testing.assert_close(x[node], wanted)


@pytest.mark.parametrize("encoder", [{}, {"model": "tree"}])
@pytest.mark.parametrize("attention", KINDS)
def test_a_beam_of_one_is_greedy_and_a_wider_one_finds_no_worse(attention, encoder):
    model = made(attention=attention, seed=3, **encoder)
    torch.nn.init.normal_(model.output.weight)
    forest = batch_of(model).forest
    greedy = model.translate(forest, max_length=6)
    narrow = model.search(forest, beam=1, max_length=6)
    assert [model.spelt(found[0].tokens) for found in narrow] == greedy
    wide = model.search(forest, beam=30, max_length=6, length_penalty=0.0)
    for few, many in zip(narrow, wide, strict=True):
        assert many[0].log_probability >= few[0].log_probability - 1e-9
    assert model.translate(forest, beam=30, max_length=6, length_penalty=0.0) == [
        model.spelt(many[0].tokens) for many in wide
    ]
    words = model.spelt(wide[0][0].tokens)
    read = torch.tensor([model.target.index(word) for word in (START, *words)]).unsqueeze(1)
    write = [*read[1:, 0].tolist(), model.target.index(END)][: len(wide[0][0].tokens)]
    scores = model(recnn.unbatch(forest)[0], read).log_softmax(2)[:, 0].tolist()
    total = sum(row[word] for row, word in zip(scores, write, strict=False))
    assert wide[0][0].log_probability == pytest.approx(total)
    assert max(map(len, greedy)) <= 6


def test_what_is_looked_at():
    model = made(model="tree")
    graph = model.graph(Tree.fromstring("(S (NP a b) (VP c))"))
    found = model.attended(graph, ["A", "B"])
    assert found.shape == (3, 5)
    torch.testing.assert_close(found.sum(1), torch.ones(3).double())
    assert made(model="tree", attention="none").attended(graph, ["A"]) is None


@pytest.mark.parametrize("options", [{"attention": "bahdanau", "model": "tree"}, {"attention": "none", "lower": False}])
def test_a_folder_is_a_model(tmp_path, options):
    model = made(**options).float()
    model.save(tmp_path / "model")
    found = recnn.load(tmp_path / "model")
    batch = batch_of(model)
    assert (found.config, found.source, found.target) == (model.config, model.source, model.target)
    assert torch.equal(found(batch.forest, batch.read), model(batch.forest, batch.read))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"leaves": "sequence"}, "leaves='sequence' is of trees"),
        ({"cell": "matrix-vector"}, "takes an arity of 2, not 1"),
        ({"direction": "down"}, "direction"),
        ({"attention": "some"}, "attention"),
    ],
)
def test_wrong_configurations(options, message):
    with pytest.raises(ValueError, match=message):
        made(**options)
    with pytest.raises(ValueError, match="special words"):
        Translator(TranslationConfig(), Vocabulary(WORDS), Vocabulary(WORDS))


def copies(count, max_length, seed):
    draw = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(count):
        length = int(torch.randint(1, max_length + 1, (), generator=draw))
        words = [WORDS[at] for at in torch.randint(len(WORDS), (length,), generator=draw).tolist()]
        found.append(TextPair(words, words))
    return found


@pytest.mark.parametrize(("attention", "model"), [("luong", "sequence"), ("bahdanau", "sequence"), ("luong", "tree")])
def test_copying_is_learnt(attention, model):
    torch.manual_seed(0)
    config = TranslationConfig(model=model, attention=attention, input_size=16, hidden_size=32, dropout=0.0)
    options = TreeTraining(batch=32, pool=4)
    pairs, others = copies(400, 4, 0), copies(50, 4, 1)
    learning = TranslationObjective(config, options, pairs, others)
    optimizer = torch.optim.Adam(learning.model.parameters())
    for epoch in range(14):
        optimizer.param_groups[0]["lr"] = 0.02 * (1 - epoch / 14)
        losses = []
        for batch in learning.batches(epoch):
            optimizer.zero_grad()
            loss = learning.loss(batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learning.model.parameters(), 5.0)
            optimizer.step()
            losses.append(loss.detach())
    assert torch.stack(losses).mean() < 0.05
    found = learning.model.eval().translate(batch_of(learning.model, others).forest)
    assert sum(words == list(pair.target) for words, pair in zip(found, others, strict=True)) >= 45


def test_the_loss_and_the_perplexity_are_over_all_words():
    torch.manual_seed(0)
    config = TranslationConfig(input_size=5, hidden_size=4, dropout=0.0)
    pairs = [pair._replace(references=[" ".join(pair.target)]) for pair in PAIRS]
    learning = TranslationObjective(config, TreeTraining(), pairs, pairs, measured=3)
    model = learning.model.eval()
    batch = batch_of(model, pairs)
    scores = model(batch.forest, batch.read).log_softmax(2).detach()
    each = [-scores[t, b, word] for b, row in enumerate(batch.write.T) for t, word in enumerate(row) if word >= 0]
    assert len(each) == sum(len(pair.target) + 1 for pair in pairs)
    torch.testing.assert_close(learning.loss(batch), torch.stack(each).mean())
    (batch,) = learning.held_out()
    learning.measure(batch)
    perplexity = learning.measures["perplexity"].metric.compute()
    assert float(perplexity) == pytest.approx(float(torch.stack(each).mean().exp()), rel=1e-5)
    bleu = learning.measures["bleu"].metric
    texts = [join_words(words, "french") for words in model.translate(batch.forest)][:3]
    references = [pair.references for pair in pairs[:3]]
    assert float(bleu.compute()) == pytest.approx(scored(texts, references, True)["BLEU"].score)
    assert [values[0].shape for values in learning.measures["bleu"].batches] == [(3, 10)]


def test_scores_are_sacrebleus():
    import sacrebleu

    texts = ["je suis ici.", "il est grand !", "oui"]
    references = [["Je suis ici.", "je suis là."], ["il est très grand !"], ["non", "oui", "si"]]
    streams = [["Je suis ici.", "il est très grand !", "non"], ["je suis là.", None, "oui"], [None, None, "si"]]
    for lower in (False, True):
        found = scored(texts, references, lower)
        assert found["BLEU"].score == sacrebleu.corpus_bleu(texts, streams, lowercase=lower).score
        assert found["BLEU"].signature.startswith(f"nrefs:var|case:{'lc' if lower else 'mixed'}|eff:no|tok:13a")
    assert scored(["a b c d e"], [["a b c d e"]])["BLEU"].score == pytest.approx(100)
    assert scored(["oui"], [["oui"]])["chrF"].score == pytest.approx(100)


def test_pairs_of_one_sentence_share_their_references():
    rows = [("I'm here.", "Je suis là."), ("Go.", "Va !"), ("I'm here.", "Je suis ici.")]
    found = text_pairs(Translation(english, french, "") for english, french in rows)
    assert found[0] == TextPair(["i", "'m", "here", "."], ["je", "suis", "là", "."], ["Je suis là.", "Je suis ici."])
    assert [len(pair.references) for pair in found] == [2, 1, 0]
    trees = by_text([Tree.fromstring("(S (NP I) (VP 'm here) .)"), shaped(["Go", "."])])
    found = text_pairs([Translation(*row, "") for row in rows], trees=trees)
    assert found[0].source.leaves() == ["I", "'m", "here", "."]
    with pytest.raises(InputError, match=r"no tree over 'Stop\.'"):
        text_pairs([Translation("Stop.", "Halte !", "")], trees=trees)
    with pytest.raises(InputError, match="no sentences to translate"):
        evaluated(made(), [pair._replace(references=()) for pair in found])


@pytest.mark.parametrize("attention", ["luong", "bahdanau"])
def test_more_epochs_later_are_more_epochs_at_once(tmp_path, attention):
    config = TranslationConfig(
        attention=attention, input_size=8, hidden_size=8, recurrent_dropout=0.1, word_dropout=0.1
    )
    pairs = [pair._replace(references=[" ".join(pair.target)]) for pair in copies(60, 5, 0)]

    def run(out, epochs, resume=False):
        options = TreeTraining(epochs=epochs, batch=16, pool=2, optimizer="adam", learning_rate=0.01, clip=5.0)
        return train(lambda: TranslationObjective(config, options, pairs, pairs[:20]), options, tmp_path / out, resume)

    once = run("once", 3)
    run("twice", 1)
    twice = run("twice", 3, resume=True)
    assert {**once, "seconds": 0} == {**twice, "seconds": 0}
    one, two = (recnn.load(tmp_path / name / "last").state_dict() for name in ("once", "twice"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_without_pairs():
    with pytest.raises(InputError, match="no pairs to train on"):
        TranslationObjective(TranslationConfig(), TreeTraining(), [], PAIRS)
    with pytest.raises(InputError, match="no pairs to validate on"):
        TranslationObjective(TranslationConfig(), TreeTraining(), PAIRS, [])


def test_gradients():
    model = made(attention="bahdanau", model="tree", input_size=2, hidden_size=2, direction="up")
    batch = batch_of(model, PAIRS[:2])
    names = ["encoder.words.embedding.weight", "words.embedding.weight", "begin.weight", "attention.v_a.weight"]

    def scores(*values):
        parameters = dict(zip(names, values, strict=True))
        return torch.func.functional_call(model, parameters, (batch.forest, batch.read))

    values = tuple(model.get_parameter(name).detach().clone().requires_grad_() for name in names)
    assert torch.autograd.gradcheck(scores, values, nondet_tol=1e-12)

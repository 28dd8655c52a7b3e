"""Language models against torch.nn and plain sums, and their training against manually truncated backpropagation."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

import recnn
from corpora.vocabulary import Vocabulary
from parsers import InputError
from recnn.models.config import LanguageModelConfig
from recnn.models.language_model import LanguageModel, picked
from recnn.training.objectives import language_model as objectives
from recnn.training.objectives.language_model import LanguageModelObjective, Perplexity, Segments
from recnn.training.options import Training
from recnn.training.run import train
from tests.runs import metrics, same

torch.set_num_threads(1)
LETTERS = Vocabulary("abc", specials=["\n"])
SMALL = {"input_size": 3, "hidden_size": 4, "dropout": 0.0}
TEXT = "the cat sat on the mat .\nthe dog ran to the cat .\na cat and a dog ran .\n" * 6


def made(vocabulary=LETTERS, dtype=torch.float64, **options):
    torch.manual_seed(0)
    model = LanguageModel(LanguageModelConfig(**{**SMALL, **options}), vocabulary).to(dtype).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.8)
    return model


def objective(text=TEXT, held_out=TEXT[:90], truncate=5, config=SMALL, **options):
    torch.manual_seed(0)
    options = Training(**{"batch": 4, **options})
    return LanguageModelObjective(LanguageModelConfig(**config), options, list(text), list(held_out), truncate)


def plain(model, tokens, state=None):
    """The scores, computed with a torch.nn.LSTM that has the weights of ``model``."""
    D, H, L = model.config.input_size, model.config.hidden_size, model.config.num_layers
    lstm = nn.LSTM(D, H, L).to(tokens.device, torch.float64)
    for layer, cell in enumerate(model.network.encoder.cells):
        for name, value in cell.named_parameters():
            getattr(lstm, f"{name}_l{layer}").data.copy_(value)
    h, state = lstm(F.embedding(tokens, model.words.embedding.weight), state)
    if not model.config.tied:
        return model.output(h), state, lstm
    h = h if D == H else h @ model.projection.weight.T
    return h @ model.words.embedding.weight.T + model.bias, state, lstm


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize(("tied", "hidden_size"), [(True, 3), (True, 4), (False, 4)])
def test_it_is_an_lstm_and_a_product(tied, hidden_size, num_layers):
    model = made(tied=tied, hidden_size=hidden_size, num_layers=num_layers)
    tokens = torch.randint(5, (7, 2))
    scores, (h, c) = model(tokens[:4])
    more, (h, c) = model(tokens[4:], (h, c))
    expected, (h_n, c_n), _ = plain(model, tokens)
    torch.testing.assert_close(torch.cat([scores, more]), expected)
    torch.testing.assert_close((h, c), (h_n, c_n))


def test_tied_weights_are_one_parameter_and_are_saved_once(tmp_path):
    model = made(dtype=torch.float32)
    names = {"words.embedding.weight", "bias", "projection.weight"}
    own = {name for name, _ in model.named_parameters() if not name.startswith("network.")}
    assert own == names
    assert {name for name, _ in made(hidden_size=3).named_parameters() if "." not in name or "words" in name} == {
        "words.embedding.weight",
        "bias",
    }
    model.save(tmp_path / "model")
    shapes = [tuple(value.shape) for value in load_file(tmp_path / "model" / "weights.safetensors").values()]
    assert shapes.count((5, 3)) == 1
    found = recnn.load(tmp_path / "model")
    tokens = torch.tensor([[1], [2], [4], [3]])
    assert torch.equal(found(tokens)[0], model(tokens)[0])
    found(tokens)[0].sum().backward()  # tied weights: words that are no inputs also get a gradient, from the output
    assert found.words.embedding.weight.grad[0].any()
    assert not torch.equal(found.words.embedding.weight.grad[0], found.words.embedding.weight.grad[1])


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "gru"},
        {"cell": "recursive", "num_layers": 2, "layer_dropout": 0.2},
        {"cell": "tensor", "recurrent_dropout": 0.1},
        {"cell": "lstm", "cell_options": {"peepholes": True}, "input_dropout": 0.1, "dropout": 0.5},
    ],
)
def test_any_cell(options, tmp_path):
    found = objective(config={**SMALL, **options})
    for segment in found.batches(0):
        found.loss(segment).backward()
    found.model.eval().save(tmp_path / "model")
    tokens = found.model.indices(list("the dog"))
    model = recnn.load(tmp_path / "model")
    torch.testing.assert_close(model.score(tokens)[0], found.model.score(tokens)[0])
    assert len(model.generate("the ", 5, beam=2, count=2)) == 2


def test_all_continuations_together_are_certain():
    model = made()
    for before, state in ((None, None), (3, model(torch.tensor([[1], [2]]))[1])):
        each = [
            float(model.score(torch.tensor(tokens), before, state)[0].sum().exp())
            for tokens in product(range(5), repeat=3)
        ]
        assert sum(each) == pytest.approx(1, abs=1e-12)


@given(st.lists(st.integers(0, 4), max_size=9), st.lists(st.integers(0, 4), min_size=1, max_size=9))
@settings(deadline=None, max_examples=30)
def test_a_text_in_parts(first, second):
    model = made()
    whole, _ = model.score(torch.tensor(first + second))
    one, state = model.score(torch.tensor(first, dtype=torch.int64))
    two, _ = model.score(torch.tensor(second), first[-1] if first else None, state)
    torch.testing.assert_close(torch.cat([one.double(), two]), whole)


def test_a_long_text_is_scored_in_segments(monkeypatch):
    model = made()
    tokens = torch.randint(5, (23,))
    scores, _, _ = plain(model, torch.cat([torch.tensor([1]), tokens[:-1]]).unsqueeze(1))
    expected = scores[:, 0].log_softmax(1).gather(1, tokens.unsqueeze(1)).squeeze(1)
    for steps in (1, 7, 23, 256):
        monkeypatch.setattr("recnn.models.language_model._SEGMENT", steps)
        torch.testing.assert_close(model.score(tokens)[0], expected)


@given(st.text("ab \n\t", max_size=12))
def test_characters_and_words(text):
    characters, words = made(), made(unit="words")
    assert characters.joined(characters.split(text)) == text
    lines = [line.split() for line in text.split("\n")]
    assert words.joined(words.split(text)) == "\n".join(map(" ".join, lines))
    assert words.split(text).count("\n") == text.count("\n")


def test_what_is_not_known_is_not_taken_for_another():
    model = made(Vocabulary(["The", "a"], specials=["\n"]), unit="words")
    assert model.indices(["The", "the", "A", "a", "\n"]).tolist() == [2, 0, 0, 3, 1]
    assert model.indices([]).tolist() == []
    assert model.score(model.indices([]))[0].tolist() == []


def test_generated_texts():
    model = made(dtype=torch.float32)

    def texts(seed, **options):
        return model.generate("ab", 12, 5, generator=torch.Generator().manual_seed(seed), **options)

    assert texts(1) == texts(1) != texts(2)
    assert len(set(texts(1))) > 1
    for options in ({}, {"top_k": 3}, {"top_p": 0.8, "temperature": 2.0}, {"line": True}, {"beam": 6}):
        for text, log_probability in texts(3, **options):
            assert text.startswith("ab")
            assert len(text) == 14 or (options == {"line": True} and text.endswith("\n") and text.count("\n") == 1)
            each, _ = model.score(model.indices(model.split(text)))
            assert log_probability == pytest.approx(float(each[2:].sum()), abs=1e-4)
    assert len({text for text, _ in texts(1, top_k=1)}) == 1
    assert texts(1, top_k=1)[0].text == model.generate("ab", 12, beam=1)[0].text


def test_a_beam_finds_the_most_probable_text():
    model = made()
    found = model.generate("a", 3, 70, beam=4**3)
    expected = {}
    for added in product("\nabc", repeat=3):
        each, _ = model.score(model.indices(["a", *added]))
        expected["a" + "".join(added)] = float(each[1:].sum())
    assert dict(found) == pytest.approx(expected)
    assert [value for _, value in found] == pytest.approx(sorted(expected.values(), reverse=True))


def test_the_unknown_is_not_said():
    model = made()
    with torch.no_grad():
        model.bias[0] = 50
    assert "<" not in "".join(text for text, _ in model.generate(length=20, count=3))
    assert "<" not in "".join(text for text, _ in model.generate(length=20, count=3, beam=3))


def test_picked():
    state = torch.arange(24.0).view(2, 3, 4), torch.arange(6.0).view(2, 3, 1)
    found = picked(state, torch.tensor([2, 2, 0, 1]))
    assert torch.equal(found[0], state[0][:, [2, 2, 0, 1]])
    assert torch.equal(found[1], state[1][:, [2, 2, 0, 1]])


def test_it_takes_a_vocabulary_with_the_end_of_a_line():
    with pytest.raises(ValueError, match="the end of a line"):
        LanguageModel(LanguageModelConfig(**SMALL), Vocabulary("abc"))
    with pytest.raises(ValueError, match="no-cell"):
        LanguageModelConfig(cell="no-cell")


@given(st.integers(1, 60), st.integers(1, 5), st.integers(1, 9))
def test_segments_have_every_token_once(length, streams, steps):
    text = torch.arange(100, 101 + length)
    segments = list(found := Segments(text, streams, steps))
    assert len(found) == len(segments)
    assert all(len(segment.inputs) <= steps for segment in segments)
    inputs, targets = (torch.cat(parts).t() for parts in zip(*segments, strict=True))  # (B, T)
    assert targets[targets > 0].tolist() == text[1:].tolist()
    assert inputs[targets > 0].tolist() == text[:-1].tolist()
    assert (targets[targets < 0] == -100).all()


@pytest.mark.parametrize("epoch", [0, 1, 2, 3])
def test_an_epoch_reads_the_text_in_its_order(epoch):
    found = objective()
    segments = list(found.batches(epoch))
    assert {len(segment.inputs) for segment in segments[:-1]} == {5}
    targets = torch.cat([segment.targets for segment in segments]).t().flatten()
    begin = "".join(found.model.vocabulary[token] for token in targets.tolist())
    assert begin in TEXT
    assert len(TEXT) - len(begin) < 5 + 4
    assert list(map(str, found.batches(epoch))) == list(map(str, segments))
    assert len({str(next(iter(found.batches(number)))) for number in range(8)}) > 1


def test_the_gradient_is_cut_between_segments():
    found = objective(config={**SMALL, "hidden_size": 3})
    model = found.model.double()
    first, second = list(found.batches(0))[:2]
    found.begin(training=True)
    found.loss(first)
    found.loss(second).backward()
    gradient = model.words.embedding.weight.grad.clone()
    model.zero_grad()
    _, state, _ = plain(model, first.inputs)
    for cut in (True, False):
        scores, _, lstm = plain(model, second.inputs, tuple(part.detach() for part in state) if cut else state)
        loss = F.cross_entropy(scores.flatten(0, 1), second.targets.flatten())
        loss.backward()
        if cut:
            torch.testing.assert_close(model.words.embedding.weight.grad, gradient)
            assert lstm.weight_hh_l0.grad.any()
            model.zero_grad()
    assert not torch.allclose(model.words.embedding.weight.grad, gradient)


def test_the_state_is_carried_until_an_epoch_begins():
    found = objective()
    first, second, *_ = found.batches(0)
    found.model.eval()
    found.loss(first)
    carried = found.loss(second)
    found.begin(training=False)
    assert not torch.allclose(found.loss(second), carried)
    inputs = torch.cat([first.inputs, second.inputs])
    scores, _ = found.model(inputs)
    expected = F.cross_entropy(scores[len(first.inputs) :].flatten(0, 1), second.targets.flatten())
    torch.testing.assert_close(carried, expected)


@pytest.mark.parametrize(("unit", "name"), [("characters", "bits"), ("words", "perplexity")])
@pytest.mark.parametrize("fewest", [4096, 20])
def test_what_is_measured_is_the_mean_over_all_that_is_held_out(unit, name, fewest, monkeypatch):
    monkeypatch.setattr(objectives, "_HELD_OUT", (3, fewest))
    monkeypatch.setattr("recnn.training.objectives.language_model.Segments", lambda *args: Segments(*args[:2], 7))
    split = TEXT.split if unit == "words" else lambda: list(TEXT)
    units = split()
    train_part, held_out = units[:40], [*units[40:104], "?"]
    found = objective(train_part, held_out, config={**SMALL, "unit": unit})
    found.model.eval()
    found.begin(training=False)
    batches = list(found.held_out())
    streams = batches[0].inputs.shape[1]
    assert streams == (1 if fewest == 4096 else 3)
    for batch in batches:
        found.measure(batch)
    tokens = found.model.indices(held_out)
    before = found.model.indices(train_part)[-1]
    total, length = 0.0, math.ceil(len(tokens) / streams)
    for start in range(0, len(tokens), length):
        part = tokens[start : start + length]
        each, _ = found.model.score(part, int(tokens[start - 1] if start else before))
        total -= float(each.double().sum())
    mean = total / len(held_out)
    expected = math.exp(mean) if unit == "words" else mean / math.log(2)
    assert float(found.measures[name].metric.compute()) == pytest.approx(expected, rel=1e-6)


def test_surprise():
    measure = Perplexity("words")
    measure.update(torch.tensor(2 * math.log(3), dtype=torch.float64), torch.tensor(2))
    measure.update(torch.tensor(math.log(5), dtype=torch.float64), torch.tensor(1))
    assert float(measure.compute()) == pytest.approx(45 ** (1 / 3))


def test_too_little_text():
    with pytest.raises(InputError, match="3 characters, too few to train on in 4 streams"):
        objective("abc")
    with pytest.raises(InputError, match="too few to validate on"):
        objective(held_out="")
    assert len(list(objective("abcd").batches(3))) == 1


@pytest.mark.parametrize("options", [{"optimizer": "adagrad"}, {"optimizer": "adam", "clip": 0.5, "average": 0.9}])
def test_more_epochs_later_are_more_epochs_at_once(tmp_path, options):
    def run(out, epochs, resume=False):
        options_of = Training(**{"epochs": epochs, "batch": 4, "learning_rate": 0.02, **options})

        def make():
            config = LanguageModelConfig(**{**SMALL, "dropout": 0.2, "input_dropout": 0.1})
            return LanguageModelObjective(config, options_of, list(TEXT), list(TEXT[:90]), 16)

        return train(make, options_of, out, resume)

    run(tmp_path / "once", 3)
    run(tmp_path / "twice", 1)
    torch.rand(7)
    best = run(tmp_path / "twice", 3, resume=True)
    for part in ("initial", "best", "last"):
        assert same(tmp_path / "once" / part, tmp_path / "twice" / part)
    rows = metrics(tmp_path / "once")
    assert rows == metrics(tmp_path / "twice")
    assert best["bits"] == min(row["bits"] for row in rows) < rows[0]["bits"] + 1e-9
    assert not same(tmp_path / "once" / "last", tmp_path / "once" / "initial")


def test_predictions_are_the_most_probable_next_units():
    model = made()
    found = model.predict(["ab", "", "cab"], length=6)
    for text, start in zip(found, ["ab", "", "cab"], strict=True):
        assert text.startswith(start)
        units = list(text)
        for place in range(len(start), len(units)):
            scores = model(torch.cat([torch.tensor([model.end]), model.indices(units[:place])]).unsqueeze(1))[0][-1, 0]
            scores[0] = -torch.inf
            assert units[place] == LETTERS[int(scores.argmax())]
        assert text.endswith("\n") or len(text) == len(start) + 6
        assert "\n" not in text[:-1]

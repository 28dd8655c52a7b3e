"""Language models: how likely each next character or word of a text is."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from corpora.plain_text import LINE_END
from corpora.vocabulary import Vocabulary
from recnn.layers.recurrent import Recurrent
from recnn.models.config import LanguageModelConfig
from recnn.models.folder import Model
from recnn.models.phrases import WordVectors
from recnn.models.search import Candidate, beam_search, sample

_SEGMENT = 256  # steps: so many scores of V words are in memory at once


class Generated(NamedTuple):
    """A text that a model wrote."""

    text: str
    """With what it was to go on from."""
    log_probability: float
    """Of what was added, under the model."""


class LanguageModel(Model, kind="language_model"):
    """P(t_1 ... t_n) = Π P(t_i | t_1 ... t_i-1), by a recurrent network that reads the text so far.

        h_i = network(x_i, h_i-1), where x_i is the vector of t_i-1
        P(t_i | ...) = softmax(E P h_i + b)

    E (V, D) are the vectors of the input, if they are tied (Press and Wolf, "Using the output embedding to improve
    language models", EACL 2017; Inan et al., "Tying word vectors and word classifiers", ICLR 2017), and P (D, H) is
    there if D and H differ; or else E P is one matrix (V, H) of the output's own. Every text is read as if a line had
    ended before it, so that the end of a line is the start of the next.

    Args:
        config: what it is made of.
        vocabulary: of the characters or words; it must be open, and hold the end of a line.

    Shapes:
        tokens: (T, B).
        scores: (T, B, V), before the softmax.
    """

    Config = LanguageModelConfig

    def __init__(self, config: LanguageModelConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        if LINE_END not in vocabulary:
            raise ValueError("the vocabulary must hold the end of a line")
        self.config = config
        self.vocabulary = vocabulary
        self.end = vocabulary.index(LINE_END)
        cell = config.make_cell(config.input_size)
        self.words = WordVectors(vocabulary, cell.input_size, config.input_dropout)
        self.network = Recurrent(cell, config.num_layers, dropout=config.layer_dropout)
        size = self.network.encoder.cells[-1].output_size
        # Entries of E h then have the variance of those of h, whatever D is.
        nn.init.normal_(self.words.embedding.weight, std=cell.input_size**-0.5)
        self.projection: nn.Module = nn.Identity()
        if not config.tied:
            self.output = nn.Linear(size, len(vocabulary))
            return
        self.bias = nn.Parameter(torch.zeros(len(vocabulary)))
        if size != cell.input_size:
            self.projection = nn.Linear(size, cell.input_size, bias=False)

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """The scores of the tokens that come after each of ``tokens``, and the state of the network after them all.

        The state is what `recnn.Recurrent` takes and returns.
        """
        h, state = self.network(self.words(tokens), state)
        h = self.projection(F.dropout(h, self.config.dropout, self.training))
        return (F.linear(h, self.words.embedding.weight, self.bias) if self.config.tied else self.output(h)), state

    def split(self, text: str) -> list[str]:
        r"""The characters of a text, or its words, the end of a line being one."""
        return list(text) if self.config.unit == "characters" else re.findall(r"\n|\S+", text)

    def joined(self, units: Iterable[str]) -> str:
        """The text of characters or words, these with spaces between them, except at the ends of lines."""
        if self.config.unit == "characters":
            return "".join(units)
        return re.sub(r" ?\n ?", "\n", " ".join(units))

    def indices(self, units: Sequence[str]) -> Tensor:
        """(T,) each as it is written: its other forms, which `Vocabulary.index` tries as well, are other texts."""
        return torch.tensor([self.vocabulary.index(unit) if unit in self.vocabulary else 0 for unit in units]).long()

    @torch.no_grad()
    def score(self, tokens: Tensor, before: int | None = None, state: Any = None) -> tuple[Tensor, Any]:
        """The log-probability of each of ``tokens``, given those before it; and the state for those that follow.

        A text may so be scored in parts: ``before`` is then the last token of the part before, and ``state`` the
        state that came with it.

        Args:
            tokens: (T,).
            before: the token before them; the end of a line, if it is not given.
            state: of the network before that token.

        Returns:
            (T,), and the state before the last token.
        """
        found = []
        inputs = torch.cat([torch.tensor([self.end if before is None else before]), tokens[:-1]])[: len(tokens)]
        for read, said in zip(inputs.split(_SEGMENT), tokens.split(_SEGMENT), strict=True):
            if len(read):
                scores, state = self(read.unsqueeze(1), state)
                log_probabilities = scores.squeeze(1).log_softmax(1)
                found.append(log_probabilities.gather(1, said.unsqueeze(1).to(scores.device)).squeeze(1))
        return torch.cat(found) if found else torch.empty(0), state

    @torch.no_grad()
    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """A step of `recnn.models.search`: the unknown is never said, for it has no text."""
        scores, state = self(tokens.unsqueeze(0), state)
        log_probabilities = scores.squeeze(0).log_softmax(1)
        log_probabilities[:, 0] = -torch.inf
        return log_probabilities, state

    @torch.no_grad()
    def generate(
        self,
        prompt: str = "",
        length: int = 200,
        count: int = 1,
        *,
        line: bool = False,
        beam: int | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        generator: Generator | None = None,
    ) -> list[Generated]:
        """Texts that go on from a prompt: drawn at random (`recnn.models.search.sample`), or the most probable ones.

        Args:
            prompt: how the text begins.
            length: most characters or words that are added.
            count: how many texts.
            line: whether a text ends with its line.
            beam: the width of a beam search, in place of drawing; at least ``count``.
            temperature: see `recnn.models.search.restricted`; so for ``top_k`` and ``top_p``.
            top_k: how many tokens to draw from.
            top_p: how much probability to draw from.
            generator: of the random numbers.
        """
        units = self.split(prompt)
        read = torch.cat([torch.tensor([self.end]), self.indices(units)])
        state = None
        for part in read[:-1].split(_SEGMENT) if units else ():
            state = self.network(self.words(part.unsqueeze(1)), state)[1]
        start, end = int(read[-1]), self.end if line else None
        found: list[Candidate]
        if beam is not None:
            found = beam_search(self.step, state, picked, start, end, max(beam, count), length)[:count]
        else:
            settings = (temperature, top_k, top_p, generator)
            found = [sample(self.step, state, start, end, length, *settings) for _ in range(count)]
        return [
            Generated(self.joined([*units, *(self.vocabulary[token] for token in one.tokens)]), one.log_probability)
            for one in found
        ]


def picked(state: Any, rows: Tensor) -> Any:
    """The state of some sequences of a batch, of `recnn.Recurrent`'s form with (L, B, *) tensors."""
    if isinstance(state, Tensor):
        return state.index_select(1, rows.to(state.device))
    return tuple(picked(part, rows) for part in state)

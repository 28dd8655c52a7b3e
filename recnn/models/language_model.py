"""Language models of characters or words: probability and generation of texts."""

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

_SEGMENT = 256  # steps per call in `score`, which bounds the memory for scores (steps, V)


class Generated(NamedTuple):
    """A generated text."""

    text: str
    """The text, including the prompt."""
    log_probability: float
    """Log-probability of the generated part under the model."""


class LanguageModel(Model, kind="language_model"):
    r"""Recurrent language model of characters or words, P(t_1 ... t_n) = Π P(t_i | t_1 ... t_i-1).

        h_i = network(x_i, h_i-1), where x_i is the vector of t_i-1
        P(t_i | ...) = softmax(E P h_i + b)

    With tied weights E (V, D) are the input vectors (Press and Wolf, "Using the output embedding to improve language
    models", EACL 2017; Inan et al., "Tying word vectors and word classifiers", ICLR 2017), and P (D, H) is a projection
    if D and H differ, else the identity. Without, E P is a single matrix (V, H) of the output layer. The end of a line
    is also the token t_0 before the start of a text.

    Here the weights are random; those of a training run are read by ``recnn.load("lm")``.

    >>> import corpora, recnn
    >>> model = recnn.LanguageModel(recnn.LanguageModelConfig(), corpora.Vocabulary([*"\n abcdefgh"]))
    >>> (text,) = model.predict(["a cab"], length=5)
    >>> text.startswith("a cab")
    True

    Args:
        config: settings of the model, see `recnn.LanguageModelConfig`.
        vocabulary: open vocabulary of the characters or words; it must contain the end of a line.

    Shapes:
        tokens: (T, B) indices in the vocabulary.
        scores: (T, B, V), before the softmax.

    Raises:
        ValueError: the vocabulary is closed, or does not contain the end of a line.
    """

    Config = LanguageModelConfig

    def __init__(self, config: LanguageModelConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        if LINE_END not in vocabulary:
            raise ValueError(f"the vocabulary must contain {LINE_END!r}, the end of a line")
        self.config = config
        self.vocabulary = vocabulary
        self.end = vocabulary.index(LINE_END)
        cell = config.make_cell(config.input_size)
        self.words = WordVectors(vocabulary, cell.input_size, config.input_dropout)
        self.network = Recurrent(cell, config.num_layers, dropout=config.layer_dropout)
        size = self.network.encoder.cells[-1].output_size
        # With this scale the entries of E h have the variance of those of h, for any D.
        nn.init.normal_(self.words.embedding.weight, std=cell.input_size**-0.5)
        self.projection: nn.Module = nn.Identity()
        if not config.tied:
            self.output = nn.Linear(size, len(vocabulary))
            return
        self.bias = nn.Parameter(torch.zeros(len(vocabulary)))
        if size != cell.input_size:
            self.projection = nn.Linear(size, cell.input_size, bias=False)

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Compute the scores of the next token after each of ``tokens``, and the final state of the network.

        Args:
            tokens: (T, B) indices in the vocabulary.
            state: initial state of the network, see `recnn.Recurrent`; zeros if None.

        Returns:
            Scores (T, B, V), and the state in the form that `recnn.Recurrent` returns.
        """
        h, state = self.network(self.words(tokens), state)
        h = self.projection(F.dropout(h, self.config.dropout, self.training))
        return (F.linear(h, self.words.embedding.weight, self.bias) if self.config.tied else self.output(h)), state

    def split(self, text: str) -> list[str]:
        r"""Split a text into characters, or into words, with the end of a line as a word."""
        return list(text) if self.config.unit == "characters" else re.findall(r"\n|\S+", text)

    def joined(self, units: Iterable[str]) -> str:
        """Join characters, or words with spaces between them except at the ends of lines, to a text."""
        if self.config.unit == "characters":
            return "".join(units)
        return re.sub(r" ?\n ?", "\n", " ".join(units))

    def indices(self, units: Sequence[str]) -> Tensor:
        """Look up the indices (T,) of characters or words, exactly as written, unlike `Vocabulary.index`.

        Those that are not in the vocabulary get index 0, the unknown word.
        """
        return torch.tensor([self.vocabulary.index(unit) if unit in self.vocabulary else 0 for unit in units]).long()

    @torch.no_grad()
    def score(self, tokens: Tensor, before: int | None = None, state: Any = None) -> tuple[Tensor, Any]:
        """Compute the log-probability of each token of a text, given those before it.

        To score a text in parts, pass the last token of the previous part as ``before`` and the state returned for that
        part as ``state``.

        Args:
            tokens: (T,) indices in the vocabulary.
            before: token before the first; the end of a line if None.
            state: state of the network before ``before`` is read; zeros if None.

        Returns:
            Log-probabilities (T,), and the state of the network before the last token is read.
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
        """Compute a step of `recnn.models.search`; the unknown word has probability 0, as it has no text."""
        scores, state = self(tokens.unsqueeze(0), state)
        log_probabilities = scores.squeeze(0).log_softmax(1)
        log_probabilities[:, 0] = -torch.inf
        return log_probabilities, state

    def predict(self, texts: Iterable[str], length: int = 20) -> list[str]:
        """Continue each text with the most probable characters or words, one after the other; see `generate` for more.

        Args:
            texts: beginnings of texts.
            length: largest number of characters or words to add; a text ends with its line.

        Returns:
            The texts with their continuations.
        """
        return [self.generate(text, length, line=True, beam=1)[0].text for text in texts]

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
        """Continue a prompt, by sampling or by beam search.

        Args:
            prompt: start of the text.
            length: largest number of characters or words to add.
            count: number of texts.
            line: stop at the end of a line.
            beam: width of a beam search, instead of sampling; at least ``count`` is used.
            temperature: sampling temperature, see `recnn.models.search.restricted`.
            top_k: number of most probable tokens to sample from, see `recnn.models.search.restricted`.
            top_p: probability of the nucleus to sample from, see `recnn.models.search.restricted`.
            generator: random number generator on the CPU.

        Returns:
            The texts, with beam search the most probable first.

        Raises:
            ValueError: an argument is out of its range.
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
    """Select sequences of a batch in a state of `recnn.Recurrent`, a tensor (L, B, *) or tuples of such tensors."""
    if isinstance(state, Tensor):
        return state.index_select(1, rows.to(state.device))
    return tuple(picked(part, rows) for part in state)

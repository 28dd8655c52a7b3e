"""Where the data of each task come from: files of the user, bundled corpora or generators."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from recnn.settings import STRICT, Count, Location, NotNegative, Probability, TreeTask


@dataclass(frozen=True, config=STRICT)
class FolderData:
    """Files of examples to train on and to validate on."""

    data: Annotated[
        Location | None,
        Field(
            description="Folder with train.txt and dev.txt (or .tsv). [default: the bundled corpus, if there is one]"
        ),
    ] = None


@dataclass(frozen=True, config=STRICT)
class Storage:
    """Where examples are kept during the training."""

    on_disk: Annotated[
        bool,
        Field(
            description="Keep the examples in temporary files (in the folder TMPDIR) instead of in memory, if they are "
            "many millions of words."
        ),
    ] = False


@dataclass(frozen=True, config=STRICT)
class SentenceData(Storage, FolderData):
    """Sentences with labels."""


@dataclass(frozen=True, config=STRICT)
class TreebankData(Storage, FolderData):
    """Trees with labels."""

    targets: Annotated[Literal["all", "roots"], Field(description="Nodes whose labels are learnt.")] = "all"


@dataclass(frozen=True, config=STRICT)
class Preparation:
    """What is done with the trees of a treebank, in this order; by default, nothing."""

    without_traces: Annotated[
        bool, Field(description="Remove empty elements (-NONE-), and phrases of nothing else.")
    ] = False
    without_functions: Annotated[bool, Field(description="Remove function tags and indices: NP-SBJ-1 is NP.")] = False
    collapse_unaries: Annotated[
        bool, Field(description="Make one node of each chain of phrases with one child, such as S+VP.")
    ] = False
    binarise: Annotated[
        Literal["left", "right", "head"] | None,
        Field(description="Split nodes with more than two children: branch to a side, or around the head."),
    ] = None


@dataclass(frozen=True, config=STRICT)
class BracketData(Preparation, TreebankData):
    """Trees in brackets, and what is done with them."""


@dataclass(frozen=True, config=STRICT)
class SentimentData(TreebankData):
    """Trees with labels on an ordered scale."""

    ordinal: Annotated[
        NotNegative,
        Field(description="Width of soft targets on ordered classes (ordinal regression); 0 for one class per target."),
    ] = 0.0


@dataclass(frozen=True, config=STRICT)
class ListOpsData(Storage):
    """Expressions of ListOps, from files or generated."""

    data: Annotated[
        Location | None, Field(description="Folder with train.tsv and dev.tsv. [default: generated expressions]")
    ] = None
    count: Annotated[Count, Field(description="Expressions to generate for training; a tenth more to validate.")] = (
        20_000
    )
    max_length: Annotated[Count, Field(description="Largest number of tokens of a generated expression.")] = 50
    targets: Annotated[
        Literal["all", "roots"], Field(description="Learn the values of all sub-expressions, or of the whole only.")
    ] = "roots"


@dataclass(frozen=True, config=STRICT)
class TypedTreeData:
    """Trees of typed nodes with targets."""

    data: Annotated[
        Location | None,
        Field(
            description="File of trees with targets in JSON lines, see `recnn convert`, of which every tenth is for "
            "validation; or a folder with train.jsonl and dev.jsonl."
        ),
    ] = None
    task: Annotated[
        TreeTask | None,
        Field(
            description="What is predicted: one of several classes, any number of labels, or numbers (regression). "
            "[default: as the targets are: strings, lists of strings, or numbers]"
        ),
    ] = None


@dataclass(frozen=True, config=STRICT)
class EchoData:
    """Generated signals with an echo."""

    question: Annotated[
        Literal["lag", "delayed"],
        Field(description="Predict the lag of the echo, or at each step the signal as it was one lag before."),
    ] = "lag"
    count: Annotated[Count, Field(description="Signals for training; a tenth more to validate.")] = 10_000
    length: Annotated[Count, Field(description="Steps of a signal.")] = 40
    largest_lag: Annotated[Count, Field(description="Lags are from 1 to this; with delayed, exactly this.")] = 5
    strength: Annotated[NotNegative, Field(description="Amplitude of the echo.")] = 0.8
    noise: Annotated[NotNegative, Field(description="Standard deviation of the noise; that of the signal is 1.")] = 0.0


@dataclass(frozen=True, config=STRICT)
class SubtractionData:
    """Generated differences of binary numbers."""

    count: Annotated[Count, Field(description="Differences for training; a tenth more to validate.")] = 5_000
    length: Annotated[Count, Field(description="Bits of a number; four times as many in validation.")] = 8


@dataclass(frozen=True, config=STRICT)
class AirQualityData:
    """Hourly air quality and weather."""

    data: Annotated[Location | None, Field(description="File of Beijing's PM2.5, see `recnn data`.")] = None
    history: Annotated[Count, Field(description="Hours that a forecast is based on.")] = 24
    horizon: Annotated[Count, Field(description="Hours from the last of them to the hour that is forecast.")] = 1


@dataclass(frozen=True, config=STRICT)
class LanguageModelData:
    """A text, and how it is cut."""

    data: Annotated[
        Location | None, Field(description="Text file. [default: the sentences of the bundled treebank]")
    ] = None
    held_out: Annotated[float, Field(gt=0, lt=1, description="Share of the text, at its end, to validate on.")] = 0.1
    min_count: Annotated[Count, Field(description="Frequency below which a character or word is unknown.")] = 1
    truncate: Annotated[Count, Field(description="Steps of truncated backpropagation through time.")] = 64


@dataclass(frozen=True, config=STRICT)
class AutoencoderData:
    """Trees, or sentences without trees."""

    data: Annotated[
        Location | None, Field(description="Folder with train.txt and dev.txt. [default: the bundled treebank]")
    ] = None
    form: Annotated[
        Literal["trees", "text"], Field(description="Penn Treebank brackets, or one sentence a line for greedy trees.")
    ] = "trees"


@dataclass(frozen=True, config=STRICT)
class TranslationData:
    """Pairs of sentences, and which of them are used."""

    data: Annotated[
        Location | None,
        Field(description="File with English, tab, French a line, or fra-eng.zip. [default: the bundled pairs]"),
    ] = None
    trees: Annotated[
        Location | None,
        Field(description="File of bracketed trees over the English sentences. [default: those of --parser]"),
    ] = None
    max_length: Annotated[Count, Field(description="Largest number of words of a sentence, with punctuation.")] = 10
    pairs: Annotated[Count | None, Field(description="Number of pairs to use, by sentence. [default: all]")] = None
    measured: Annotated[Count, Field(description="Held-out sentences to translate after each epoch, for BLEU.")] = 500


@dataclass(frozen=True, config=STRICT)
class ParserData:
    """Treebanks to train a parser on."""

    data: Annotated[
        Location | None,
        Field(
            description="Folder of the treebank, with train and dev, each a file (train.txt, train.mrg) or a folder."
        ),
    ] = None
    further: Annotated[
        Location | None,
        Field(description="File or folder of more trees to train on, such as those of another domain."),
    ] = None
    further_share: Annotated[
        float,
        Field(gt=0, le=1, description="Share of the trees of --further that is used in an epoch, drawn anew in each."),
    ] = 1.0
    min_count: Annotated[Count, Field(description="Frequency below which a word or a chain of phrases is unknown.")] = 2
    noise: Annotated[
        Probability,
        Field(
            description="Share of the sentences that are put in lower case, half as many in upper case, and as many "
            "without their full stop, drawn anew in each epoch."
        ),
    ] = 0.1

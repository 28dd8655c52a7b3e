"""What the endpoints take and return, as JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Network = Literal["tree", "sequence"]
Colours = Literal["prediction", "norm"]


class Question(BaseModel):
    """A sentence, and what is to be computed of it."""

    model_config = ConfigDict(extra="forbid")

    sentence: Annotated[str, Field(description="The sentence.", examples=["The boy saw her duck"])]
    parser: Annotated[
        str | None, Field(description="Name of the parser; that of the first model if null.", examples=["duck"])
    ] = None
    models: Annotated[
        list[str],
        Field(max_length=4, description="Names of models; the first two if empty.", examples=[["sentiment-tree"]]),
    ] = []
    colours: Annotated[
        Colours, Field(description="What the colours of the pictures show: predictions, or norms of the states.")
    ] = "prediction"
    width: Annotated[
        int, Field(ge=200, le=4000, description="Width in pixels that the pictures should not exceed, if they can.")
    ] = 960


class Reading(BaseModel):
    """A parse tree of the sentence."""

    brackets: Annotated[str, Field(description="The tree in brackets.")]
    probability: Annotated[float | None, Field(description="Its probability, if the parser has probabilities.")]


class SimilarPhrase(BaseModel):
    """A phrase whose state is near that of another one."""

    phrase: str
    similarity: Annotated[float, Field(description="Cosine similarity of the states, -1 to 1.")]
    label: Annotated[str, Field(description="Its predicted class.")]


class PhraseNode(BaseModel):
    """A node of a tree, or a step of a sequence, with what the model predicts there."""

    phrase: str
    span: Annotated[tuple[int, int], Field(description="Positions of its first and last word, from 1.")]
    parent: Annotated[int, Field(description="Index of the parent, -1 for the root.")]
    step: Annotated[int, Field(description="Step in which the state is computed, from 1: bottom-up, or word by word.")]
    label: Annotated[str, Field(description="The most probable class.")]
    probabilities: Annotated[list[float], Field(description="Probabilities of the classes.")]
    value: Annotated[float, Field(description="What is shown as the colour.")]
    norm: Annotated[float, Field(description="Norm of the state.")]
    nearest: Annotated[list[SimilarPhrase], Field(description="Phrases with similar states.")]


class Figure(BaseModel):
    """A picture of a tree or a sequence."""

    reading: Annotated[int | None, Field(description="Index of the reading; null for a sequence.")]
    text: Annotated[str, Field(description="Description for those who do not see it.")]
    steps: Annotated[int, Field(description="Number of steps in which the states are computed.")]
    svg: Annotated[str, Field(description="The picture, with the colours of /colours.css.")]


class ModelAnswer(BaseModel):
    """What one model computes of the sentence."""

    model: str
    network: Network
    unknown: Annotated[list[str], Field(description="Words that are not in the model's vocabulary.")]
    figures: Annotated[list[Figure], Field(description="A tree for each reading, or one sequence.")]
    readings: Annotated[list[list[PhraseNode]], Field(description="The nodes of each reading, from the root.")]
    sequence: Annotated[
        list[PhraseNode], Field(description="For a network over sequences: its state after each word, in their order.")
    ]


class Answer(BaseModel):
    """The readings of a sentence, and what the models compute of them."""

    words: Annotated[list[str], Field(description="The words of the sentence.")]
    dropped: Annotated[list[str], Field(description="Punctuation that is not in the grammar.")]
    parser: Annotated[str, Field(description="The parser.")]
    readings: Annotated[list[Reading], Field(description="The parse trees, best first.")]
    more: Annotated[bool, Field(description="Whether there are more readings than are returned.")]
    models: Annotated[list[ModelAnswer], Field(description="What each model computes.")]


class OfferedModel(BaseModel):
    """A model that can be chosen."""

    name: str
    network: Network
    description: str
    labels: Annotated[list[str], Field(description="The classes.")]
    titles: Annotated[list[str], Field(description="Names of the classes to be shown.")]
    parser: Annotated[str, Field(description="The model's own parser.")]


class Example(BaseModel):
    """A sentence to begin with."""

    sentence: str
    parser: str
    colours: Colours


class Choices(BaseModel):
    """Everything that can be chosen."""

    parsers: list[str]
    models: list[OfferedModel]
    examples: Annotated[list[Example], Field(description="Sentences to begin with; the page opens with the first.")]
    max_words: Annotated[int, Field(description="Largest number of words of a sentence.")]


class Problem(BaseModel):
    """What is wrong with a request."""

    error: Annotated[str, Field(description="One line.")]

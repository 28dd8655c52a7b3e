"""Phrases with similar states."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from recnn.serve.schemas import SimilarPhrase


class PhraseTable:
    """States of phrases, in which the nearest ones of other states are found.

    Args:
        phrases: words of each phrase.
        labels: predicted class of each phrase.
        states: (M, H) states.
    """

    def __init__(self, phrases: Sequence[str], labels: Sequence[str], states: Tensor) -> None:
        first: dict[str, int] = {}
        for row, phrase in enumerate(phrases):
            first.setdefault(phrase, row)
        rows = list(first.values())
        self.phrases, self.labels = list(first), [labels[row] for row in rows]
        self.unit = F.normalize(states[rows])

    def nearest(
        self, phrases: Sequence[str], labels: Sequence[str], states: Tensor, count: int
    ) -> list[list[SimilarPhrase]]:
        """Find the nearest phrases of each of N phrases, in the table and among themselves, by cosine similarity.

        Args:
            phrases: words of each phrase; the same words are not among its nearest phrases.
            labels: predicted class of each phrase.
            states: (N, H) states.
            count: largest number of phrases.
        """
        unit = F.normalize(states)
        names, classes = [*self.phrases, *phrases], [*self.labels, *labels]
        similarity = unit @ torch.cat([self.unit, unit]).T
        most = min(len(names), 4 * count + 2)  # some may have the same words
        values, places = similarity.topk(most, dim=1)
        found = []
        for phrase, row, order in zip(phrases, values.tolist(), places.tolist(), strict=True):
            seen = {phrase.casefold()}
            some: list[SimilarPhrase] = []
            for value, place in zip(row, order, strict=True):
                if names[place].casefold() not in seen and len(some) < count:
                    seen.add(names[place].casefold())
                    some.append(SimilarPhrase(phrase=names[place], similarity=value, label=classes[place]))
            found.append(some)
        return found

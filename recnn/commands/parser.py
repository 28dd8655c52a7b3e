"""Training of parsers: `recnn train parser`."""

from pathlib import Path
from typing import TYPE_CHECKING

import corpora
from recnn.commands.common import first_of, folder_of
from recnn.commands.train import trains
from recnn.data.sources import ParserData
from recnn.models.config import ParserNetworkConfig
from recnn.training.options import Training

if TYPE_CHECKING:
    from recnn.training.objectives.base import Objective

_ENDINGS = "", ".txt", ".mrg", ".ptb", ".brackets"


@trains("parser", data=ParserData, network=ParserNetworkConfig, training=Training)
def parser(data: ParserData, network: ParserNetworkConfig, training: Training) -> "Objective":
    """Predict the constituency tree of a sentence.

    --data takes a treebank in Penn Treebank brackets. Traces, function tags and escapes are removed from its trees. The
    model can be used as a parser by its folder: recnn parse --parser DIR.
    """
    from recnn.training.objectives.parser import ParserObjective

    folder = Path(folder_of(data.data))
    parts = (first_of(folder, [name + ending for ending in _ENDINGS]) for name in ("train", "dev"))
    trees, held_out = (list(corpora.read_treebank(part)) for part in parts)
    further = [] if data.further is None else list(corpora.read_treebank(Path(data.further)))
    settings = data.further_share, data.min_count, data.noise
    return ParserObjective(network, training, trees, held_out, further, *settings)

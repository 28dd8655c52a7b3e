"""Training of parsers: `recnn train parser`."""

from pathlib import Path
from typing import TYPE_CHECKING

import corpora
from parsers.errors import InputError
from recnn.commands.common import folder_of
from recnn.commands.train import trains
from recnn.data.sources import ParserData
from recnn.models.config import ParserNetworkConfig
from recnn.training.options import Training

if TYPE_CHECKING:
    from recnn.training.objectives.base import Objective


@trains("parser", data=ParserData, network=ParserNetworkConfig, training=Training)
def parser(data: ParserData, network: ParserNetworkConfig, training: Training) -> "Objective":
    """Predict the constituency tree of a sentence.

    --data takes a treebank in Penn Treebank brackets. Traces, function tags and escapes are removed from its trees. The
    model can be used as a parser by its folder: recnn parse --parser DIR.
    """
    from recnn.training.objectives.parser import ParserObjective

    folder = Path(folder_of(data.data))
    trees, held_out = (list(corpora.read_treebank(_part(folder, name))) for name in ("train", "dev"))
    further = [] if data.further is None else list(corpora.read_treebank(Path(data.further)))
    settings = data.further_share, data.min_count, data.noise
    return ParserObjective(network, training, trees, held_out, further, *settings)


def _part(folder: Path, name: str) -> Path:
    for found in (folder / name, *(folder / f"{name}.{ending}" for ending in ("txt", "mrg", "ptb", "brackets"))):
        if found.exists():
            return found
    raise InputError(f"{folder}: expected {name}, {name}.txt, {name}.mrg, {name}.ptb or {name}.brackets in this folder")

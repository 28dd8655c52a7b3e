"""The command line `recnn`: its commands, and what becomes of their errors."""

import sys

from parsers.errors import InputError
from recnn.commands.common import fail
from recnn.commands.lazy import Command, lazy_app

COMMANDS = {
    "parse": Command("recnn.commands.parse:parse", "Print the parse trees of sentences."),
    "encode": Command("recnn.commands.encode:encode", "Print the state vectors of the nodes of parse trees."),
    "train": Command("recnn.commands.train:app", "Train a model."),
    "evaluate": Command("recnn.commands.evaluate:evaluate", "Evaluate a model on labelled data."),
    "predict": Command("recnn.commands.predict:predict", "Print the label that a model predicts for each node."),
    "lm": Command("recnn.commands.language_model:app", "Language models: train, score, generate."),
    "translate": Command("recnn.commands.translation:translate", "Translate English sentences into French."),
    "autoencode": Command("recnn.commands.autoencoder:autoencode", "Show how well a model reconstructs phrases."),
    "data": Command("recnn.commands.data:data", "List or download published corpora."),
}

app = lazy_app(
    "Parse sentences, encode their trees with recursive neural networks, and train such networks.",
    COMMANDS,
    completion=True,
)


def main() -> None:
    """Run the command line; an error of the input becomes one line on standard error and exit status 1."""
    try:
        app()
    except InputError as error:
        fail(str(error))
        sys.exit(1)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(1)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "alloc" not in str(error):  # torch has no class for it on a CPU
            raise
        fail("there is not enough memory for that: take smaller sizes")
        sys.exit(1)

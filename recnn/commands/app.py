"""The commands of the command line, and the handling of their errors."""

import sys

from parsers.errors import InputError
from recnn.commands.common import fail
from recnn.commands.lazy import Command, lazy_app
from recnn.commands.streams import take_any_text

COMMANDS = {
    "parse": Command("recnn.commands.parse:parse", "Print the parse trees of sentences."),
    "encode": Command("recnn.commands.encode:encode", "Print the state vectors of the nodes of parse trees."),
    "encode-corpus": Command(
        "recnn.commands.encode_corpus:encode_corpus", "Parse and encode the sentences of files into Parquet files."
    ),
    "convert": Command("recnn.commands.convert:convert", "Convert files of any kind to trees for `recnn train trees`."),
    "train": Command("recnn.commands.train:app", "Train a model."),
    "tune": Command("recnn.commands.tune:app", "Search for good settings of a model."),
    "evaluate": Command("recnn.commands.evaluate:evaluate", "Evaluate a model on labelled data."),
    "compare": Command("recnn.commands.compare:compare", "Compare training runs over several seeds."),
    "predict": Command("recnn.commands.predict:predict", "Predict a label for each node of a tree."),
    "explain": Command("recnn.commands.explain:explain", "Show what each phrase contributes to a prediction."),
    "serve": Command("recnn.commands.serve:serve", "Open a page that shows what models make of a sentence."),
    "lm": Command("recnn.commands.language_model:app", "Train and use language models of characters or words."),
    "translate": Command("recnn.commands.translation:translate", "Translate English sentences into French."),
    "autoencode": Command(
        "recnn.commands.autoencoder:autoencode", "Show how well an autoencoder reconstructs phrases."
    ),
    "data": Command("recnn.commands.data:data", "List or download published corpora."),
}

app = lazy_app(
    "Parse sentences, encode their trees with recursive neural networks, and train recursive and recurrent networks.",
    COMMANDS,
    completion=True,
)


def run() -> None:
    """Run the command line; an error of the input is printed as one line on standard error, with exit status 1."""
    take_any_text()
    try:
        app()
    except InputError as error:
        fail(str(error))
        sys.exit(1)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(1)
    except (MemoryError, RuntimeError) as error:
        # torch has no class for it on a CPU; sizes whose product is above 2^63 cannot be counted.
        if not isinstance(error, MemoryError) and not any(word in str(error) for word in ("alloc", "overflow")):
            raise
        fail("not enough memory: use smaller sizes")
        sys.exit(1)

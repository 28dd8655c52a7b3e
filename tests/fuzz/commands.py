"""Targets: the commands, in this process, with damaged files and options."""

import shlex
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from unittest import mock

from tests.command_line import recnn
from tests.fuzz.cases import Files, Found, Target, mutated, read
from tests.fuzz.models import FOLDERS
from tests.fuzz.readers import CFG, CONLLU, HTML, JSON, ODD_PYTHON, PARENTS, RST, SEXPR, SICK, SST, TREES, XML

_DATA: Files = {
    "trees.mrg": TREES.encode(),
    "sst.txt": SST.encode(),
    "x.conllu": CONLLU.encode(),
    "x.labels": b"a\nb\n",
    **PARENTS,
    "duck.cfg": CFG.encode(),
    "in.txt": b"The boy saw her duck.\nHe saw a duck\n\n\xc3\xa9t\xc3\xa9\n",
    "form.txt": b"the boy saw\na duck saw her\n",
    "pairs.tsv": b"The boy\tthe duck\na duck\ther\n",
    "labelled.tsv": b"a\tthe boy\nb\ther duck\n",
    "labelled.csv": b'label,text\na,the boy\nb,"her\nduck"\n,a duck\n',
    "sentences.jsonl": b'{"text": "the boy"}\n{"text": "her duck"}\n{"text": "a duck"}\n',
    "trees.jsonl": b'{"tree": "(S (NP a duck) (VP saw))"}\n{"tree": "(S she slept)"}\n',
    "fra.txt": b"Go.\tVa !\nHi.\tSalut !\nThe boy saw her duck.\tLe gar\xc3\xa7on.\n"
    + b"".join(b"Look %d.\tVoyez %d.\n" % (n, n) for n in range(60)),
    "text.txt": b"ab cab\nba\n" * 20,
    "x.py": ODD_PYTHON.encode(),
    "x.json": JSON.replace("\\ud800", "").encode(),
    "x.jsonl": b'{"a": 1, "t": "p"}\n[2, "x"]\n' * 4,
    "x.xml": XML.encode(),
    "x.html": HTML.encode(),
    "x.scm": SEXPR.encode(),
    "x.dis": RST[3].encode(),
    "x.rs3": RST[5].encode(),
    "vectors.txt": b"the 1 2 3\nboy 0.5 -1 2e-3\nduck 1 1 1\n",
    "more.toml": b"hidden-size = 3\nlearning-rate = 0.01\n",
    "data/train.txt": b"a\tthe boy saw\nb\ther duck\n" * 4,
    "data/dev.txt": b"a\tthe boy\nb\tduck\n",
    "sst/train.txt": SST.encode(),
    "sst/dev.txt": SST.encode(),
    "bank/train.mrg": TREES.encode() + b"(S (NP (DT a) (NN duck)) (VP (VB saw)))\n",
    "bank/dev.mrg": b"(S (NP (DT a) (NN duck)) (VP (VB saw)))\n",
    "plain/train.txt": b"(S (NP a duck) (VP saw))\n(S (NP the boy) slept)\n",
    "plain/dev.txt": b"(S (NP a duck) (VP saw))\n",
    "listops/train.tsv": b"7\t7\n3\t( ( [MAX 3 ) ] )\n",
    "listops/dev.tsv": b"9\t( ( ( [SM 4 ) 5 ) ] )\n",
    "sick/train.txt": SICK.encode(),
    "sick/dev.txt": SICK.encode(),
    "typed.jsonl": b'{"tree": {"parents": [-1, 0], "labels": ["a", "b"], "words": [null, "x"]}, "target": "p"}\n' * 6
    + b'{"tree": {"parents": [-1, 0, 0], "labels": ["a", "b", "b"], "words": [null, "y", "x"]}, "target": "q"}\n' * 6,
}
_SMALL = "--hidden-size 3 --epochs 1 --out new"
_NET = f"--input-size 3 {_SMALL}"
_LINES = {
    "parse": [
        "parse --parser duck.cfg --json 'The boy saw her duck'",
        "parse --parser duck --limit 3 - < in.txt",
        "parse --input in.txt --out out.txt --parser balanced --json",
        "parse --input in.txt --out out.txt --text --parser balanced",
        "parse --score trees.mrg --parser balanced --json",
        "parse --score trees.mrg --parser right",
        "parse --parser models/parser - < in.txt",
        "parse --picture x.svg --parser telescope --tokens 'I saw the boy with the telescope'",
    ],
    "encode": [
        "encode --trees trees.mrg --binarise head --without-traces --hidden-size 3",
        "encode --trees x.conllu --json --out x.npz",
        "encode --trees x.parents --hidden-size 3",
        "encode --model models/classifier --json --parser balanced - < in.txt",
        "encode --parser duck --out x.npz --picture x.html 'The boy saw her duck' --seed 3",
    ],
    "encode-corpus": [
        f"encode-corpus {inputs} --out new --model models/classifier --parser balanced --shard-size 2"
        for inputs in (
            "in.txt trees.mrg",
            "labelled.csv --column text --id label --nodes",
            "sentences.jsonl --shard 1/2",
            "trees.jsonl --column tree --trees",
        )
    ],
    "convert": [
        f"convert {kind} {file} --out new.jsonl {more}"
        for kind, file, more in [
            ("python", "x.py", "--by-folder"),
            ("json", "x.json", ""),
            ("json", "x.jsonl", "--target t"),
            ("xml", "x.xml", "--no-split-text"),
            ("html", "x.html", ""),
            ("sexpr", "x.scm", ""),
            ("formulas", "form.txt", "--grammar duck.cfg"),
            ("brackets", "trees.mrg", ""),
            ("conllu", "x.conllu", ""),
            ("parents", "x.parents", ""),
            ("dis", "x.dis", ""),
            ("rs3", "x.rs3", ""),
        ]
    ],
    "predict": [
        "predict models/classifier --trees sst.txt",
        "predict models/classifier-sequence --json 'The boy saw her duck'",
        "predict models/regression --parser balanced - < in.txt",
        "predict models/pairs --pairs pairs.tsv --json",
        "predict models/typed-trees --trees typed.jsonl",
        "explain models/classifier --json --words 1 2 --method occlusion 'the boy saw'",
        "explain models/classifier --trees trees.mrg --class a",
        "autoencode models/autoencoder --trees sst.txt --json",
        "translate models/translator --beam 2 --json 'the boy saw'",
        "lm score models/language-model --tokens --json 'ab cab' -",
        "lm generate models/language-model --count 2 --length 9 --top-k 2 --top-p 0.5 --temperature 2",
        "lm generate models/language-model --beam 2 --length 9 --prompt ab --line",
        "evaluate models/classifier sst.txt --by-length --json",
        "serve --model models/classifier --parser duck --phrases sst.txt --port 0",
        "data",
    ],
    "run": [
        "evaluate run labelled.tsv --json",
        "predict run 'the boy'",
        "compare run run --format markdown --resamples 20",
        "train sentences --resume --epochs 2 --out run",
        "train sentences --resume --out run",
    ],
    "train": [
        f"train sentences --data data --parser balanced --config more.toml {_NET.replace('--hidden-size 3', '')}",
        f"train sentences --data data --parser balanced --vectors vectors.txt {_NET}",
        f"train sentiment --data sst --cell gru --direction both {_NET}",
        f"train treebank --data plain --binarise right --targets roots {_NET}",
        f"train listops --data listops {_NET}",
        f"train trees --data typed.jsonl --binarise {_NET}",
        f"train relatedness --data sick --parser balanced {_NET}",
        f"train entailment --data sick --parser balanced {_NET}",
        f"train autoencoder --data plain {_SMALL}",
        f"train autoencoder --data data --form text --trees greedy {_SMALL}",
        f"train translation --data fra.txt --parser balanced --measured 2 {_NET}",
        f"train parser --data bank --min-count 1 --character-size 2 --spelling-size 2 --span-size 3 {_NET}",
        f"train echo --count 20 --length 8 --largest-lag 2 {_SMALL}",
        f"train subtraction --count 20 --length 3 {_SMALL}",
        f"lm train --data text.txt --unit words --truncate 8 {_NET}",
        f"tune sentences --data data --parser balanced --search learning-rate=0.01..0.1 --trials 2 {_NET}",
    ],
}
# Values that are quick: a larger number of epochs is no finding.
_VALUES = [
    "-1",
    "0",
    "1",
    "2",
    "nan",
    "inf",
    "1e999",
    "-1e999",
    "9" * 30,
    "abc",
    "",
    " ",
    "é",
    "\udcff",
    "\u2028",
    "a\nb",
]
_VALUES += [
    "\x1b[31m",
    "--",
    "-",
    "=",
    "a=b",
    "[]",
    "x.py",
    "in.txt",
    "data",
    "no/such",
    "..",
    "sst",
    "duck",
    "S -> 'a'",
]
_LONGEST = 20_000  # bytes of a file: commands print tables of whole trees, up to 600 bytes a node
_ENDLESS = {"--length", "--count", "--epochs", "--trials", "--seeds"}  # which do what they are asked for
_LONG = {
    "--epochs",
    "--limit",
    "--length",
    "--count",
    "--seeds",
    "--workers",
    "--threads",
    "--max-words",
    "--resamples",
}
_LONG |= {"--trials", "--beam", "--measured", "--max-length", "--batch", "--max-requests", "--pool", "--warmup"}
_OPTIONS = [
    "--json",
    "--tokens",
    "--all",
    "--binarise",
    "--resume",
    "--help",
    "--seed",
    "--device",
    "--parser",
    "--trees",
]
_OPTIONS += [
    "--out",
    "--data",
    "--cell",
    "--dropout",
    "--picture",
    "--input",
    "--clip",
    "--optimizer",
    "--schedule",
    "--text",
]
_OPTIONS += ["--precision", "--monitor", "--patience", "--nodes", "--average", "--subwords", "--arity", "--num-layers"]


@cache
def _training_run() -> Files:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        for name in ("data/train.txt", "data/dev.txt"):
            (here / name).parent.mkdir(exist_ok=True)
            (here / name).write_bytes(_DATA[name])
        line = f"train sentences --data data --parser balanced {_NET.replace('new', 'run')}"
        status, _, err = recnn(*line.split(), cwd=here)
        if status:
            raise RuntimeError(err)
        found = {name: content for name, content in read(here).items() if not name.endswith(".png")}
        found["run/run.json"] = found["run/run.json"].replace(f"{folder}/".encode(), b"")
        return found


def _samples(group: str) -> list[Files]:
    found = []
    for line in _LINES[group]:
        words, _, given = line.partition(" < ")
        arguments = shlex.split(words)
        files: Files = {"arguments": "\n".join(arguments).encode(), "stdin": _DATA[given] if given else b""}
        known = {**_DATA, **(_training_run() if "run" in arguments else {})}
        wanted = {*arguments, *(["data"] if "run" in arguments else [])}
        files |= {name: content for name, content in known.items() if {name, name.split("/")[0]} & wanted}
        for argument in arguments:
            if argument.startswith("models/"):
                models = read(FOLDERS / argument.removeprefix("models/"))
                files |= {f"{argument}/{name}": content for name, content in models.items()}
            if argument.startswith("x."):  # what belongs to x.conllu and x.parents
                beside = {"x.conllu": ["x.labels"], "x.parents": ["x.toks", "x.rels"]}
                files |= {name: _DATA[name] for name in beside.get(argument, [])}
        found.append(files)
    return found


def _mutate(files: Files, samples: Sequence[Files], random: Random) -> Files:
    rest = {name: content for name, content in files.items() if name != "arguments"}
    arguments = files["arguments"].decode("utf-8", "surrogateescape").split("\n")
    if random.random() < 0.7:
        rest = {name: content[:_LONGEST] for name, content in mutated(rest, samples, random).items()}
        rest["stdin"] = rest.get("stdin", b"")[:2000]  # `english` takes 20 seconds for a sentence of 3,000 words
    if random.random() < 0.45:
        place = random.randrange(1, len(arguments) + 1)
        if random.random() < 0.5 and place < len(arguments):
            long = arguments[place - 1] in _LONG
            huge = ["9" * 30] if arguments[place - 1] not in _ENDLESS else []
            arguments[place] = random.choice([*_VALUES[:4], *huge] if long else _VALUES)
        elif random.random() < 0.3:
            del arguments[place : place + 1]
        else:
            arguments[place:place] = [random.choice(_OPTIONS), random.choice(_VALUES)][: random.choice([1, 2])]
    return {"arguments": "\n".join(arguments).encode("utf-8", "surrogateescape"), **rest}


def _run(folder: Path) -> None:
    arguments = (folder / "arguments").read_bytes().decode("utf-8", "surrogateescape").split("\n")
    given = (folder / "stdin").read_bytes() if (folder / "stdin").exists() else b""
    with mock.patch("uvicorn.Server.run"):  # which would not end
        status, out, err = recnn(*(one.replace("\0", "") for one in arguments), stdin=given)
    if status not in (0, 1, 2) or "Traceback" in err or (status == 1 and not err.strip()):
        raise Found(f"status {status}, {arguments}\n{out[-1000:]}\n{err[-2000:]}")


COMMANDS = {
    f"command-{group}": Target(lambda group=group: _samples(group), _run, _mutate)  # type: ignore[misc]
    for group in _LINES
}

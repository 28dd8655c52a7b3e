"""Targets: folders of models and of graphs, and the page."""

import asyncio
import json
import tempfile
import warnings
from collections import deque
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import httpx
import torch
from nltk import Tree

import recnn
from recnn.data.graph_store import GraphStore
from recnn.trees import from_value
from tests.fuzz.cases import ROOT, Files, Found, Target, read

FOLDERS = ROOT / "tests/recnn/models/version_0_1"
TREE = Tree.fromstring("(S (NP the boy) (VP saw (NP her duck)))")
WORDS = ["the", "boy", "saw", "her", "duck"]


def _load_and_predict(folder: Path) -> None:
    model: Any = recnn.load(folder / "model")
    given: Any = ["The boy saw her duck", WORDS]
    if isinstance(model, recnn.PairModel):
        given = [("The boy saw", "her duck"), (TREE, TREE)]
    elif isinstance(model, recnn.SequenceModel):
        given = torch.arange(4.0 * model.config.inputs).view(2, 2, -1)
    elif isinstance(model, recnn.TypedTreeModel):
        given = [from_value({"a": [1, 2.5, "x"]})]
    elif isinstance(model, (recnn.TreeClassifier, recnn.TreeRegressor)):
        given = [*given, TREE]
    if len(json.dumps(recnn.settings.as_json(model.config))) < 5000:  # the sizes are those of the file
        model.predict(given)
    model.save(folder / "again")
    recnn.load(folder / "again")


def _model(name: str) -> Target:
    return Target(
        lambda: [{f"model/{file}": content for file, content in read(FOLDERS / name).items()}], _load_and_predict
    )


def _stores() -> list[Files]:
    trees = [TREE, Tree.fromstring("(S a)"), Tree.fromstring("(S (X a b) c)")]
    chains = [recnn.sequence_to_graph(list("abc"))]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for number, graphs in enumerate((map(recnn.tree_to_graph, trees), chains, ())):
            GraphStore(graphs, Path(folder, str(number)))
            found.append({f"store/{name}": content for name, content in read(Path(folder, str(number))).items()})
    return found


def _open_store(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Reading `.npy`")  # NumPy's, of a damaged header that it still understands
        store = GraphStore.open(folder / "store")
    deque((store[number] for number in range(min(len(store), 100))), maxlen=0)
    if len(store):
        store.batch(range(min(len(store), 100)))


@cache
def _page() -> tuple[Any, asyncio.Runner]:
    """A client of the page, without a network, and what runs its requests."""
    from recnn.serve.app import make_app
    from recnn.serve.catalogue import Catalogue

    transport = httpx.ASGITransport(make_app(Catalogue()))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost"), asyncio.Runner()


def _ask(folder: Path) -> None:
    client, runner = _page()
    method, path, kind, body, *_ = [*(folder / "request").read_bytes().split(b"\n", 3), b"", b"", b""]
    try:
        head = method.decode("ascii"), path.decode("ascii")
        request = client.build_request(*head, content=body, headers={"content-type": kind.decode("ascii")})
    except (ValueError, httpx.InvalidURL, httpx.UnsupportedProtocol):  # no request of a client
        return
    answer = runner.run(client.send(request))
    if answer.status_code >= 500:
        raise Found(f"status {answer.status_code}: {answer.text[:500]}")
    if answer.headers.get("content-type") == "application/json":
        answer.json()


def _requests() -> list[Files]:
    questions = [
        {"sentence": "The boy saw her duck", "parser": "duck", "models": ["sentiment-tree", "sentiment-sequence"]},
        {"sentence": "a very good film , and the plot is not dull", "colours": "norm", "width": 400},
        {"sentence": "I saw the man with the telescope", "parser": "telescope", "models": []},
        {"sentence": 'The "film" isn\'t (very) good: 3.5%...', "parser": "english", "models": ["sentiment-tree"]},
    ]
    posts = [f"POST\n/api/analyse\napplication/json\n{json.dumps(question)}" for question in questions]
    gets = [
        f"GET\n{path}\n\n" for path in ("/", "/reference", "/page/page.js", "/api/choices", "/openapi.json?x=1", "/no")
    ]
    return [{"request": text.encode()} for text in (posts * 3 + gets)]


def _mutated_question(files: Files, samples: Any, random: Random) -> Files:
    """Mostly the sentence alone, so that it comes to the parsers and models."""
    from tests.fuzz.cases import mutated

    head, _, body = files["request"].partition(b"json\n")
    if not body or random.random() < 0.4:
        return mutated(files, samples, random)
    question = json.loads(body)
    others = [{"x": text} for text in ("the film is not good .", "le film \u00e9tait 'bon' \u2014 (tr\u00e8s)")]
    words = mutated({"x": question["sentence"].encode()}, [{"x": o["x"].encode()} for o in others], random)["x"]
    question["sentence"] = words.decode("utf-8", "replace")[: random.choice([200, 2000, 20_000])]
    return {"request": head + b"json\n" + json.dumps(question).encode()}


MODELS = {
    **{f"model-{name}": _model(name) for name in sorted(path.name for path in FOLDERS.iterdir() if path.is_dir())},
    "store": Target(_stores, _open_store),
    "page": Target(_requests, _ask, _mutated_question),
}

"""Targets: all readers of files and texts, and converters of trees."""

import csv
import gzip
import io
import json
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from pyarrow import parquet

import corpora
import parsers
from corpora.air_quality import windows
from corpora.vectors import vector_words
from parsers.errors import InputError
from recnn import trees
from recnn.encoding.formats import RecordColumns
from recnn.encoding.inputs import COLUMNS, corpus_files
from recnn.encoding.records import count_records, read_records
from recnn.graphs.convert import dependencies_to_graph, tree_to_graph
from recnn.trees.files import TreeExample
from tests.fuzz.cases import ROOT, Files, Found, Target
from tests.strategies import awkward_trees
from tests.strategies import trees as plain_trees

CONLLU = """# text = Vámonos al mar
1-2\tVámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tVamos\tir\tVERB\t_\tMood=Imp|Number=Plur\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\t_\tCase=Acc\t1\tobj\t_\t_
3-4\tal\t_\t_\t_\t_\t_\t_\t_\t_
3\ta\ta\tADP\t_\t_\t5\tcase\t_\t_
4\tel\tel\tDET\t_\t_\t5\tdet\t_\t_
4.1\tx\tx\t_\t_\t_\t_\t_\t5:dep\t_
5\tmar\tmar\tNOUN\t_\t_\t1\tobl\t_\t_

1\tStop\tstop\tVERB\t_\t_\t0\troot\t_\t_

"""
TREES = """( (S (NP-SBJ-1 (DT The) (NN boy)) (VP (VBD saw) (NP (PRP$ her) (NN duck)) (-NONE- *T*-1)) (. .)) )
(S (NP\\(x (-LRB- -LRB-) (CD 1\\/2)) (X \\x28 \\empty))
"""
SST = "(3 (2 the) (4 (2 very) (3 good)))\n(1 (2 a) (1 plot))\n"
SICK = """pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment
1\tA man sings\tA dog sings\t3.5\tNEUTRAL
2\tA dog runs\tA man\t1\tCONTRADICTION
"""
PARENTS = {"x.parents": b"2 0 2\n0 -1\n", "x.toks": b"the boy slept\nStop .\n", "x.rels": b"det root obj\nroot _\n"}
CFG = """# coding: utf-8
%start S
S -> NP VP | VP
NP -> Det N | 'her' | Pro
VP -> V NP | V
Det -> 'the' | "a"
N -> 'boy' | 'duck'
Pro -> 'He'
V -> 'saw' | 'duck'
"""
PCFG = "S -> NP VP [1.0]\nNP -> 'a' [0.4] | NP NP [0.1] | 'b' [0.5]\nVP -> 'c' [0.5] | NP VP [.25] | VP NP [2.5e-1]\n"
FCFG = "% start S\nS -> NP[NUM=?n] VP[NUM=?n]\nNP[NUM=sg] -> 'he'\nNP[NUM=pl,-x] -> 'they'\nVP[NUM=?n] -> V[NUM=?n]\n"
FCFG += "V[NUM=sg, TENSE=[A=b]] -> 'walks'\nV[NUM=pl] -> 'walk'\n"
RST = (ROOT / "tests/recnn/trees/test_rhetorical.py").read_text("utf-8").split('"""')
XML = '<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY e "x">]><a b="1"> text <c/>&amp;&e;'
XML += "<![CDATA[<x>]]><!-- c --><d>e</d></a>"
HTML = "<!doctype html><html><head><title>T</title><script>if (a<b) {}</script></head><body><p>One<p>Two <br>&eacute;"
HTML += "<ul><li>x<li>y</ul><table><tr><td>1<td>2</table><!-- c --></body></html>"
PYTHON = (ROOT / "corpora/echo.py").read_bytes()
ODD_PYTHON = '''# coding: utf-8
async def f(a, /, b: int = 1, *c, d=2j, **e) -> "x":
    """Doc."""
    async with x as y, z:
        await g(*[i async for i in j if i], **{**k, "é": f"{l!r:>{m}}"}, n=lambda o: (yield))
    try:
        del a[1:2, ...], b.c
    except* (ValueError, TypeError) as error:
        raise error from None
    match d:
        case {"x": [1, *_], **rest} if rest: pass
        case P(q, r=1) | None: nonlocal_ = 1e400
    return not -1 if a < b <= c else (s := b"\\x00")
class A(B, metaclass=C):
    x: int
    @decorated
    def y(self): global z; assert z, "m"; import a.b as c; from . import *
'''
SEXPR = '(define (f x) ; comment\n  `(a ,x ,@y "s\\n" #t #\\a 1.5e3 . b) #| block |# [c d] \'e)'
JSON = json.dumps({"a": [1, 2.5, -1e-3, "x", None, True], "b": {"c": {}, "d": []}, "é": "\u2028\ud800"})


def text(*contents: str | bytes, name: str = "x.txt") -> Callable[[], list[Files]]:
    """The samples of a target of one file."""
    return lambda: [{name: content.encode("utf-8") if isinstance(content, str) else content} for content in contents]


def each(read: Callable[[Path], Iterable[Any]], use: Callable[[Any], object] | None = None, name: str = "x.txt") -> Any:
    """Read all that is in a file, and use it."""

    def run(folder: Path) -> None:
        found = read(folder / name)
        deque(found if use is None else map(use, found), maxlen=0)

    return run


def drawn(strategy: st.SearchStrategy[Any], count: int = 40) -> list[Any]:
    """Draw examples, always the same."""
    found: list[Any] = []

    @seed(0)
    @settings(max_examples=count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(strategy)
    def collect(example: Any) -> None:
        found.append(example)

    collect()
    return found


def _drawn_trees(name: str) -> list[Files]:
    some = [*drawn(plain_trees()), *drawn(awkward_trees())]
    return [{name: parsers.brackets(tree).encode()} for tree in some if _printed(tree)]


def _printed(tree: Any) -> bool:
    try:
        parsers.brackets(tree).encode()
    except (InputError, UnicodeEncodeError):
        return False
    return True


def _drawn_json() -> list[Files]:
    below = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    values = st.recursive(below, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
    return [{"x.json": json.dumps(value).encode()} for value in drawn(values)]


def _use_tree(tree: Any) -> None:
    """What the commands do with a tree."""
    again = parsers.tree_from_brackets(parsers.brackets(tree))
    if trees.from_nltk(again) != trees.from_nltk(tree):  # trees of nltk are compared by recursion
        raise Found("another tree was read again")
    if len(parsers.words_of(tree)) < 2000:
        tree_to_graph(tree)
        rules = parsers.productions(tree)
        parsers.tree_from_productions(parsers.words_of(tree), rules)
        for change in (parsers.without_functions, parsers.collapse_unaries, parsers.binarise, parsers.without_traces):
            change(tree)


def _use_dependencies(sentence: Any) -> None:
    sentence.tokens()
    trees.from_dependencies(sentence)
    dependencies_to_graph(sentence.words, sentence.heads, sentence.relations)
    parsers.brackets(sentence.tree())


def _use_vocabulary(folder: Path) -> None:
    vocabulary = corpora.Vocabulary.load(folder / "x.jsonl")
    vocabulary.save(folder / "again.jsonl")
    if corpora.Vocabulary.load(folder / "again.jsonl") != vocabulary:
        raise Found("another vocabulary was read again")


def _use_vectors(folder: Path) -> None:
    deque(vector_words(folder / "x.txt"), maxlen=0)
    corpora.read_vectors(folder / "x.txt", ["the", "boy", "é"])


def _use_grammar(folder: Path) -> None:
    grammar = parsers.load_grammar(folder / "x.cfg")
    parser = parsers.GrammarParser(grammar, max_edges=2000)
    for sentence in ("the boy saw her duck", "a b c", "he walks"):
        try:
            parser.parses(sentence).ahead(3)
        except InputError:
            continue


def _use_grammar_text(folder: Path) -> None:
    try:
        content = (folder / "x.cfg").read_text("utf-8")
    except UnicodeDecodeError:
        return
    parsers.load(content, max_edges=2000).parses("a b c").ahead(3)


@cache
def _parser(name: str) -> parsers.Parser:
    return parsers.load(name, max_edges=5000, timeout=2)


def _use_sentence(longest: int, *names: str) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        try:
            sentence = (folder / "x.txt").read_text("utf-8")[:longest]
        except UnicodeDecodeError:
            return
        for name in names:
            for given_ in (sentence, sentence.split(" ")):
                found = next(iter(_parser(name).parse_each([given_])))
                if not isinstance(found, InputError):
                    parsers.brackets(found)
        for span in parsers.sentence_spans(sentence):
            deque(parsers.word_spans(span), maxlen=0)

    return run


def _converter(convert: Callable[[Any], Any], back: Callable[[Any], Any] | None = None, text: bool = True) -> Any:
    def run(folder: Path) -> None:
        content: Any = (folder / "x").read_bytes()
        if text:
            try:
                content = content.decode("utf-8-sig")
            except UnicodeDecodeError:
                return
        tree = convert(content)
        str(tree)
        trees.TypedTree.from_dict(json.loads(json.dumps(tree.to_dict())))
        trees.undo_left_child_right_sibling(trees.left_child_right_sibling(tree))
        if back is not None:
            back(tree)

    return run


def _back_to_python(tree: trees.TypedTree) -> None:
    again = trees.from_python(trees.to_python(tree))
    if again != tree:
        raise Found("another program was read again")


def _back_to_json(tree: trees.TypedTree) -> None:
    if trees.from_json(trees.to_json(tree)) != tree:
        raise Found("other JSON was read again")


def _back_to_sexpr(tree: trees.TypedTree) -> None:
    if trees.from_sexpr(trees.to_sexpr(tree)) != tree:
        raise Found("another expression was read again")


def _corpora() -> list[Files]:
    rows = [("1", "a fine film"), ("2", 'he said "no",\nthen left'), ("", ""), ("é", "the end")] * 2
    table = io.BytesIO()
    parquet.write_table(pyarrow.table([*map(list, zip(*rows, strict=True))], names=["n", "text"]), table)
    values = io.StringIO()
    csv.writer(values).writerows([("n", "text"), *rows])
    lines = "".join(json.dumps({"n": n, "text": one}) + "\n" for n, one in rows)
    contents = {"x.jsonl": lines, "x.csv": values.getvalue(), "x.tsv": 'n\ttext\n1\ta film\n2\t\n3\t"b"\n4\tc\n'}
    contents |= {"x.txt": "a fine film\n\nthe end\nb\n", "x.mrg": TREES + SST, "x.conllu": CONLLU * 2}
    found = {name: content.encode() for name, content in contents.items()}
    found |= {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in found.items()}
    return [{name: content} for name, content in [*found.items(), ("x.parquet", table.getvalue())]]


def _use_corpus(folder: Path) -> None:
    """What `recnn encode-corpus` does with a file: its shards have the records that are read at once."""
    files = corpus_files([str(folder)])
    columns = RecordColumns(id="n") if files[0].format in COLUMNS else RecordColumns()
    whole = list(map(repr, read_records(files, columns)))
    number, marks = count_records(files, columns, 3)
    if number != len(whole):
        raise Found(f"{number} records were counted, and {len(whole)} read")
    for index in {0, len(marks) // 2, len(marks) - 1} & set(range(len(marks))):
        some = list(map(repr, islice(read_records(files, columns, marks[index], 3 * index), 4)))
        if some != whole[3 * index : 3 * index + 4]:
            raise Found(f"other records from {marks[index]} on: {some}")


def _use_examples(folder: Path) -> None:
    some = list(trees.read_examples(folder / "x.jsonl"))
    trees.write_examples(folder / "again.jsonl", some)
    if [str(one) for one in trees.read_examples(folder / "again.jsonl")] != [str(one) for one in some]:
        raise Found("other examples were read again")


def _examples() -> list[Files]:
    some = [
        TreeExample(trees.from_python("f(x)[1] + 2.5"), "a"),
        TreeExample(trees.from_json(JSON.replace("\\ud800", "")), [1.0, 2.0], source="x.json"),
        TreeExample(trees.from_sexpr("(a b)"), None, ["p", None, "q"]),
    ]
    return [
        {"x.jsonl": "".join(json.dumps({"tree": e.tree.to_dict(), "target": e.target}) + "\n" for e in some).encode()},
        {"x.jsonl": json.dumps({"tree": some[2].tree.to_dict(), "targets": some[2].targets}).encode()},
    ]


def _air_quality(folder: Path) -> None:
    table = corpora.read_air_quality(folder / "x.csv")
    if len(table.hours) > 3:
        windows(table, 2, 1)


def _hours() -> list[Files]:
    rows = ["No,year,month,day,hour,pm2.5,DEWP,TEMP,PRES,cbwd,Iws,Is,Ir"]
    rows += [f"{n + 1},2010,12,31,{18 + n},{'NA' if n == 2 else n},-21,-1.5,1021,NW,1.79,0,0" for n in range(6)]
    rows += [f"{n + 7},2011,1,1,{n},129,-16,-4,1020,cv,0.89,1,2" for n in range(6)]
    return [{"x.csv": "\n".join(rows).encode()}]


def _zip() -> list[Files]:
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.writestr("fra.txt", "Go.\tVa !\tCC-BY\nHi.\tSalut !\n" * 4)
            archive.writestr("_about.txt", "about")
        found.append({"x.zip": file.getvalue()})
    return found


def _treebank() -> list[Files]:
    return [{"bank/a.mrg": TREES.encode(), "bank/b.mrg": SST.encode()}]


def _pairs() -> list[Files]:
    sides = {f"{side}.{end}": PARENTS[f"x.{end}"] for side in "ab" for end in ("parents", "toks", "rels")}
    return [
        {**sides, "sim.txt": b"3.5\n1\n", "ent.txt": b"NEUTRAL\nENTAILMENT\n"},
        {
            "a.conllu": CONLLU.encode(),
            "b.conllu": CONLLU.encode(),
            "sim.txt": b"3.5\n1\n",
            "ent.txt": b"NEUTRAL\nNEUTRAL\n",
        },
    ]


def _read_pairs(folder: Path) -> None:
    for answer in ("relatedness", "entailment"):
        deque(corpora.read_tree_pairs(folder, answer), maxlen=0)


def _labelled(name: str, form: Any, samples: Sequence[Files]) -> Target:
    return Target(lambda: samples, each(lambda path: corpora.read_labelled_trees(path, form), name=name))


_CONLLU_LABELS = [{"x.conllu": CONLLU.encode(), "x.labels": b"good\nbad\n"}]
_LISTOPS = "7\t7\n3\t( ( [MAX 3 ) ] )\n9\t( ( ( [SM 4 ) 5 ) ] )\n2\t[MED 1 2 [FIRST 3 4 ] ]\n"
_TSV = 'good\tThe boy saw her duck .\nbad\ta "new" (one)\n'
_VECTORS = "3 2\nthe 1 -2.5e-3\nboy .5 +1\né 0 0 \n"
_VOCABULARY = '{"unknown": "<unk>", "specials": 2, "size": 4}\n"<unk>"\n"<s>"\n"the"\n"\\u00e9\\n"\n'
_SENTENCES = (
    "The boy saw her duck.",
    "Mr. O'Neil isn't \"here\" (yet) -- 3.5% of U.S. $7... and l’été!",
    "the\nboy\tsaw  her",
)

READERS = {
    "trees": Target(
        lambda: [*text(TREES, SST)(), *_drawn_trees("x.txt")], each(lambda path: corpora.read_trees(path), _use_tree)
    ),
    "treebank": Target(_treebank, each(lambda path: corpora.read_treebank(path), name="bank")),
    "brackets": Target(
        lambda: [*text(TREES)(), *_drawn_trees("x.txt")],
        lambda folder: _use_tree(parsers.tree_from_brackets((folder / "x.txt").read_text("utf-8", "replace"))),
    ),
    "sst": Target(text(SST), each(lambda path: corpora.read_sst(path), _use_tree)),
    "conllu": Target(text(CONLLU), each(lambda path: corpora.read_conllu(path), _use_dependencies)),
    "parents": Target(
        lambda: [PARENTS], each(lambda path: corpora.read_parents(path), _use_dependencies, name="x.parents")
    ),
    "labelled": Target(text(_TSV), each(lambda path: corpora.read_labelled(path))),
    "labelled-sentences": _labelled("x.tsv", "sentences", text(_TSV, name="x.tsv")()),
    "labelled-dependencies": _labelled("x.conllu", "sentences", _CONLLU_LABELS),
    "listops": Target(
        text(_LISTOPS), each(lambda path: corpora.read_listops(path), lambda e: corpora.listops_tree(e.tree))
    ),
    "sick": Target(text(SICK), each(lambda path: corpora.read_sick(path))),
    "tree-pairs": Target(_pairs, _read_pairs),
    "text": Target(
        text("To be, or not\r\nto be\n"),
        lambda folder: (corpora.read_text(folder / "x.txt"), deque(corpora.read_words(folder / "x.txt"), maxlen=0)),
    ),
    "translations": Target(
        text("Go.\tVa !\nHi\u202f!\tSalut\u00a0!\tCC-BY\n"), each(lambda path: corpora.read_translations(path))
    ),
    "translations-zip": Target(_zip, each(lambda path: corpora.read_translations(path), name="x.zip")),
    "vectors": Target(text(_VECTORS, "the 1 2\n"), _use_vectors),
    "vocabulary": Target(text(_VOCABULARY, name="x.jsonl"), _use_vocabulary),
    "air-quality": Target(_hours, _air_quality),
    "grammar": Target(
        lambda: [*text(CFG, PCFG, FCFG, name="x.cfg")(), {"x.cfg": gzip.compress(PCFG.encode())}], _use_grammar
    ),
    "grammar-text": Target(text(CFG, PCFG, FCFG, name="x.cfg"), _use_grammar_text),
    "sentence": Target(text(*_SENTENCES), _use_sentence(100_000, "balanced", "duck")),
    "sentence-english": Target(text(*_SENTENCES), _use_sentence(2000, "english")),
    "python": Target(text(PYTHON, ODD_PYTHON, name="x"), _converter(trees.from_python, _back_to_python, text=False)),
    "json": Target(
        lambda: [{"x": one["x.json"]} for one in _drawn_json()] + text(JSON, name="x")(),
        _converter(trees.from_json, _back_to_json, text=False),
    ),
    "xml": Target(
        text(XML, name="x"), _converter(lambda content: trees.from_xml(content, True, True), trees.to_xml, text=False)
    ),
    "html": Target(text(HTML, name="x"), _converter(lambda content: trees.from_html(content, True, True))),
    "sexpr": Target(text(SEXPR, name="x"), _converter(trees.from_sexpr, _back_to_sexpr)),
    "formula": Target(
        text("the boy saw her duck", "a b c", name="x"), _converter(lambda content: trees.from_formula(content, "duck"))
    ),
    "dis": Target(text(RST[3], name="x"), _converter(trees.from_dis)),
    "rs3": Target(text(RST[5], name="x"), _converter(trees.from_rs3, text=False)),
    "examples": Target(_examples, _use_examples),
    "corpus": Target(_corpora, _use_corpus),
}

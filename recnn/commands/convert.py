"""`recnn convert`: files of any kind to trees of typed nodes in JSON lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

import corpora
from corpora.text import lines
from parsers.errors import InputError
from recnn import trees
from recnn.commands.common import Failures, counted, out
from recnn.trees.files import TreeExample, write_examples
from recnn.trees.typed_tree import TypedTree
from recnn.trees.values import parsed_json


@dataclass(frozen=True)
class _Options:
    split_text: bool
    target: str | None
    grammar: str | None


_Found = tuple[str, TypedTree, Any]
"""Place of a tree in its file ("" if it is the only one), the tree, and its target or None."""


class _Format(NamedTuple):
    suffixes: tuple[str, ...]
    """Of the files that are looked for in folders."""
    read: Callable[[Path, _Options], Iterable[_Found]]


def _one(convert: Callable[[bytes, _Options], TypedTree]) -> Callable[[Path, _Options], Iterable[_Found]]:
    """Make the reader of files of one tree each."""
    return lambda path, options: [("", convert(path.read_bytes(), options), None)]


def _several(reader: str, converter: str) -> Callable[[Path, _Options], Iterable[_Found]]:
    """Make the reader of files of several sentences.

    Args:
        reader: name of the function of `corpora` that reads a file; by name, as it may import nltk.
        converter: name of the function of `recnn.trees` that converts a sentence.
    """

    def read(path: Path, options: _Options) -> Iterator[_Found]:
        for number, sentence in enumerate(getattr(corpora, reader)(path), 1):
            yield f":{number}", getattr(trees, converter)(sentence), None

    return read


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 text (byte {error.start + 1})") from None


def _json(path: Path, options: _Options) -> Iterator[_Found]:
    texts = ((f":{n}", line) for n, line in lines(path) if line.strip())
    for place, text in texts if path.suffix == ".jsonl" else [("", _text(path.read_bytes()))]:
        try:
            value = parsed_json(text)
            target = value.pop(options.target, None) if isinstance(value, dict) else None
            yield place, trees.from_value(value), target
        except InputError as error:
            raise InputError(f"{place[1:] and 'line ' + place[1:] + ': '}{error}") from None


def _formulas(path: Path, options: _Options) -> Iterator[_Found]:
    if options.grammar is None:
        raise typer.BadParameter("formulas need a grammar", param_hint="--grammar")
    for number, line in lines(path):
        if line.strip():
            try:
                yield f":{number}", trees.from_formula(line, options.grammar), None
            except InputError as error:
                raise InputError(f"line {number}: {error}") from None


def _markup(convert: Callable[..., TypedTree]) -> Callable[[bytes, _Options], TypedTree]:
    def read(content: bytes, options: _Options) -> TypedTree:
        text = content if convert is trees.from_xml else _text(content)
        return convert(text, remove_blank_text=True, split_text=options.split_text)

    return read


_FORMATS = {
    "python": _Format((".py",), _one(lambda content, _: trees.from_python(content))),
    "json": _Format((".json", ".jsonl"), _json),
    "xml": _Format((".xml",), _one(_markup(trees.from_xml))),
    "html": _Format((".html", ".htm"), _one(_markup(trees.from_html))),
    "sexpr": _Format((".sexpr", ".lisp", ".scm"), _one(lambda content, _: trees.from_sexpr(_text(content)))),
    "formulas": _Format((".txt",), _formulas),
    "brackets": _Format((".mrg", ".txt"), _several("read_trees", "from_nltk")),
    "conllu": _Format((".conllu",), _several("read_conllu", "from_dependencies")),
    "parents": _Format((".parents",), _several("read_parents", "from_dependencies")),
    "dis": _Format((".dis",), _one(lambda content, _: trees.from_dis(_text(content)))),
    "rs3": _Format((".rs3",), _one(lambda content, _: trees.from_rs3(content))),
}
Kind = Enum("Kind", {name: name for name in _FORMATS}, type=str)  # type: ignore[misc]


def convert(
    format: Annotated[Kind, typer.Argument(metavar="FORMAT", help=f"{', '.join(_FORMATS)}.")],
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SRC...", help="Files, or folders, in which all files of the format are found."),
    ],
    to: Annotated[Path, typer.Option("--out", metavar="FILE", help="File of trees to write.")],
    by_folder: Annotated[
        bool, typer.Option("--by-folder", help="The target of a tree is the name of the folder of its file.")
    ] = False,
    target: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Entry of each JSON object that is its target, and not part of its tree."),
    ] = None,
    split_text: Annotated[
        bool, typer.Option("--split-text/--no-split-text", help="In XML and HTML, make a node of each word of a text.")
    ] = True,
    grammar: Annotated[
        str | None, typer.Option(metavar="GRAMMAR", help="Grammar of formulas: a name, a file, or the rules as text.")
    ] = None,
) -> None:
    """Convert files of any kind to trees for `recnn train trees`, one on each line as JSON.

    The formats are python, json (.jsonl: a value on each line), xml, html, sexpr (S-expressions), formulas (one on each
    line, in a --grammar), brackets (Penn Treebank), conllu, parents (NAME.parents with NAME.toks), and dis and rs3
    (rhetorical structure). A file that cannot be converted is reported in one line, and the others are converted; the
    exit status is 1 then. Targets can also be added to the lines afterwards, as "target", or as "targets" of all nodes.
    """
    if target is not None and (format.value != "json" or by_folder):
        raise typer.BadParameter("only for the format json, without --by-folder", param_hint="--target")
    options = _Options(split_text, target, grammar)
    counts = [0, 0]

    def converted() -> Iterator[TreeExample]:
        for path in _files(sources, _FORMATS[format.value].suffixes, failures):
            try:
                for place, tree, value in _FORMATS[format.value].read(path, options):
                    counts[0] += 1
                    counts[1] += len(tree)
                    own = path.resolve().parent.name if by_folder else value
                    yield TreeExample(tree, own, None, f"{path}{place}")
            except InputError as error:
                failures.add(error if str(error).startswith(str(path)) else InputError(f"{path}: {error}"))
            except OSError as error:
                failures.add(InputError(f"{path}: {error.strerror}"))

    with Failures() as failures:
        write_examples(to, converted())
        problem = f"; {counted(failures.count, 'problem')}" if failures.count else ""
        out.print(f"{counted(counts[0], 'tree')} of {counted(counts[1], 'node')} in {to}{problem}")


def _files(sources: list[Path], suffixes: tuple[str, ...], failures: Failures) -> Iterator[Path]:
    """Yield the files, and those of the format in the folders."""
    for source in sources:
        if not source.is_dir():
            yield source
            continue
        found = sorted(path for path in source.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
        if not found:
            failures.add(InputError(f"{source}: no file {' or '.join('*' + suffix for suffix in suffixes)}"))
        yield from found

"""A malformed file raises an error of one line with file, line and column, after the well-formed items before it."""

import pickle

import pytest

from corpora import (
    CorpusError,
    Vocabulary,
    read_conllu,
    read_labelled,
    read_listops,
    read_sick,
    read_sst,
    read_trees,
    read_vectors,
    text,
)
from corpora.vectors import vector_words


def row(name, word, head, relation="dep"):
    return f"{name}\t{word}\t_\t_\t_\t_\t{head}\t{relation}\t_\t_\n"


def counted_trees(path):
    return read_trees(path, expect=(2, 3))


def counted_sst(path):
    return read_sst(path, expect=(1, 5))


def known_labels(path):
    return read_labelled(path, Vocabulary(["good", "bad"], unknown=None))


def load(path):
    return iter(Vocabulary.load(path))


def vectors(path):
    return iter(read_vectors(path, ["the", "a b", "wörd"]))


GOOD = row(1, "Dogs", 2, "nsubj") + row(2, "bark", 0, "root") + "\n"
SICK = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n"
PAIR = "1\tA dog\tA cat\t3.5\tNEUTRAL\n"
HEADER = '{"unknown": null, "specials": 0, "size": 2}\n'
EXPECTED = 'expected {"unknown": word or null, "specials": number, "size": number}'

# Reader, content of the file, number of items before the error, its line and column, its message.
CASES = [
    # Text, in every format.
    (read_trees, "", 0, (1, 1), "no tree in this file"),
    (read_trees, "\n \n", 0, (1, 1), "no tree in this file"),
    (read_trees, "(S a)\n(S b", 1, (2, 1), "this bracket is never closed"),
    (read_trees, "(S é ".encode() + b"\xff)", 0, (1, 6), "not UTF-8 text"),
    (read_trees, b"\xef\xbb\xbf(S \xff)", 0, (1, 4), "not UTF-8 text"),
    (read_trees, "(S a)".encode("utf-16"), 0, (1, 1), "not UTF-8 text"),
    (read_trees, "(S a)\n".encode("utf-16-le"), 0, (1, 2), "a NUL character"),
    (read_trees, "(S a)\n(S \0b)", 1, (2, 4), "a NUL character"),
    (read_trees, "(S a)\n(S b)\r(S c)\n", 1, (2, 6), "a carriage return without a line feed"),
    (read_trees, "(S a)\r\n(S b)\r", 1, (2, 6), "a carriage return without a line feed"),
    (
        read_trees,
        "(S a)\n(S " + "b" * 10_001 + ")",
        1,
        (2, 4),
        "a word of 10,001 characters (limit: 10,000)",
    ),
    (read_trees, "(S a)\n" + " " * text.LINE_LIMIT + "\n", 1, (2, 1), "a line of more than 16,777,216 bytes"),
    # Brackets.
    (read_trees, "(S a)\n(S (NP b)\n", 1, (2, 1), "this bracket is never closed"),
    (read_trees, "(S a)\n(S (NP (N b", 1, (2, 8), "this bracket is never closed"),
    (read_trees, "(S a) )", 1, (1, 7), "')' outside of any tree"),
    (read_trees, "(S a)\n  b (S c)", 1, (2, 3), "'b' outside of any tree"),
    (read_trees, "(S a)\n\ufeff(S b)", 1, (2, 1), r"'\ufeff' outside of any tree"),
    (read_trees, r"(S a\)", 0, (1, 1), "this bracket is never closed"),
    (read_trees, "(S (\x1b[31m ) a)", 0, (1, 4), r"the phrase (\x1b[31m) has no words"),
    (read_trees, "(S (NP ) a)", 0, (1, 4), "the phrase (NP) has no words"),
    (read_trees, "(S a) ()", 1, (1, 7), "the phrase () has no words"),
    (counted_trees, "(S (N a))\n", 1, (1, 10), "expected trees: 2, nodes: 3; found trees: 1, nodes: 2"),
    # SST.
    (read_sst, "(3 a)\n(3 (5 b) (2 c))\n", 1, (2, 5), "the label '5' is not one of 0, 1, 2, 3, 4"),
    (read_sst, "(3 (-1 a) (2 b))", 0, (1, 5), "the label '-1' is not one of 0, 1, 2, 3, 4"),
    (read_sst, "(٣ a)", 0, (1, 2), "the label '٣' is not one of 0, 1, 2, 3, 4"),
    (read_sst, "(a)", 0, (1, 2), "the label 'a' is not one of 0, 1, 2, 3, 4"),
    (read_sst, "(" + "9" * 99 + " a)", 0, (1, 2), f"the label '{'9' * 37}...' is not one of 0, 1, 2, 3, 4"),
    (read_sst, "(3 a)\n( (3 b))", 1, (2, 1), "this node has no label"),
    (read_sst, "(3 a b)", 0, (1, 1), "expected a word or two nodes below this one, found words: 2, nodes: 0"),
    (read_sst, "(3 (2 a))", 0, (1, 1), "expected a word or two nodes below this one, found words: 0, nodes: 1"),
    (
        read_sst,
        "(3 (2 a) (2 b)\n (2 c))",
        0,
        (1, 1),
        "expected a word or two nodes below this one, found words: 0, nodes: 3",
    ),
    (counted_sst, "(3 (2 a) (2 b))\n", 1, (1, 16), "expected trees: 1, nodes: 5; found trees: 1, nodes: 3"),
    # CoNLL-U.
    (read_conllu, "# only a comment\n\n", 0, (1, 1), "no sentence in this file"),
    (read_conllu, GOOD + "1\tDogs\t_\n", 1, (4, 9), "expected 10 tab-separated columns, found 3"),
    (read_conllu, GOOD + "1 Dogs\n", 1, (4, 7), "expected 10 tab-separated columns, found 1"),
    (read_conllu, row(1, "", 0), 0, (1, 3), "an empty field; an unspecified value is written '_'"),
    (read_conllu, row(1, "b" * 10_001, 0), 0, (1, 3), "a field of 10,001 characters (limit: 10,000)"),
    (read_conllu, GOOD + row(2, "Dogs", 0), 1, (4, 1), "expected the word number 1, found '2'"),
    (read_conllu, GOOD + row("one", "Dogs", 0), 1, (4, 1), "expected the word number 1, found 'one'"),
    (read_conllu, row("2-3", "du", "_"), 0, (1, 1), "the multiword token 2-3 does not begin at the next word, 1"),
    (
        read_conllu,
        row("1-2", "du", "_") + row(1, "de", 0) + "\n",
        0,
        (1, 1),
        "the multiword token 1-2 ends beyond the last word, 1",
    ),
    (read_conllu, row("1-2", "du", "_") + "\n", 0, (1, 1), "a sentence without words"),
    (
        read_conllu,
        row("1-3", "du", "_") + row(1, "de", 0) + row("2-3", "le", "_"),
        0,
        (3, 1),
        "the multiword token 2-3 overlaps 1-3",
    ),
    (read_conllu, row(1, "de", 0) + row("1.2", "x", "_"), 0, (2, 1), "expected the empty node 1.1, found 1.2"),
    (read_conllu, row(1, "de", 0) + row("2.1", "x", "_"), 0, (2, 1), "expected the empty node 1.1, found 2.1"),
    (
        read_conllu,
        "1\tde\t_\t_\t_\tCase=Nom|Plur\t0\troot\t_\t_\n",
        0,
        (1, 21),
        "expected features Name=Value|..., found 'Plur'",
    ),
    (
        read_conllu,
        "1\tde\t_\t_\t_\tCase=\t0\troot\t_\t_\n",
        0,
        (1, 12),
        "expected features Name=Value|..., found 'Case='",
    ),
    (read_conllu, "1\tde\t_\t_\t_\tA=1|A=2\t0\troot\t_\t_\n", 0, (1, 16), "the feature 'A' is there twice"),
    (read_conllu, GOOD + row(1, "Dogs", "_"), 1, (4, 16), "the head '_' is not a number"),
    (read_conllu, GOOD + row(1, "Dogs", -1), 1, (4, 16), "the head '-1' is not a number"),
    (read_conllu, GOOD + row(1, "Dogs", 2), 1, (4, 16), "the head 2 is beyond the last word, 1"),
    (read_conllu, row(1, "a", 0) + row(2, "b", 0), 0, (2, 13), "'b' is a second root"),
    (read_conllu, GOOD + row(1, "a", 1), 1, (4, 13), "the heads form a cycle through 'a'"),
    (
        read_conllu,
        row(1, "a", 0) + row(2, "b", 4) + row(3, "c", 2) + row(4, "d", 3),
        0,
        (2, 13),
        "the heads form a cycle through 'b'",
    ),
    # ListOps.
    (read_listops, "", 0, (1, 1), "no expression in this file"),
    (read_listops, "7\t7\n( [MAX 1 ) ]\n", 1, (2, 13), "expected a value, a tab and an expression, found columns: 1"),
    (read_listops, "x\t7\n", 0, (1, 1), "the value 'x' is not a digit"),
    (read_listops, "7\t\n", 0, (1, 3), "no expression"),
    (read_listops, "7\t7\n3\t( ( [MAX 3 ) 2", 1, (2, 7), "the operator MAX is never closed"),
    (read_listops, "3\t( ( [TOP 3 ) ] )", 0, (1, 7), "'[TOP' is not a digit, operator or bracket"),
    (read_listops, "3\t[MAX 13 ]", 0, (1, 8), "'13' is not a digit, operator or bracket"),
    (read_listops, "3\t[MAX [MIN ] 3 ]", 0, (1, 13), "the operator MIN has no arguments"),
    (read_listops, "3\t]", 0, (1, 3), "']' without an operator to close"),
    (read_listops, "3\t[MAX 3 ] ]", 0, (1, 12), "']' without an operator to close"),
    (read_listops, "3\t3 4", 0, (1, 5), "'4' after the end of the expression"),
    (read_listops, "3\t( ( [MAX 3 ] )", 0, (1, 14), "expected ')', found ']'"),
    (read_listops, "3\t( ( [MAX 3 ) ]", 0, (1, 17), "expected ')', found the end of the line"),
    (read_listops, "3\t( ( [MAX 3 ) ] ) )", 0, (1, 20), "')' after the end of the expression"),
    (read_listops, "3\t( ( [MAX 3 ) ] )\n4\t[MAX 3 ]\n", 1, (2, 1), "expected the value of the expression, 3, found 4"),
    # SICK.
    (read_sick, SICK, 0, (1, 1), "no sentence pair in this file"),
    (read_sick, PAIR, 0, (1, 26), "no column pair_ID in the first line"),
    (
        read_sick,
        SICK.replace("entail", "ent"),
        0,
        (1, 65),
        "no column entailment_judgment or entailment_label in the first line",
    ),
    (read_sick, SICK + PAIR + "2\tA dog\tA c", 1, (3, 12), "expected 5 tab-separated columns, found 3"),
    (read_sick, SICK + PAIR + "2\tA dog\t \t3\tNEUTRAL\n", 1, (3, 9), "an empty sentence"),
    (read_sick, SICK + PAIR + PAIR.replace("3.5", "3,5"), 1, (3, 15), "the relatedness '3,5' is not a number"),
    (read_sick, SICK + PAIR.replace("3.5", "nan"), 0, (2, 15), "expected a relatedness from 1 to 5, found nan"),
    (read_sick, SICK + PAIR.replace("3.5", "5.1"), 0, (2, 15), "expected a relatedness from 1 to 5, found 5.1"),
    (
        read_sick,
        SICK + PAIR + PAIR.replace("NEU", "neu"),
        1,
        (3, 19),
        "the entailment 'neuTRAL' is not one of CONTRADICTION, NEUTRAL, ENTAILMENT",
    ),
    # Labelled sentences.
    (read_labelled, "\n", 0, (1, 1), "no sentence in this file"),
    (read_labelled, "a\tb\nc d\n", 1, (2, 4), "expected a label, a tab and a sentence, found columns: 1"),
    (read_labelled, "a\tb\tc\n", 0, (1, 6), "expected a label, a tab and a sentence, found columns: 3"),
    (read_labelled, "a\tb\n\tc\n", 1, (2, 1), "an empty label"),
    (read_labelled, "a\tb\na\t \n", 1, (2, 3), "an empty sentence"),
    (known_labels, "good\tb\nugly\tb\n", 1, (2, 1), "the label 'ugly' is not one of good, bad"),
    # Vectors.
    (vectors, "", 0, (1, 1), "no vector in this file"),
    (vectors, "word\n", 0, (1, 5), "expected a word and its numbers, found columns: 1"),
    (vectors, "the 1 2\nof 1\n", 0, (2, 5), "expected a word and 2 numbers, found columns: 2"),
    (vector_words, "the 1 2\n\n", 1, (2, 1), "expected a word and 2 numbers, found columns: 0"),
    (vector_words, "the 1 2\na b 1 2\nof 1 2 3\n", 2, (3, 9), "expected a word and 2 numbers, found columns: 4"),
    (vectors, "of 1 2\nwörd 1 x\n", 0, (2, 8), "'x' is not a finite number"),
    (vectors, "of nan 2\na b 1 2\nthe 1 nan\n", 0, (3, 7), "'nan' is not a finite number"),
    (vectors, "the 1e39 2\n", 0, (1, 5), "'1e39' is not a finite number"),
    (vector_words, "the 1 2\nof  1 2\n", 1, (2, 4), "an extra space"),
    (vector_words, "3 2\nthe 1 2\nof 1 2\n", 2, (3, 7), "expected 3 vectors, as in the first line, found 2"),
    # Vocabularies.
    (load, "", 0, (1, 1), "no vocabulary in this file"),
    (load, "the\nboy\n", 0, (1, 1), "invalid JSON: expecting value"),
    (load, "[" * 100_000, 0, (1, 1), "not the JSON of a vocabulary"),
    (load, '["the"]\n', 0, (1, 1), EXPECTED),
    (load, HEADER.replace("2", "-1"), 0, (1, 1), EXPECTED),
    (load, HEADER + '"the"\n"bo', 0, (3, 1), "invalid JSON: unterminated string starting at"),
    (load, HEADER + '"the"\n', 0, (2, 6), "expected 2 words, as in the first line, found 1"),
    (load, HEADER + '"the"\n7\n', 0, (3, 1), "expected a word as a JSON string"),
    (load, '{"unknown": "?", "specials": 0, "size": 0}\n', 0, (1, 43), "the unknown word '?' is missing"),
    (load, HEADER + '"the"\n"the"\n', 0, (3, 1), "the word 'the' is repeated or misplaced"),
    (
        load,
        HEADER.replace("null", '"?"') + '"the"\n"?"\n',
        0,
        (2, 1),
        "the word 'the' is repeated or misplaced",
    ),
]


@pytest.mark.parametrize(("read", "content", "before", "place", "problem"), CASES, ids=range(len(CASES)))
def test_malformed_files_say_where(write, read, content, before, place, problem):
    path = write(content)
    items = []
    with pytest.raises(CorpusError) as caught:
        items.extend(read(path))
    assert str(caught.value) == f"{path}, line {place[0]}, column {place[1]}: {problem}"
    assert "\n" not in str(caught.value)
    assert len(items) == before


def test_errors_survive_a_process_boundary(write):
    with pytest.raises(CorpusError) as caught:
        list(read_trees(write("(S")))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("read", "content"),
    [
        (read_trees, "(S (NP a)\n\n(VP 8\u00a01\\/2))\n(S b)\n"),
        (read_sst, "(3 (2 a) (4 b))\n(2 c)\n"),
        (read_conllu, "# a comment\n" + GOOD + GOOD),
        (read_listops, "3\t( ( [MAX 3 ) ] )\n7\t7\n"),
        (read_sick, SICK + PAIR + PAIR),
        (read_labelled, "good\ta b\n\nbad\tc\n"),
        (vector_words, "2 3\na 1 2 3\nb 4 5 6\n"),
        (load, HEADER + '"the"\n"boy"\n'),
    ],
)
def test_line_ends_and_byte_order_marks_do_not_matter(write, read, content):
    items = list(read(write(content)))
    assert len(items) == 2
    for variant in (
        content.replace("\n", "\r\n"),
        "\ufeff" + content,
        content.rstrip("\n"),
        "\ufeff" + content.replace("\n", "\r\n").rstrip("\r\n"),
    ):
        assert list(read(write(variant))) == items


@pytest.mark.parametrize(
    "read", [read_trees, read_sst, read_conllu, read_listops, read_sick, read_labelled, vector_words]
)
def test_a_missing_file_is_an_oserror(tmp_path, read):
    with pytest.raises(FileNotFoundError):
        next(iter(read(tmp_path / "nowhere")))

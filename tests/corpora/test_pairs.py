import pytest

from corpora import ENTAILMENTS, SentencePair, read_sick
from parsers import InputError

HEADER = "pair_ID\tsentence_A\tsentence_B\tentailment_label\trelatedness_score\tentailment_AB\n"


def test_columns_are_found_by_name(write):
    path = write(HEADER + "6\tA boy sleeps\tNo boy sleeps\tCONTRADICTION\t3.3\tA_contradicts_B\n")
    assert list(read_sick(path)) == [SentencePair("6", "A boy sleeps", "No boy sleeps", 3.3, "CONTRADICTION")]


def test_the_parts_of_the_complete_release(write):
    row = "{}\tA boy sleeps\tNo boy sleeps\tNEUTRAL\t3.3\t-\t{}\n"
    header = HEADER.rstrip("\n") + "\tSemEval_set\n"
    path = write(header + row.format(1, "TRIAL") + row.format(2, "TRAIN") + row.format(3, "TRIAL"))
    assert [pair.name for pair in read_sick(path, "TRIAL")] == ["1", "3"]
    assert [pair.name for pair in read_sick(path)] == ["1", "2", "3"]
    with pytest.raises(InputError, match="no sentence pair of the part TEST in this file"):
        list(read_sick(path, "TEST"))


def test_judgements_have_numbers():
    assert [ENTAILMENTS.index(name) for name in ("CONTRADICTION", "NEUTRAL", "ENTAILMENT")] == [0, 1, 2]


def test_the_published_files(data):
    for name, count in (("train", 4_500), ("trial", 500)):
        path = data / "sick" / f"SICK_{name}.txt"
        lines = path.read_text("ascii").splitlines()[1:]
        pairs = list(read_sick(path))
        assert len(pairs) == count
        for pair, line in zip(pairs, lines, strict=True):
            name, first, second, score, judgement = line.split("\t")
            assert pair == (name, first, second, float(score), judgement)

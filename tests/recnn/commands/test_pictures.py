"""Pictures from the command line."""

from xml.etree import ElementTree

from tests.command_line import recnn, unframed

DUCK = "The boy saw her duck"


def texts(path):
    return [element.text for element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def test_readings_of_sentences(tmp_path):
    status, out, err = recnn("parse", "--parser", "duck", "--all", DUCK, "--picture", "duck.svg", cwd=tmp_path)
    assert (status, out, err) == (0, "", "")
    found = texts(tmp_path / "duck.svg")
    assert [text for text in found if text in DUCK.split()] == 2 * DUCK.split()
    assert [text for text in found if text.startswith("parse")] == [
        "parse 0, probability 0.00288, parser duck",
        "parse 1, probability 0.00212, parser duck",
    ]
    assert recnn("parse", "--parser", "duck", DUCK, "--picture", "duck.html", cwd=tmp_path)[0] == 0
    assert (tmp_path / "duck.html").read_text("utf-8").count(">duck<") == 1


def test_states_are_printed_and_drawn(tmp_path):
    printed = recnn("encode", "--parser", "duck", DUCK)
    assert recnn("encode", "--parser", "duck", DUCK, "--picture", tmp_path / "duck.svg") == printed
    found = texts(tmp_path / "duck.svg")
    assert found.count("duck") == 2
    assert found.count("norm of the state:") == 2


def test_confusion_of_a_model(run, tmp_path):
    status, out, err = recnn("evaluate", run, "dev", "--confusion", tmp_path / "table.png")
    assert (status, err) == (0, "")
    assert out == recnn("evaluate", run, "dev")[1]
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")
    status, out, err = recnn("evaluate", run, "dev", "--confusion", tmp_path / "table.gif")
    assert status == 1
    assert err.endswith("table.gif: expected a file name that ends in .png, .svg or .pdf\n")


def test_what_does_not_go_together(tmp_path):
    for arguments, message in (
        (["parse", "--json", DUCK], "cannot be combined with --json"),
        (["parse", "--input", "a", "--out", "b"], "it takes no sentences, --all, --limit, --score or --picture"),
        (["parse", "--score", "a.txt"], "it takes no sentences, --all, --limit, --tokens or --picture"),
    ):
        status, _, err = recnn(*arguments, "--picture", tmp_path / "a.svg")
        assert status == 2
        assert message in unframed(err)
    status, out, err = recnn("parse", "--parser", "duck", "nothing", "--picture", tmp_path / "a.svg")
    assert (status, out) == (1, "")
    assert not (tmp_path / "a.svg").exists()

"""Pictures are valid, show everything, and can be told apart by everyone."""

import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from nltk import Tree

import parsers
import recnn
from parsers import InputError, TreeError
from recnn.draw import ColourScale, Drawing, picture, side_by_side, tree_to_drawing
from recnn.draw.colours import STEPS, contrast, palette, scale_colours, step_of
from recnn.draw.marks import shown, text_width
from tests.strategies import awkward_trees, deep_tree, trees

SVG = "{http://www.w3.org/2000/svg}"
LAYOUTS = ("upright", "sideways")
TREE = Tree.fromstring("(S (NP (D the) (N duck)) (VP (V swam) (ADV away)))")


def parsed(drawn, theme="auto"):
    return ElementTree.fromstring(drawn.svg(theme).encode())


def texts(drawn):
    return [element.text for element in parsed(drawn).iter(f"{SVG}text")]


def dependency_tree():
    heads, relations = [2, 3, 0, 5, 3], ["det", "nsubj", "root", "poss", "obj"]
    return parsers.tree_from_dependencies(["The", "boy", "saw", "her", "duck"], heads, relations)


def chain(values=(), gates=()):
    return Drawing([[], [0], [1]], [None] * 3, ["a", "little", "duck"], values=values, gates=gates)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pictures_hold_every_label_and_word(layout):
    tree = Tree.fromstring("(S (NP (Det R&D) (Noun <b>)) (VP slept) now)")
    assert sorted(texts(picture(tree, layout))) == sorted(
        ["S", "NP", "Det", "R&D", "Noun", "<b>", "VP", "slept", "now"]
    )


@given(awkward_trees())
@settings(max_examples=50)
def test_a_picture_of_any_tree_is_xml(tree):
    drawing = tree_to_drawing(tree)
    labels = [label.replace("\n", " ") for label in drawing.labels if label]
    expected = sorted(map(shown, filter(None, [*labels, *drawing.words])))
    for layout in LAYOUTS:
        assert sorted(texts(picture(tree, layout))) == expected


def test_control_characters_are_escaped():
    tree = Tree("S\x00", [Tree("N\x1b[31m", ["a\nb", "\x9b"]), Tree("V\ufffe", ["\ud800", "\uffff"])])
    assert texts(picture(tree)) == [r"S\x00", r"N\x1b[31m", r"a\x0ab", r"\x9b", r"V\ufffe", r"\ud800", r"\uffff"]


def boxes(drawn):
    """Centre, estimated width and height of the texts of a picture."""
    for element in parsed(drawn).iter(f"{SVG}text"):
        size = float(element.get("font-size"))
        width = text_width(element.text, size)
        x = float(element.get("x")) + (width / 2 if element.get("text-anchor") == "start" else 0)
        yield x, float(element.get("y")), width, size


@given(trees())
def test_texts_do_not_touch_and_words_are_on_one_line(tree):
    for layout, along in (("upright", 0), ("sideways", 1)):
        drawn = picture(tree, layout)
        places = list(boxes(drawn))
        for index, (x, y, width, size) in enumerate(places):
            for a, b, other, high in places[:index]:
                assert abs(x - a) >= (width + other) / 2 - 0.2 or abs(y - b) >= max(size, high) - 0.2
            assert x - width / 2 >= 0
            assert x + width / 2 <= drawn.width
            assert y - size >= 0
            assert y <= drawn.height
        words = [place for place in places if place[3] == 14]
        assert len(words) == len(tree.leaves())
        if along == 0:
            assert len({y for _, y, _, _ in words}) == 1
            assert [x for x, *_ in words] == sorted(x for x, *_ in words)
        else:
            assert len({round(x - width / 2) for x, _, width, _ in words}) == 1
            assert [y for _, y, *_ in words] == sorted(y for _, y, *_ in words)


def test_widths_are_estimated_from_above():
    """Compared with DejaVu Sans, which matplotlib has with it."""
    matplotlib = pytest.importorskip("matplotlib")
    from matplotlib.ft2font import FT2Font

    font = FT2Font(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf")
    font.set_size(100, 72)

    def width(text):
        return sum(font.load_char(ord(letter)).linearHoriAdvance for letter in text) / 65536 / 100

    for text in [
        "Although the committee had promised",
        "WHADVP",
        "PRP$",
        "illicit",
        "MMWW",
        "_heapreplace_max",
        "x==y",
    ]:
        assert width(text) <= text_width(text, 1) <= 1.3 * width(text), text
    assert text_width("鴨", 10) == 10
    assert text_width("e\u0301", 10) == text_width("e", 10)


def test_wide_trees_are_turned():
    words = [f"word{index}" for index in range(50)]
    tree = Tree("S", [Tree("X", [word]) for word in words])
    assert picture(tree).width < 1400 < picture(tree, "upright").width
    assert picture(tree, width=10_000).svg() == picture(tree, "upright").svg()
    heads = [2, 0, *[2] * 48]
    sentence = parsers.tree_from_dependencies(words, heads, ["dep"] * 50)
    assert picture(sentence).svg() == picture(sentence, "outline").svg()
    assert [text for text in texts(picture(sentence)) if text != "dep"] == words
    assert picture(dependency_tree()).svg() == picture(dependency_tree(), "arcs").svg()


@pytest.mark.parametrize("layout", ["arcs", "outline"])
def test_words_of_dependencies_are_in_order(layout):
    tree = dependency_tree()
    found = texts(picture(tree, layout))
    assert [word for word in found if word in tree.leaves()] == tree.leaves()
    assert sorted(found) == sorted([*tree.leaves(), "det", "nsubj", "root", "poss", "obj"])
    notes = [title.text for title in parsed(picture(tree, "arcs")).iter(f"{SVG}title")]
    assert notes == ["boy → The", "saw → boy", "duck → her", "saw → duck"]


def test_chains():
    drawn = picture(chain(values=[1.0, 2.0, 4.0], gates=[0.25, 1.0, None]))
    assert texts(drawn)[:6] == ["h₁", "a", "h₂", "little", "h₃", "duck"]
    titles = {path.findtext(f"{SVG}title"): path for path in parsed(drawn).iter(f"{SVG}path")}
    narrow, wide = (float(titles[f"gate {gate}"].get("stroke-width")) for gate in ("0.250", "1.000"))
    assert narrow == pytest.approx(0.6 + 4.4 / 4, abs=0.06)
    assert wide == pytest.approx(5.0)
    rows = picture(chain(), width=120)
    assert rows.height > 2 * drawn.height - 40
    assert rows.width < drawn.width
    graph = recnn.sequence_to_graph(["a", "little", "duck"])
    assert picture(recnn.graph_to_drawing(graph)).svg() == picture(chain()).svg()


def test_a_deep_tree():
    drawn = picture(deep_tree(3000))
    assert texts(drawn) == ["X"] * 3000 + ["word"]
    assert len(list(parsed(picture(deep_tree(3000), "sideways")).iter(f"{SVG}path"))) == 2999


def test_nodes_are_those_of_the_graph():
    for tree in (TREE, dependency_tree()):
        graph = recnn.tree_to_graph(tree)
        assert recnn.graph_to_drawing(graph) == tree_to_drawing(tree)
        assert tree_to_drawing(tree).phrases() == [
            " ".join(parsers.words_of(tree)[start - 1 : end]) for start, end in graph.ndata["span"].tolist()
        ]


def test_probabilities_are_under_the_pointer():
    tree = parsers.load("duck").parse("The boy saw her duck")
    notes = [title.text for title in parsed(picture(tree)).iter(f"{SVG}title")]
    assert notes == [f"probability {phrase.prob():.3g}" for phrase in tree.subtrees()]


def test_values_are_colours_with_a_legend():
    values = torch.tensor([-2.0, 2.0, 0.0, 1.0, 0.5, float("nan"), 0.1])
    drawn = picture(TREE, values=values)
    root = parsed(drawn)
    fills = {
        group.findtext(f"{SVG}text"): group.find(f"{SVG}rect").get("fill")
        for group in root.iter(f"{SVG}g")
        if group.find(f"{SVG}rect") is not None and group.find(f"{SVG}text") is not None
    }
    colours = scale_colours("light")
    assert (fills["S"], fills["NP"], fills["VP"]) == (colours[0], colours[-1], colours[STEPS // 2])
    assert "V" not in fills  # NaN
    assert texts(drawn)[-3:] == ["value:", "-2", "2"]
    named = picture(TREE, values=values, scale=ColourScale("sentiment", -1, 1, ("negative", "positive")))
    assert texts(named)[-3:] == ["sentiment:", "negative", "positive"]
    positive = picture(TREE, values=[1.0] * 7)
    assert texts(positive)[-3:] == ["value:", "0", "1"]


def test_themes():
    drawn = picture(TREE, values=[0.5] * 7)
    light, dark, auto = (drawn.svg(theme) for theme in ("light", "dark", "auto"))
    assert "<style" not in light + dark
    assert palette("dark")["paper"]["fill"] in dark
    assert palette("dark")["paper"]["fill"] not in light
    style = ElementTree.fromstring(auto).findtext(f"{SVG}style")
    assert style.startswith("@media (prefers-color-scheme:dark)")
    # What the style does to the light picture is the dark picture.
    rules = dict(re.findall(r"\.recnn-auto \.recnn-(\w+)\{([^}]*)\}", style))
    root = ElementTree.fromstring(auto)
    for element in root.iter():
        for name in re.findall(r"recnn-(\w+)", element.get("class", "")):
            for rule in rules.get(name, "").split(";"):
                if rule:
                    element.set(*rule.split(":"))
    wanted = [(e.tag, e.get("fill"), e.get("stroke")) for e in ElementTree.fromstring(dark).iter()]
    assert [(e.tag, e.get("fill"), e.get("stroke")) for e in root.iter() if not e.tag.endswith("style")] == wanted
    with pytest.raises(InputError, match="expected a theme of auto, light or dark, got 'sepia'"):
        drawn.svg("sepia")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_have_contrast(theme):
    colours = palette(theme)
    for name, on in [("word", "paper"), ("label", "paper"), *((f"on{k}", f"step{k}") for k in range(STEPS))]:
        assert contrast(colours[name]["fill"], colours[on]["fill"]) >= 4.5, name


# What dichromats see of linear RGB: Viénot, Brettel and Mollon, 1999.
DICHROMATS = {
    "deuteranope": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    "protanope": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
}
XYZ = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("seen", DICHROMATS.values(), ids=DICHROMATS)
def test_all_steps_are_told_apart_by_colour_blind_people(theme, seen):
    """By a distance of 10 in CIELAB, where 2.3 is just noticeable."""
    rgb = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in scale_colours(theme)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ np.array(seen).T, 0, 1) @ XYZ.T / XYZ.sum(1)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116).T
    lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
    distances = np.linalg.norm(lab[:, None] - lab, axis=-1)[np.triu_indices(STEPS, 1)]
    assert distances.min() > 10


def test_steps_of_values():
    assert [step_of(value, 2.0) for value in (-9, -2, 0, 0.1, 2, 9)] == [0, 0, 4, 4, 8, 8]
    assert step_of(0.0, 0.0) == 4


def test_readings_side_by_side_and_below():
    trees = list(parsers.load("duck").parses("The boy saw her duck"))
    one, two = map(picture, trees)
    both = side_by_side([one, two], ["first", "second <1>"])
    assert both.width == one.width + two.width
    assert texts(both) == ["first", *texts(one), "second <1>", *texts(two)]
    below = side_by_side([one, two], width=one.width + 1)
    assert (below.width, below.height) == (max(one.width, two.width), one.height + two.height)
    assert one.svg() == picture(trees[0]).svg()  # left as it was
    for pictures, captions, message in (
        ([], (), "there are no pictures"),
        ([one], ["a", "b"], "expected 1 captions, got 2"),
    ):
        with pytest.raises(InputError, match=message):
            side_by_side(pictures, captions)


def test_long_words_are_cut_and_shown_whole_under_the_pointer():
    word = "a" * 50 + "z" * 50
    drawn = picture(Tree("S", [Tree("N", [word]), "b"]))
    assert word not in texts(drawn)
    assert [title.text for title in parsed(drawn).iter(f"{SVG}title")] == [f"N\n{word}"]


def test_files(tmp_path):
    drawn = picture(Tree("S", [Tree("N", ["<duck>"])]))
    drawn.save(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text("utf-8") == drawn.svg() == drawn._repr_svg_()
    drawn.save(tmp_path / "a.html", "dark")
    page = (tmp_path / "a.html").read_text("utf-8")
    assert drawn.svg("dark") in page
    assert "<title>&lt;duck&gt;</title>" in page
    assert not re.search(r"(href|src)=|url\(|<script", page)
    with pytest.raises(InputError, match=r"a\.gif: expected a file name that ends in \.svg, \.html, \.png or \.pdf"):
        drawn.save(tmp_path / "a.gif")
    with pytest.raises(FileNotFoundError):
        drawn.save(tmp_path / "none" / "a.svg")


def test_png_and_pdf(tmp_path):
    try:
        import cairosvg  # noqa: F401
    except (ImportError, OSError) as error:  # the package, or its library
        pytest.skip(str(error))
    drawn = picture(TREE, values=[0.5] * 7)
    drawn.save(tmp_path / "a.png")
    drawn.save(tmp_path / "a.pdf")
    data = (tmp_path / "a.png").read_bytes()
    assert data[:4] == b"\x89PNG"
    size = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    assert size == pytest.approx((2 * drawn.width, 2 * drawn.height), abs=2)
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    image = pytest.importorskip("matplotlib.image").imread(tmp_path / "a.png")
    on = image[(2 * 40) : (2 * 60), :, :3].reshape(-1, 3)  # has an edge, fields and their texts
    assert len(np.unique(on.round(1), axis=0)) > 5


def test_without_cairosvg(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cairosvg", None)
    with pytest.raises(InputError, match=r"this needs cairosvg, which is not installed: pip install 'recnn\[draw\]'"):
        picture(TREE).save(tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1], []], ["S"], [None, "a"]), "expected labels of 2 nodes, got 1"),
        (([[1], []], ["S", "A"], [None, "a"], None, [1.0]), "expected values of 2 nodes, got 1"),
        (([[2], []], ["S", "A"], [None, "a"]), r"node 0 has the child 2, but the nodes are 0\.\.1"),
        (([[], []], ["S", "A"], ["b", "a"]), "expected a tree with one root, got 2"),
        (([[], [2], [1]], ["S", "A", "B"], [None] * 3), "2 nodes form a cycle"),
        (([[1, 2], [2], []], ["S", "A", "B"], [None] * 3), "node 2 has two parents"),
        (([], [], []), "a tree without nodes"),
    ],
)
def test_what_is_no_tree(arguments, message):
    with pytest.raises(TreeError, match=message):
        Drawing(*arguments)


def test_layouts_that_do_not_fit():
    for tree, layout, message in (
        (TREE, "round", "expected a layout of auto, upright, .* got 'round'"),
        (TREE, "arcs", "the layout 'arcs' is for dependency trees"),
        (TREE, "chain", "the layout 'chain' is for trees with a word at every node"),
    ):
        with pytest.raises(InputError, match=message):
            picture(tree, layout)
    with pytest.raises(TreeError, match=r"expected an nltk\.Tree, got str"):
        picture("(S a)")


def test_programs_have_words_anywhere():
    drawing = Drawing([[1, 2], [], []], ["Call", "Name", "number"], ["f", "x", 2])
    assert texts(picture(drawing)) == ["Call", "f", "Name", "x", "number", "2"]
    assert drawing.phrases() == ["f x 2", "x", "2"]
    assert texts(picture(Drawing([[1], []], [None, None], [None, None]))) == []

"""Trees of XML and HTML."""

from xml.etree.ElementTree import Element, canonicalize, tostring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import TreeError
from recnn.trees import TypedTree, from_html, from_xml, to_xml

names = st.sampled_from(["a", "b", "svg:path", "é"])
texts = st.text(st.sampled_from("ab <>&\"'\n\t\r]é\u2028"), max_size=6)


@st.composite
def elements(draw, depth=3):
    element = Element(draw(names.filter(lambda name: ":" not in name)), draw(st.dictionaries(names, texts, max_size=2)))
    element.attrib.pop("svg:path", None)
    element.text = draw(texts)
    for child in draw(st.lists(elements(depth - 1), max_size=3)) if depth else []:
        child.tail = draw(texts)
        element.append(child)
    return element


@given(elements())
def test_xml_there_and_back(element):
    """The result is that document for another library."""
    text = tostring(element, encoding="unicode")
    tree = from_xml(text)
    assert canonicalize(to_xml(tree)) == canonicalize(text)
    assert from_xml(to_xml(tree)) == tree
    assert len([label for label in tree.labels if label[0] not in "#@"]) == len(list(element.iter()))


def test_what_else_is_in_a_document():
    text = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e "duck">]><!-- one --><a xmlns:s="urn:x" s:b="1">
      <?target some data?>&e;<![CDATA[<&>]]><s:c/></a>"""
    tree = from_xml(text, remove_blank_text=True)
    assert tree.labels == ("#document", "#comment", "a", "@xmlns:s", "@s:b", "#pi", "#text", "s:c")
    assert tree.words == (None, " one ", None, "urn:x", "1", "target some data", "duck<&>", None)
    assert from_xml(to_xml(tree)) == tree
    assert from_xml("<a>1</a>".encode("utf-16")).words == (None, "1")


def test_text_is_split_into_words():
    tree = from_xml("<a> one two <b/> three</a>", split_text=True)
    assert list(zip(tree.labels, tree.words, strict=True)) == [
        ("a", None), ("#text", "one"), ("#text", "two"), ("b", None), ("#text", "three")
    ]  # fmt: skip


def test_any_depth():
    text = "<a>" * 100_000 + "x" + "</a>" * 100_000
    for read in (from_xml, from_html):
        tree = read(text)
        assert len(tree) == 100_001
        assert to_xml(tree) == text


WRONG = [
    ("<a><b></a>", "line 1, column 9: mismatched tag"),
    ("", "line 1, column 1: no element found"),
    ("<a>\n&x;</a>", "line 2, column 1: undefined entity"),
    ("<a>\ud800</a>", "surrogate|not well-formed"),
    (b'<?xml version="1.0" encoding="none"?><a/>', "unknown encoding"),
]


@pytest.mark.parametrize(("text", "problem"), WRONG, ids=range(len(WRONG)))
def test_what_is_not_xml(text, problem):
    with pytest.raises(TreeError, match=problem):
        from_xml(text)


@pytest.mark.parametrize(
    ("labels", "words"), [(("#text",), (None,)), (("@a",), ("x",)), (("a",), ("x",)), (("",), (None,))]
)
def test_a_tree_of_another_kind(labels, words):
    with pytest.raises(TreeError, match="node 0"):
        to_xml(TypedTree((-1,), labels, words))


PAGES = {
    "<p>one<p>two": "(#document (p one) (p two))",
    "<p>one<div>two</div>": "(#document (p one) (div two))",
    "<a>x<br>y<img src=i></a>": "(a x (br) y (img (@src i)))",
    "<table><tr><td>1<td>2<tr><td>3</table>": "(table (tr (td 1) (td 2)) (tr (td 3)))",
    "<dl><dt>a<dd>b<dt>c</dl>": "(dl (dt a) (dd b) (dt c))",
    "<b>x</i></b>": "(b x)",
    "<b><i>x</b>y": "(#document (b (i x)) y)",
    "<script>if (a<b) c()</script>": "(script if (a<b) c())",
    "<a disabled>&amp;&eacute;": "(a (@disabled) &é)",
    "<a/>x": "(a x)",
    "": "(#document)",
}


@pytest.mark.parametrize("page", PAGES)
def test_html(page):
    assert shown(from_html(page)) == PAGES[page]


def shown(tree, node=0):
    below = tree.children()[node]
    if tree.labels[node] == "#text":
        return tree.words[node]
    own = [] if tree.words[node] is None else [tree.words[node]]
    return "(" + " ".join([tree.labels[node], *own, *(shown(tree, child) for child in below)]) + ")"

"""Trees of rhetorical structure, from two formats."""

import pytest

from parsers.errors import TreeError
from recnn.trees import from_dis, from_rs3

DIS = """( Root (span 1 3)
  ( Nucleus (span 1 2) (rel2par span)
    ( Nucleus (leaf 1) (rel2par span) (text _!The boy (aged 7) saw a duck,_!) )
    ( Satellite (leaf 2) (rel2par elaboration-additional) (text _!which slept._!) ) //TT_ERR
  )
  ( Satellite (leaf 3) (rel2par evaluation) (text _!Fine!<P>_!) )
)
"""
RS3 = """<rst><header><relations><rel name="elaboration" type="rst"/></relations></header><body>
  <segment id="1" parent="10" relname="span">The boy
     saw a duck,</segment>
  <segment id="2" parent="1" relname="elaboration">which slept</segment>
  <segment id="3" parent="11" relname="joint">and</segment>
  <segment id="4" parent="11" relname="joint">left.</segment>
  <group id="11" type="multinuc" parent="10" relname="result"/>
  <group id="10" type="span"/>
</body></rst>"""


def test_dis():
    assert str(from_dis(DIS)).splitlines() == [
        "Root",
        "├── Nucleus:span",
        "│   ├── Nucleus:span: The boy (aged 7) saw a duck,",
        "│   └── Satellite:elaboration-additional: which slept.",
        "└── Satellite:evaluation: Fine!<P>",
    ]


def test_rs3():
    assert str(from_rs3(RS3)).splitlines() == [
        "span",
        "├── segment:span: The boy saw a duck,",
        "│   └── segment:elaboration: which slept",
        "└── multinuc:result",
        "    ├── segment:joint: and",
        "    └── segment:joint: left.",
    ]


def test_any_depth():
    depth = 50_000
    text = "( Root " + "( Nucleus (rel2par span) " * depth + "(text _!x_!)" + ")" * depth + ")"
    assert len(from_dis(text)) == depth + 1
    groups = "".join(f'<group id="{n}" type="span" parent="{n - 1}" relname="span"/>' for n in range(1, depth))
    assert len(from_rs3(f'<rst><body><group id="0" type="span"/>{groups}</body></rst>')) == depth


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (DIS, "", "there is no tree"),
        ("\n)\n", "\n", "a bracket is never closed"),
        ("\n)\n", "\n))", r"line 7, column 2: a bracket that was not opened"),
        ("(leaf 3)", "(page 3)", "line 6, column 22: expected a property of a unit, found 'page'"),
        ("( Root", "( Nucleus (rel2par x)) ( Root", "line 1, column 26: a Root in a place where there can be none"),
    ],
)
def test_what_is_no_dis(old, new, problem):
    assert old in DIS
    with pytest.raises(TreeError, match=problem):
        from_dis(DIS.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("</rst>", "", "no element found"),
        ("body", "text", "with a 'body'"),
        ('id="2"', 'id="1"', "two nodes have the id '1'"),
        ('parent="1"', 'parent="7"', "the parent '7' of node '2' does not exist"),
        (' parent="1"', "", "expected one node without a parent, got 2: 2, 10"),
        ('id="11" type="multinuc" parent="10"', 'id="11" type="multinuc" parent="3"', "form a cycle"),
    ],
)
def test_what_is_no_rs3(old, new, problem):
    assert old in RS3
    with pytest.raises(TreeError, match=problem):
        from_rs3(RS3.replace(old, new))

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk import Tree

from parsers import TreeError, tree_from_dependencies, words_of


@given(st.data())
def test_the_phrases_are_the_dependents_of_each_head(data):
    order = data.draw(st.permutations(range(1, data.draw(st.integers(1, 9)) + 1)))
    heads = {word: data.draw(st.sampled_from(order[:i])) if i else 0 for i, word in enumerate(order)}
    words = [str(i) for i in sorted(heads)]
    tree = tree_from_dependencies(words, [heads[i] for i in sorted(heads)])
    for phrase in tree.subtrees():
        (own,) = [child for child in phrase if isinstance(child, str)]
        for child in phrase:
            if isinstance(child, Tree):
                (below,) = [word for word in child if isinstance(word, str)]
                assert heads[int(below)] == int(own)
        dependents = [int(next(w for w in child if isinstance(w, str))) for child in phrase if isinstance(child, Tree)]
        assert dependents == sorted(dependents)
    assert sorted(words_of(tree)) == sorted(words)


@pytest.mark.parametrize(
    ("words", "heads", "message"),
    [
        ([], [], "a sentence without words"),
        (["a"], [0, 1], "words: 1, heads: 2, relations: 1; expected as many of each"),
        (["a", "b"], [0, 3], "word 2: the head 3 is beyond the last word, 2"),
        (["a", "b"], [0, -1], "word 2: the head -1 of 'b' is negative"),
        (["a", "b"], [0, 0], "word 2: 'b' is a second root"),
        (["a", "b", "c"], [0, 3, 2], "word 2: the heads form a cycle through 'b'"),
        (["a"], [1], "word 1: the heads form a cycle through 'a'"),
    ],
)
def test_heads_that_are_no_tree_name_the_word(words, heads, message):
    with pytest.raises(TreeError) as caught:
        tree_from_dependencies(words, heads)
    assert str(caught.value) == message

"""Places of nodes, arcs and labels: in order, centred, and apart."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recnn.draw.layout import arcs, labels_beside, levels, preorder, spread, wrapped


@st.composite
def sized_trees(draw):
    """Children and sizes of nodes in any numbering, of any shape."""
    size = draw(st.integers(1, 25))
    names = draw(st.permutations(range(size)))
    children = [[] for _ in range(size)]
    for place in range(1, size):
        children[names[draw(st.integers(0, place - 1))]].append(names[place])
    return children, draw(st.lists(st.integers(0, 300), min_size=size, max_size=size))


def descendants(children, node):
    return [node, *(below for child in children[node] for below in descendants(children, child))]


@given(sized_trees(), st.booleans())
def test_children_are_centred_in_order_and_apart(tree, aligned):
    children, sizes = tree
    centre, level = spread(children, sizes, 5), levels(children, aligned)
    for node, below in enumerate(children):
        if below:
            assert centre[node] == pytest.approx((centre[below[0]] + centre[below[-1]]) / 2)
        for one, other in pairwise(below):  # all of one subtree is left of all of the next
            right = max(centre[part] + sizes[part] / 2 for part in descendants(children, one))
            left = min(centre[part] - sizes[part] / 2 for part in descendants(children, other))
            assert right + 5 <= left + 1e-6
    for one, other in combinations(range(len(children)), 2):
        if level[one] == level[other]:
            assert abs(centre[one] - centre[other]) >= (sizes[one] + sizes[other]) / 2 + 5 - 1e-6
    assert min(place - size / 2 for place, size in zip(centre, sizes, strict=True)) == pytest.approx(0)


@given(sized_trees())
def test_levels(tree):
    children, _ = tree
    order = preorder(children)
    assert order == descendants(children, order[0])
    top_down, bottom_up = levels(children, False), levels(children, True)
    assert top_down[order[0]] == bottom_up[order[0]] == 0
    for node, below in enumerate(children):
        assert all(top_down[child] == top_down[node] + 1 for child in below)
        if below:
            assert min(bottom_up[child] for child in below) == bottom_up[node] + 1
        else:
            assert bottom_up[node] == max(bottom_up)


def test_as_deep_as_one_likes():
    children = [[node + 1] for node in range(99_999)] + [[]]
    assert levels(children, True)[-1] == levels(children, False)[-1] == 99_999
    assert set(spread(children, [10.0] * 100_000, 5.0)) == {5.0}


@st.composite
def sentences(draw):
    """Heads, widths of words and of labels: any dependency tree, projective or not."""
    order = draw(st.permutations(range(draw(st.integers(1, 12)))))
    heads = [-1] * len(order)
    for place, word in enumerate(order[1:], 1):
        heads[word] = order[draw(st.integers(0, place - 1))]
    sizes = st.lists(st.integers(0, 90), min_size=len(order), max_size=len(order))
    return heads, draw(sizes), draw(sizes)


@given(sentences())
def test_arcs_have_room_for_words_and_labels(sentence):
    heads, widths, labels = sentence
    centres, found = arcs(widths, heads, labels, 10)
    for (x, width), (y, other) in pairwise(zip(centres, widths, strict=True)):
        assert y - x >= (width + other) / 2 + 10 - 1e-6
    spans = [sorted((arc.start, arc.end)) for arc in found]
    for word, head in enumerate(heads):
        if head >= 0:
            assert spans[word][1] - spans[word][0] >= labels[word] + 10 - 1e-6
    for one, other in combinations(range(len(heads)), 2):
        (a, b), (c, d) = spans[one], spans[other]
        if found[one].level == found[other].level:
            assert b < c or d < a
        if heads[one] >= 0 <= heads[other] and not cross(sorted((one, heads[one])), sorted((other, heads[other]))):
            lower, upper = sorted((one, other), key=lambda word: found[word].level)
            feet = (found[upper].start, found[upper].end)
            assert not any(spans[lower][0] <= foot <= spans[lower][1] for foot in feet)


def cross(one, other):
    return one[0] < other[0] < one[1] < other[1] or other[0] < one[0] < other[1] < one[1]


def test_arcs_of_a_sentence():
    centres, found = arcs([20, 20, 20], [1, -1, 1], [30, 0, 10], 10)
    assert centres == sorted(centres)
    assert [arc.level for arc in found] == [1, 2, 1]
    assert found[1].start == found[1].end == centres[1]
    assert found[0].start < centres[1] < found[2].start


@given(st.lists(st.integers(1, 80), min_size=1, max_size=30), st.integers(50, 300))
def test_rows_are_filled_in_order(widths, limit):
    places = wrapped(widths, 7, limit)
    for index, ((row, x), width) in enumerate(zip(places, widths, strict=True)):
        assert x + width / 2 <= limit or x == width / 2
        if index and places[index - 1][0] == row:
            assert x - width / 2 == pytest.approx(places[index - 1][1] + widths[index - 1] / 2 + 7)
        elif index:
            assert row == places[index - 1][0] + 1
            assert places[index - 1][1] + widths[index - 1] / 2 + 7 + width > limit


coordinates = st.integers(0, 200)


@given(st.lists(st.tuples(coordinates, coordinates, st.integers(1, 80)), max_size=15))
def test_labels_cover_no_point_and_no_label(points):
    found = labels_beside([(x, y) for x, y, _ in points], [(width, 12) for _, _, width in points], 6)
    boxes = [(*place, width, 12) for place, (_, _, width) in zip(found, points, strict=True) if place is not None]
    for (x, y, width, height), (a, b, other, high) in combinations(boxes, 2):
        assert abs(x - a) >= (width + other) / 2 - 1e-6 or abs(y - b) >= (height + high) / 2 - 1e-6
    for x, y, width, height in boxes:
        assert not any(abs(x - a) < width / 2 and abs(y - b) < height / 2 for a, b, _ in points)
    if len(set(points)) == 1:
        assert found[0] is not None

import random
from itertools import pairwise
from typing import NamedTuple

import dgl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import recnn
from recnn.graphs.schedule import chains, schedule

each_direction = pytest.mark.parametrize("direction", ["up", "down"])
FIELDS = ("order", "rank", "tree", "parent", "slot")


class Forest(NamedTuple):
    graph: dgl.DGLGraph
    parent: list  # of each node, -1 for a root
    slot: list

    def depth(self, node):
        return 0 if self.parent[node] < 0 else 1 + self.depth(self.parent[node])

    def root(self, node):
        return node if self.parent[node] < 0 else self.root(self.parent[node])

    @property
    def roots(self):
        return [node for node, above in enumerate(self.parent) if above < 0]

    @property
    def nodes(self):
        return range(len(self.parent))


def forest_of(parent, slot, rng):
    edges = [(child, above, slot[child]) for child, above in enumerate(parent) if above >= 0]
    rng.shuffle(edges)
    child, above, place = torch.tensor(edges, dtype=torch.int64).view(-1, 3).T
    graph = dgl.graph((child, above), num_nodes=len(parent))
    graph.edata["slot"] = place
    return Forest(graph, parent, slot)


def renumbered(parent, slot, rng):
    number = list(range(len(parent)))
    rng.shuffle(number)
    new_parent, new_slot = [-1] * len(parent), [0] * len(parent)
    for node, above in enumerate(parent):
        new_parent[number[node]] = number[above] if above >= 0 else -1
        new_slot[number[node]] = slot[node]
    return new_parent, new_slot


@st.composite
def random_forests(draw):
    """Batches of trees or chains, with gaps between slots, and nodes and edges in any order."""
    sizes = draw(st.lists(st.integers(1, 12), min_size=1, max_size=5))
    shape = draw(st.sampled_from(["any", "chain", "flat", "binary"]))
    whole, gaps = draw(st.booleans()), draw(st.booleans())
    rng = random.Random(draw(st.integers(0, 2**32)))
    parent, slot = [], []
    for size in sizes:
        above = {
            "any": lambda node: rng.randrange(node),
            "chain": lambda node: node - 1,
            "flat": lambda node: 0,
            "binary": lambda node: (node - 1) // 2,
        }[shape]
        own = [-1] + [above(node) for node in range(1, size)]
        free = {
            node: rng.sample(range(size + 2), size + 2) if gaps else list(range(size))[::-1] for node in range(size)
        }
        own_slot = [0] + [free[node].pop() for node in own[1:]]
        if not whole:
            own, own_slot = renumbered(own, own_slot, rng)
        parent += [node + len(slot) if node >= 0 else -1 for node in own]
        slot += own_slot
    if whole:
        parent, slot = renumbered(parent, slot, rng)
    return forest_of(parent, slot, rng)


def rows_of(rows):
    return list(range(rows.start, rows.stop)) if isinstance(rows, slice) else rows.tolist()


@given(random_forests())
def test_levels_are_distances_from_the_root(forest):
    made = schedule(forest.graph)
    order = made.order.tolist()
    assert sorted(order) == list(forest.nodes)
    assert made.offsets[0] == 0
    assert made.offsets[-1] == len(order)
    for depth, (begin, end) in enumerate(pairwise(made.offsets)):
        assert begin < end
        assert {forest.depth(node) for node in order[begin:end]} == {depth}


@given(random_forests())
def test_each_row_knows_its_node_parent_slot_and_tree(forest):
    made = schedule(forest.graph)
    order, parent = made.order.tolist(), made.parent.tolist()
    assert [order[row] for row in made.rank.tolist()] == list(forest.nodes)
    assert [made.rank.tolist()[node] for node in order] == list(forest.nodes)
    assert [order[row] if row >= 0 else -1 for row in parent] == [forest.parent[node] for node in order]
    assert made.slot.tolist() == [forest.slot[node] for node in order]
    assert made.tree.tolist() == [forest.roots.index(forest.root(node)) for node in order]
    assert made.trees == len(forest.roots)


@given(random_forests())
def test_siblings_stand_together_by_slot_and_trees_by_height(forest):
    made = schedule(forest.graph)
    order = made.order.tolist()
    for begin, end in pairwise(made.offsets[1:]):
        places = list(zip(made.parent[begin:end].tolist(), made.slot[begin:end].tolist(), strict=True))
        assert places == sorted(set(places))
    height = [max(forest.depth(node) for node in forest.nodes if forest.root(node) == root) for root in forest.roots]
    expected = sorted(forest.roots, key=lambda root: -height[forest.roots.index(root)])
    assert order[: made.trees] == expected


@each_direction
@settings(deadline=None)
@given(forest=random_forests())
def test_steps_compute_each_node_once_after_its_predecessors(direction, forest):
    made = schedule(forest.graph)
    plan, parent = made.plan(direction), made.parent.tolist()
    before = {row: [] for row in range(len(parent))}  # (slot, predecessor) of each row
    for row, above in enumerate(parent):
        if above >= 0:
            ends = (above, row) if direction == "up" else (row, above)
            before[ends[0]].append((made.slot[row].item(), ends[1]))
    levels = {begin: list(range(begin, end)) for begin, end in pairwise(made.offsets)}

    assert plan.upward == (direction == "up")
    first, inner_rows = rows_of(plan.sources.nodes), rows_of(plan.inner.nodes)
    assert first == [row for row, edges in before.items() if not edges]
    assert rows_of(plan.sources.predecessors) == [len(parent) + made.tree[row].item() for row in first]
    assert (plan.sources.slot.tolist(), plan.sources.segment.tolist()) == ([0] * len(first), list(range(len(first))))
    assert inner_rows == [row for row, edges in before.items() if edges]
    every = zip(plan.inner.segment.tolist(), plan.inner.slot.tolist(), rows_of(plan.inner.predecessors), strict=True)
    assert [(inner_rows[segment], *edge) for segment, *edge in every] == [
        (row, *edge) for row, edges in before.items() for edge in sorted(edges)
    ]

    beside = plan.split_sources(torch.tensor(first))
    parts = plan.split(torch.tensor(inner_rows))
    assert len(beside) == len(plan.steps) + 1
    assert len(parts) == len(plan.steps)
    done, level = set(beside[0].tolist()), beside[0].tolist()
    for step, inner, sources in zip(plan.steps, parts, beside[1:], strict=True):
        nodes, predecessors = rows_of(step.nodes), rows_of(step.predecessors)
        assert nodes == inner.tolist()
        assert step.size == len(nodes) > 0
        assert not done & set(nodes)
        assert set(predecessors) <= done
        found = list(zip(step.segment.tolist(), step.slot.tolist(), predecessors, strict=True))
        assert found == [(segment, *edge) for segment, row in enumerate(nodes) for edge in sorted(before[row])]
        slots = [[slot for slot, _ in sorted(before[row])] for row in nodes]
        arity = len(slots[0])
        assert step.complete == (arity if slots == [list(range(arity))] * len(nodes) else None)
        assert levels[step.offset] == sorted(level)
        assert step.sources == len(sources)
        together = nodes + sources.tolist()
        level = together if step.merge is None else [together[place] for place in step.merge.tolist()]
        assert level == levels[min(level)]
        done |= set(level)
    assert done == set(forest.nodes)


@each_direction
@settings(deadline=None, max_examples=20)
@given(forest=random_forests())
def test_a_plan_is_copied_to_a_device_once_and_whole(direction, forest):
    made, there = schedule(forest.graph), torch.empty(0, device="meta")
    plan, copy = made.plan(direction), made.plan(direction, there)
    assert made.plan(direction, there) is copy
    assert made.plan(direction, torch.empty(0)) is plan
    assert (copy.upward, len(copy.steps)) == (plan.upward, len(plan.steps))
    for step, moved in zip(
        [plan.sources, plan.inner, *plan.steps], [copy.sources, copy.inner, *copy.steps], strict=True
    ):
        for old, new in zip(step, moved, strict=True):
            if isinstance(old, torch.Tensor):
                assert (new.device.type, new.dtype, new.shape) == ("meta", old.dtype, old.shape)
            else:
                assert new == old
    places = made.on(there)
    assert made.on(there) is places
    for name in ("order", "rank", "tree"):
        assert (getattr(places, name).device.type, len(getattr(places, name))) == ("meta", len(made.order))


def family(slots=(0, 1)):
    graph = dgl.graph(([1, 2], [0, 0]), num_nodes=4)
    graph.edata["slot"] = torch.tensor(slots)
    return graph


def test_a_schedule_is_kept_while_edges_and_slots_stand():
    graph = family()
    made = schedule(graph)
    assert schedule(graph) is made
    assert made.plan("up") is made.plan("up")
    graph.ndata["x"] = torch.ones(4)
    assert schedule(graph) is made
    graph.edata["slot"] = torch.tensor([0, 1])
    assert schedule(graph) is made
    assert schedule(family()) is not made


def change_slots(graph):
    graph.edata["slot"] = torch.tensor([1, 0])


def change_slots_in_place(graph):
    graph.edata["slot"][:] = torch.tensor([1, 0])


def add_an_edge(graph):
    graph.add_edges(3, 0, {"slot": torch.tensor([2])})


def add_a_node(graph):
    graph.add_nodes(1)


def turn_an_edge(graph):
    graph.remove_edges([1])
    graph.add_edges(3, 0, {"slot": torch.tensor([1])})


def take_slots_away(graph):
    del graph.edata["slot"]


@pytest.mark.parametrize(
    ("change", "order"),
    [
        (change_slots, [0, 3, 2, 1]),
        (change_slots_in_place, [0, 3, 2, 1]),
        (add_an_edge, [0, 1, 2, 3]),
        (add_a_node, [0, 3, 4, 1, 2]),
        (turn_an_edge, [0, 2, 1, 3]),
        (take_slots_away, [0, 3, 1, 2]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_schedule_is_made_anew_when_the_graph_changes(change, order):
    graph = family()
    made = schedule(graph)
    assert made.order.tolist() == [0, 3, 1, 2]
    change(graph)
    anew = schedule(graph)
    assert anew is not made
    assert anew.order.tolist() == order
    assert schedule(graph) is anew


@pytest.mark.parametrize(
    ("edges", "slots", "nodes", "message"),
    [
        (([], []), [], 0, "no nodes"),
        (
            ([0, 1, 2], [1, 2, 0]),
            [0, 0, 0],
            3,
            "nodes (0 -> 1 -> 2 -> 0|1 -> 2 -> 0 -> 1|2 -> 0 -> 1 -> 2) form a cycle",
        ),
        (([1, 1, 4], [0, 2, 1]), [0, 0, 0], 5, r"node 1 has several parents: \[0, 2\].*engine='dgl'"),
        (([1, 2, 3], [0, 0, 0]), [0.0, 1.0, 2.0], 4, "graph.edata\\['slot'\\] must be integers, got torch.float32"),
        (([0], [0]), [0], 1, "nodes 0 -> 0 form a cycle"),
        (([3, 2, 1, 0], [2, 3, 0, 3]), [0, 0, 0, 1], 4, "nodes (2 -> 3 -> 2|3 -> 2 -> 3) form a cycle"),
    ],
)
def test_errors_name_the_nodes(edges, slots, nodes, message):
    graph = dgl.graph(tuple(torch.tensor(ends, dtype=torch.int64) for ends in edges), num_nodes=nodes)
    graph.edata["slot"] = torch.tensor(slots) if slots else torch.zeros(0, dtype=torch.int64)
    with pytest.raises(recnn.GraphError, match=message):
        schedule(graph)


@settings(deadline=None)
@given(random_forests())
def test_a_root_hung_below_its_tree_is_found(forest):
    deepest = max(forest.nodes, key=forest.depth)
    root = forest.root(deepest)
    forest.graph.add_edges(root, deepest, {"slot": torch.tensor([99])})
    with pytest.raises(recnn.GraphError, match=rf"\b{root}\b.* form a cycle"):
        schedule(forest.graph)


def test_a_graph_of_32_bit_numbers_is_a_graph_as_well():
    graph, wide = family().int(), family()
    assert graph.idtype == torch.int32
    assert schedule(graph).order.tolist() == schedule(wide).order.tolist()
    cell, x = recnn.RecursiveCell(2, 2), torch.randn(4, 2)
    assert torch.equal(recnn.propagate(cell, graph, x).hidden, recnn.propagate(cell, wide, x).hidden)


@pytest.mark.parametrize("fused", [True, False])
def test_a_chain_of_100000_nodes(fused):
    n, last = 100_000 if fused else 5_000, 500
    time = torch.arange(n)
    graph = dgl.graph((time[:-1], time[1:]))
    made = schedule(graph)
    assert len(made.offsets) == n + 1
    assert torch.equal(made.order, time.flip(0))
    cell = recnn.LSTMCell(1, 2, arity=1, peepholes=not fused)
    x = torch.randn(n, 1, requires_grad=True)
    h = recnn.propagate(cell, graph, x).hidden
    h[-1].sum().backward()
    assert h.isfinite().all()
    # An LSTM forgets: its last state depends, up to rounding, on the last tokens only.
    short = x.detach()[-last:].requires_grad_()
    end = recnn.propagate(cell, dgl.graph((time[: last - 1], time[1:last])), short).hidden[-1]
    end.sum().backward()
    torch.testing.assert_close(h[-1], end)
    torch.testing.assert_close(x.grad[-last:], short.grad)
    assert short.grad[-1].abs() > 0


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_packed_chains_have_the_schedule_of_their_graph(lengths):
    """The graph has the first token of each chain as its root."""
    lengths = sorted(lengths, reverse=True)
    sizes = tuple(sum(length > time for length in lengths) for time in range(lengths[0]))
    begins = [sum(sizes[:time]) for time in range(len(sizes))]
    steps = [(begins[t + 1] + b, begins[t] + b) for b, length in enumerate(lengths) for t in range(length - 1)]
    graph = dgl.graph(tuple(torch.tensor(steps, dtype=torch.int64).view(-1, 2).T), num_nodes=sum(sizes))
    packed, made = chains(sizes), schedule(graph)
    assert packed.offsets == made.offsets
    for name in FIELDS:
        assert torch.equal(getattr(packed, name), getattr(made, name)), name
    for direction in ("up", "down"):
        ours, theirs = packed.plan(direction), made.plan(direction)
        assert rows_of(ours.sources.nodes) == rows_of(theirs.sources.nodes)
        assert rows_of(ours.inner.nodes) == rows_of(theirs.inner.nodes)
        assert len(ours.steps) == len(theirs.steps) == lengths[0] - 1
        for one, other in zip(ours.steps, theirs.steps, strict=True):
            assert (one.size, one.nodes, one.predecessors) == (other.size, other.nodes, other.predecessors)
            assert isinstance(one.nodes, slice)
            assert (one.complete, one.offset, one.sources, one.merge) == (1, other.offset, other.sources, None)

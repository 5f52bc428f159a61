"""Independent solutions of all 30 algorithms, to check an output for an input.

`RIGHT[algorithm](inputs, outputs)` takes one sample's columns by feature name. If several outputs
are right (predecessors on equally good paths, optimal splits), any of them passes. The reference
values come from networkx, SciPy, NumPy, strings, or brute force.
"""

import itertools
import math

import networkx as nx
import numpy as np
from scipy.sparse.csgraph import shortest_path
from scipy.spatial import ConvexHull

CLOSE = 1.0e-4  # inputs are float32


def sorting(given, found):
    predecessor = found["pred"]
    (last,) = set(range(len(predecessor))) - set(np.delete(predecessor, first_of(predecessor)))
    order = [last]
    while predecessor[order[-1]] != order[-1]:
        order.append(predecessor[order[-1]])
    order = order[::-1]
    return sorted(order) == list(range(len(order))) and np.array_equal(
        given["key"][order], np.sort(given["key"])
    )


def first_of(predecessor):
    (first,) = np.flatnonzero(predecessor == np.arange(len(predecessor)))
    return first


def quickselect(given, found):
    key = given["key"]
    wanted = np.sort(key)[len(key) // 2]
    return one(found["median"]) and key[found["median"].argmax()] == wanted


def minimum(given, found):
    return one(found["min"]) and found["min"].argmax() == given["key"].argmin()


def binary_search(given, found):
    place = np.searchsorted(given["key"], given["target"])
    return one(found["return"]) and found["return"].argmax() == min(place, len(given["key"]) - 1)


def maximum_subarray(given, found):
    key = given["key"].astype(float)
    spans = itertools.combinations_with_replacement(range(len(key)), 2)
    best = max(key[a : b + 1].sum() for a, b in spans)
    start, end = found["start"].argmax(), found["end"].argmax()
    return start <= end and math.isclose(key[start : end + 1].sum(), best, abs_tol=CLOSE)


def matrix_chain(given, found):
    p = given["p"].astype(float)
    matrices = len(p) - 1

    def best(first, last):
        if first == last:
            return 0.0
        return min(
            best(first, k) + best(k + 1, last) + p[first - 1] * p[k] * p[last]
            for k in range(first, last)
        )

    def chosen(first, last):
        if first == last:
            return 0.0
        k = int(found["s"][first, last])
        cost = p[first - 1] * p[k] * p[last]
        return chosen(first, k) + chosen(k + 1, last) + cost

    return math.isclose(best(1, matrices), chosen(1, matrices), rel_tol=CLOSE)


def optimal_bst(given, found):
    p, q = given["p"].astype(float), given["q"].astype(float)

    def weight(i, j):
        return p[i:j].sum() + q[i : j + 1].sum()

    def best(i, j):
        if i == j:
            return q[i]
        return min(best(i, r) + best(r + 1, j) for r in range(i, j)) + weight(i, j)

    def chosen(i, j):
        if i == j:
            return q[i]
        r = int(found["root"][i, j])
        return chosen(i, r) + chosen(r + 1, j) + weight(i, j)

    last = len(q) - 1
    return math.isclose(best(0, last), chosen(0, last), rel_tol=CLOSE)


def strings_of(given):
    letters = given["key"].argmax(-1)
    second = given["string"].astype(bool)
    return letters[~second], letters[second]


def lcs(given, found):
    """The table's arrows, followed from its corner, spell a longest common subsequence."""
    x, y = strings_of(given)
    best = max(
        (size for size in range(min(len(x), len(y)) + 1) if has_common(tuple(x), tuple(y), size)),
    )
    arrows = found["b"].argmax(-1)[: len(x), len(x) :]
    i, j, spelt = len(x) - 1, len(y) - 1, []
    while i >= 0 and j >= 0:
        # Categories of the package: 0 diagonal, 1 up, 2 left.
        if arrows[i, j] == 0:
            if x[i] != y[j]:
                return False
            spelt.append(x[i])
            i, j = i - 1, j - 1
        elif arrows[i, j] == 1:
            i -= 1
        else:
            j -= 1
    return len(spelt) == best


def has_common(x, y, size):
    subsequences = set(itertools.combinations(x, size))
    return any(part in subsequences for part in itertools.combinations(y, size))


def matching(given, found):
    """The first match, or the head of the needle if there is none."""
    text, needle = ("".join(map(str, part)) for part in strings_of(given))
    place = text.find(needle)
    return one(found["match"]) and found["match"].argmax() == (len(text) if place < 0 else place)


def activities(given, found):
    """The chosen activities are compatible, and no larger set is."""
    start, finish = given["s"], given["f"]

    def compatible(chosen):
        return all(
            finish[a] <= start[b] or finish[b] <= start[a]
            for a, b in itertools.combinations(chosen, 2)
        )

    chosen = np.flatnonzero(found["selected"])
    every = range(len(start))
    more = itertools.combinations(every, len(chosen) + 1)
    return compatible(chosen) and not any(compatible(other) for other in more)


def tasks(given, found):
    """The greedy choice by weight: heaviest first, a unit task is taken if its deadline is later
    than the number of tasks taken. The set is feasible, but not always the heaviest feasible one
    (see the test in `test_solutions.py`).
    """
    taken = []
    for task in sorted(range(len(given["d"])), key=lambda task: -given["w"][task]):
        if not taken or len(taken) < given["d"][task]:
            taken.append(task)
    chosen = np.flatnonzero(found["selected"])
    return sorted(taken) == chosen.tolist() and on_time(given["d"][chosen])


def on_time(deadlines):
    return all(deadline >= place + 1 for place, deadline in enumerate(sorted(deadlines)))


def graph_of(given, directed=False, weights=False):
    kind = nx.DiGraph if directed else nx.Graph
    graph = kind()
    graph.add_nodes_from(range(len(given["pos"])))
    for a, b in np.argwhere(given["adj"] > 0):
        if a != b:
            graph.add_edge(int(a), int(b), weight=float(given["A"][a, b]) if weights else 1.0)
    return graph


def dfs(given, found):
    """Depth-first search by recursion, neighbours and roots in order of their number."""
    pi = np.arange(len(given["pos"]))
    seen = set()

    def visit(node):
        seen.add(node)
        for other in np.flatnonzero(given["adj"][node]):
            if int(other) not in seen:
                pi[other] = node
                visit(int(other))

    for root in range(len(pi)):
        if root not in seen:
            visit(root)
    return np.array_equal(pi, found["pi"])


def bfs(given, found):
    source = int(given["s"].argmax())
    depth = nx.single_source_shortest_path_length(graph_of(given), source)
    for node, parent in enumerate(found["pi"].tolist()):
        if node == source or node not in depth:
            if parent != node:
                return False
        elif not given["adj"][parent, node] or depth[parent] + 1 != depth[node]:
            return False
    return True


def paths(directed):
    def right(given, found):
        source = int(given["s"].argmax())
        graph = graph_of(given, directed, weights=True)
        length = nx.single_source_dijkstra_path_length(graph, source)
        return tree_is_shortest(graph, found["pi"], source, length)

    return right


def tree_is_shortest(graph, pi, source, length):
    for node, parent in enumerate(map(int, pi)):
        if node == source or node not in length:
            if parent != node:
                return False
        elif not graph.has_edge(parent, node):
            return False
        else:
            reached = length[parent] + graph[parent][node]["weight"]
            if not math.isclose(reached, length[node], abs_tol=CLOSE):
                return False
    return True


def floyd_warshall(given, found):
    """Predecessors on shortest walks of at least one edge; a node's walk to itself is a cycle."""
    weights = np.where(given["adj"] > 0, given["A"].astype(float), np.inf)
    length = shortest_path(np.where(np.isinf(weights), 0, weights), method="D")
    for i, j in itertools.product(range(len(weights)), repeat=2):
        best = (length[i] + weights[:, j]).min()
        parent = int(found["Pi"][i, j])
        if np.isinf(best):
            if parent != i:
                return False
        elif not math.isclose(length[i, parent] + weights[parent, j], best, abs_tol=CLOSE):
            return False
    return True


def topological(given, found):
    """`topo` points from each node to the next one in the order; `topo_head` marks the first."""
    order = [int(found["topo_head"].argmax())]
    while found["topo"][order[-1]] != order[-1]:
        order.append(int(found["topo"][order[-1]]))
        if len(order) > len(found["topo"]):
            return False
    place = {node: index for index, node in enumerate(order)}
    return len(place) == len(found["topo"]) and all(
        place[int(a)] < place[int(b)] for a, b in np.argwhere(given["adj"] > 0) if a != b
    )


def components(given, found):
    parts = list(nx.strongly_connected_components(graph_of(given, directed=True)))
    marks = [{int(found["scc_id"][node]) for node in part} for part in parts]
    return all(len(mark) == 1 and mark <= part for mark, part in zip(marks, parts, strict=True))


def cuts(given, found):
    wanted = set(nx.articulation_points(graph_of(given)))
    return set(np.flatnonzero(found["is_cut"]).tolist()) == wanted


def edges(mask):
    return {tuple(sorted(map(int, pair))) for pair in np.argwhere(mask == 1)}


def bridges(given, found):
    wanted = {tuple(sorted(pair)) for pair in nx.bridges(graph_of(given))}
    return edges(found["is_bridge"]) == wanted


def kruskal(given, found):
    tree = nx.minimum_spanning_tree(graph_of(given, weights=True))
    return edges(found["in_mst"]) == {tuple(sorted(pair)) for pair in tree.edges}


def prim(given, found):
    source = int(given["s"].argmax())
    graph = graph_of(given, weights=True)
    part = nx.node_connected_component(graph, source)
    tree = nx.minimum_spanning_tree(graph.subgraph(part))
    pointed = {
        tuple(sorted((node, int(parent))))
        for node, parent in enumerate(found["pi"])
        if node != parent
    }
    return found["pi"][source] == source and pointed == {tuple(sorted(e)) for e in tree.edges}


def hull(given, found):
    points = np.stack([given["x"], given["y"]], -1).astype(float)
    return set(np.flatnonzero(found["in_hull"])) == set(ConvexHull(points).vertices)


def segments(given, found):
    """The crossing point of the two lines lies within both segments."""
    a, b, c, d = np.stack([given["x"], given["y"]], -1).astype(float)
    system = np.stack([b - a, c - d], -1)
    where = np.linalg.solve(system, c - a)
    return bool(found["intersect"]) == bool(((where >= 0) & (where <= 1)).all())


def one(mask):
    return mask.sum() == 1 and mask.max() == 1


RIGHT = {
    "activity_selector": activities,
    "articulation_points": cuts,
    "bellman_ford": paths(directed=False),
    "bfs": bfs,
    "binary_search": binary_search,
    "bridges": bridges,
    "bubble_sort": sorting,
    "dag_shortest_paths": paths(directed=True),
    "dfs": dfs,
    "dijkstra": paths(directed=False),
    "find_maximum_subarray_kadane": maximum_subarray,
    "floyd_warshall": floyd_warshall,
    "graham_scan": hull,
    "heapsort": sorting,
    "insertion_sort": sorting,
    "jarvis_march": hull,
    "kmp_matcher": matching,
    "lcs_length": lcs,
    "matrix_chain_order": matrix_chain,
    "minimum": minimum,
    "mst_kruskal": kruskal,
    "mst_prim": prim,
    "naive_string_matcher": matching,
    "optimal_bst": optimal_bst,
    "quickselect": quickselect,
    "quicksort": sorting,
    "segments_intersect": segments,
    "strongly_connected_components": components,
    "task_scheduling": tasks,
    "topological_sort": topological,
}

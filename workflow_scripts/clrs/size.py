"""How large and how long trajectories are, for the memory and time of the jobs that use them."""

import math
from collections.abc import Iterable
from typing import Any

# kB per trajectory in memory, mean over the training sizes (4, 7, 11, 13 and 16 nodes), drawn with
# dm-clrs 2.0.3.
KB = {
    "activity_selector": 0.8,
    "articulation_points": 14.7,
    "bellman_ford": 1.0,
    "bfs": 0.8,
    "binary_search": 0.3,
    "bridges": 19.0,
    "bubble_sort": 3.1,
    "dag_shortest_paths": 3.4,
    "dfs": 7.8,
    "dijkstra": 1.7,
    "find_maximum_subarray_kadane": 0.9,
    "floyd_warshall": 12.3,
    "graham_scan": 2.2,
    "heapsort": 5.1,
    "insertion_sort": 0.6,
    "jarvis_march": 6.4,
    "kmp_matcher": 2.5,
    "lcs_length": 7.7,
    "matrix_chain_order": 9.5,
    "minimum": 0.6,
    "mst_kruskal": 5.0,
    "mst_prim": 1.7,
    "naive_string_matcher": 1.1,
    "optimal_bst": 22.8,
    "quickselect": 2.4,
    "quicksort": 2.7,
    "segments_intersect": 0.2,
    "strongly_connected_components": 23.1,
    "task_scheduling": 0.7,
    "topological_sort": 4.2,
}

# The package's factors on the numbers of validation and test samples: these have one output each.
SAMPLES = dict.fromkeys(
    (
        "binary_search",
        "kmp_matcher",
        "minimum",
        "naive_string_matcher",
        "quickselect",
        "segments_intersect",
    ),
    64,
) | {"find_maximum_subarray_kadane": 32}

# Message steps of a trajectory over those of breadth-first search, at 16 nodes, mean of 4, drawn
# with dm-clrs 2.0.3 (`benchmarks/scaling.py --lengths`).
STEPS = {
    "activity_selector": 4.0,
    "articulation_points": 13.65,
    "bellman_ford": 1.24,
    "bfs": 1.0,
    "binary_search": 1.18,
    "bridges": 13.65,
    "bubble_sort": 28.47,
    "dag_shortest_paths": 7.82,
    "dfs": 11.29,
    "dijkstra": 4.0,
    "find_maximum_subarray_kadane": 3.76,
    "floyd_warshall": 3.76,
    "graham_scan": 6.12,
    "heapsort": 20.24,
    "insertion_sort": 3.76,
    "jarvis_march": 32.24,
    "kmp_matcher": 3.65,
    "lcs_length": 2.12,
    "matrix_chain_order": 2.94,
    "minimum": 3.76,
    "mst_kruskal": 3.53,
    "mst_prim": 4.0,
    "naive_string_matcher": 2.82,
    "optimal_bst": 4.0,
    "quickselect": 9.0,
    "quicksort": 14.29,
    "segments_intersect": 1.18,
    "strongly_connected_components": 21.12,
    "task_scheduling": 4.0,
    "topological_sort": 8.65,
}


def sets_mb(algorithms: Iterable[str], sets: dict[str, Any]) -> int:
    """MB of the training sets of these algorithms; `sets` has their `sizes` and `samples`."""
    per_sample = sum(KB[name] for name in algorithms) / 1000
    return math.ceil(per_sample * sets["samples"] * len(sets["sizes"]))

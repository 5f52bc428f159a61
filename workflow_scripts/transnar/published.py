"""The eight families of CLRS-30, and published scores on its algorithms (Ibarz et al. 2022)."""

from pathlib import Path

import pandas as pd

FAMILIES = {
    "divide and conquer": ("find_maximum_subarray_kadane",),
    "dynamic programming": ("matrix_chain_order", "lcs_length", "optimal_bst"),
    "geometry": ("segments_intersect", "graham_scan", "jarvis_march"),
    "graphs": (
        "dfs", "bfs", "topological_sort", "articulation_points", "bridges",
        "strongly_connected_components", "mst_kruskal", "mst_prim", "bellman_ford", "dijkstra",
        "dag_shortest_paths", "floyd_warshall",
    ),
    "greedy": ("activity_selector", "task_scheduling"),
    "search": ("minimum", "binary_search", "quickselect"),
    "sorting": ("insertion_sort", "bubble_sort", "heapsort", "quicksort"),
    "strings": ("naive_string_matcher", "kmp_matcher"),
}  # fmt: skip
FAMILY = {name: family for family, names in FAMILIES.items() for name in names}
SINGLE_TASK, MULTI_TASK = "single-task", "multi-task"  # training on one algorithm, or on all 30
COLUMNS = {SINGLE_TASK: "triplet_gmpnn_mean_pct", MULTI_TASK: "multi_task_pct_digitised"}
# Printed names that differ by more than case, spaces and hyphens.
PRINTED = {
    "Find Max. Subarray": "find_maximum_subarray_kadane",
    "Jarvis’ March": "jarvis_march",
    "Jarvis' March": "jarvis_march",
    "Knuth-Morris-Pratt": "kmp_matcher",
    "Naïve String Matcher": "naive_string_matcher",
    "Overall average": "overall",
    "Overall Average": "overall",
    "SCC": "strongly_connected_components",
    "Strongly Conn. Comps.": "strongly_connected_components",
}


def mean_pct(path: str | Path, training: str = SINGLE_TASK) -> dict[str, float]:
    """Scores of Triplet-GMPNN at 64 nodes, in %, by algorithm and `overall`.

    `path` is table 2 of Ibarz et al. (2022) for single-task training, and their figure 3,
    digitised, for multi-task training. Raises `ValueError` if an algorithm has no row.
    """
    table = pd.read_csv(path)
    names = [
        PRINTED.get(name, name.lower().replace(" ", "_").replace("-", "_"))
        for name in table["algorithm"]
    ]
    lacking = set(FAMILY) - set(names)
    if lacking:
        raise ValueError(f"{path}: expected a row per algorithm, found none for {sorted(lacking)}")
    return dict(zip(names, table[COLUMNS[training]].astype(float), strict=True))

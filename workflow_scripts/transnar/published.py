"""The eight families of CLRS-30, and the published scores of its algorithms (Ibarz et al. 2022)."""

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
# Names printed in table 2 that differ by more than case, spaces and hyphens.
PRINTED = {
    "Find Max. Subarray": "find_maximum_subarray_kadane",
    "Jarvis’ March": "jarvis_march",
    "Knuth-Morris-Pratt": "kmp_matcher",
    "Naïve String Matcher": "naive_string_matcher",
    "Overall average": "overall",
    "SCC": "strongly_connected_components",
}


def mean_pct(path: str | Path) -> dict[str, float]:
    """Scores of Triplet-GMPNN out of distribution, single task, in %, by algorithm and `overall`.

    `path` is table 2 of Ibarz et al. (2022). Raises `ValueError` if an algorithm has no row.
    """
    table = pd.read_csv(path)
    names = [
        PRINTED.get(name, name.lower().replace(" ", "_").replace("-", "_"))
        for name in table["algorithm"]
    ]
    lacking = set(FAMILY) - set(names)
    if lacking:
        raise ValueError(f"{path}: expected a row per algorithm, found none for {sorted(lacking)}")
    return dict(zip(names, table["triplet_gmpnn_mean_pct"].astype(float), strict=True))

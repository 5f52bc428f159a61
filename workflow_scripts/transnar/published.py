"""The eight families of CLRS-30, and what Ibarz et al. (2022) publish of its algorithms."""

from pathlib import Path

import pandas as pd

FAMILIES = {
    "divide and conquer": ("find_maximum_subarray_kadane",),
    "dynamic programming": ("matrix_chain_order", "lcs_length", "optimal_bst"),
    "geometry": ("segments_intersect", "graham_scan", "jarvis_march"),
    "graphs": (
        "dfs",
        "bfs",
        "topological_sort",
        "articulation_points",
        "bridges",
        "strongly_connected_components",
        "mst_kruskal",
        "mst_prim",
        "bellman_ford",
        "dijkstra",
        "dag_shortest_paths",
        "floyd_warshall",
    ),
    "greedy": ("activity_selector", "task_scheduling"),
    "search": ("minimum", "binary_search", "quickselect"),
    "sorting": ("insertion_sort", "bubble_sort", "heapsort", "quicksort"),
    "strings": ("naive_string_matcher", "kmp_matcher"),
}
# As printed in Table 2, where it is not the name with other signs.
PRINTED = {
    "Find Max. Subarray": "find_maximum_subarray_kadane",
    "Jarvis’ March": "jarvis_march",
    "Knuth-Morris-Pratt": "kmp_matcher",
    "Naïve String Matcher": "naive_string_matcher",
    "SCC": "strongly_connected_components",
}
OVERALL = "Overall average"


def reasoner_scores(path: str | Path) -> pd.DataFrame:
    """Triplet-GMPNN out of distribution, single task: `mean_pct` and `pm_pct` by algorithm.

    Raises `ValueError` where an algorithm of CLRS-30 has no row.
    """
    table = pd.read_csv(path)
    names = table["algorithm"].map(
        lambda name: PRINTED.get(name, name.lower().replace(" ", "_").replace("-", "_"))
    )
    table.index = pd.Index(names, name="name")
    lacking = {name for names in FAMILIES.values() for name in names} - set(names)
    if lacking:
        raise ValueError(f"{path}: no row for {', '.join(sorted(lacking))}")
    return table.rename(
        columns={"triplet_gmpnn_mean_pct": "mean_pct", "triplet_gmpnn_pm_pct": "pm_pct"}
    )[["mean_pct", "pm_pct"]]


def overall(path: str | Path) -> float:
    """The mean over the 30 algorithms, %, as printed."""
    table = pd.read_csv(path).set_index("algorithm")
    return float(table["triplet_gmpnn_mean_pct"][OVERALL])

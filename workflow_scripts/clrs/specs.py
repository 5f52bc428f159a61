"""Specs of the CLRS-30 algorithms: features with a stage, a location and a type.

The vocabulary is the package's (dm-clrs, `clrs/_src/specs.py`). The specs themselves are stored in
the exported files, so nothing here imports the package.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

MASKED = -1  # value of the entries of a mask or a category that are left out


class Stage(StrEnum):
    """When a feature is known: before, during or after the algorithm."""

    INPUT = "input"
    HINT = "hint"
    OUTPUT = "output"


class Location(StrEnum):
    """The part of the graph that has a feature's values."""

    NODE = "node"
    EDGE = "edge"
    GRAPH = "graph"


class Type(StrEnum):
    """The kind of a feature's values; it sets encoder, decoder, loss and score."""

    SCALAR = "scalar"
    MASK = "mask"
    MASK_ONE = "mask_one"
    CATEGORICAL = "categorical"
    POINTER = "pointer"
    SHOULD_BE_PERMUTATION = "should_be_permutation"
    PERMUTATION_POINTER = "permutation_pointer"


@dataclass(frozen=True)
class Feature:
    """One feature; `categories` is their number for a categorical feature, else 1."""

    name: str
    stage: Stage
    location: Location
    type: Type
    categories: int = 1


Spec = tuple[Feature, ...]

ALGORITHMS = (
    "activity_selector", "articulation_points", "bellman_ford", "bfs", "binary_search",
    "bridges", "bubble_sort", "dag_shortest_paths", "dfs", "dijkstra",
    "find_maximum_subarray_kadane", "floyd_warshall", "graham_scan", "heapsort",
    "insertion_sort", "jarvis_march", "kmp_matcher", "lcs_length", "matrix_chain_order",
    "minimum", "mst_kruskal", "mst_prim", "naive_string_matcher", "optimal_bst", "quickselect",
    "quicksort", "segments_intersect", "strongly_connected_components", "task_scheduling",
    "topological_sort",
)  # fmt: skip

# Algorithms whose hint `pred_h` is constant: Ibarz et al. (2022, section 3.2.1) make it an input.
# In other algorithms with a hint of that name, as in the sorts, it changes and stays a hint.
STATIC_PREDECESSOR = frozenset({
    "activity_selector", "binary_search", "find_maximum_subarray_kadane", "jarvis_march",
    "kmp_matcher", "lcs_length", "matrix_chain_order", "minimum", "naive_string_matcher",
    "optimal_bst", "task_scheduling",
})  # fmt: skip
STRING_MATCHERS = frozenset({"kmp_matcher", "naive_string_matcher"})
# Drawn with half the edge probability; their trajectories would be too long otherwise.
SPARSE = frozenset({"articulation_points", "bridges", "mst_kruskal"})


def for_reasoner(algorithm: str, spec: Spec) -> Spec:
    """The spec with the changes of Ibarz et al. (2022).

    A constant hint `pred_h` becomes the input `pred`; an output that should be a permutation
    becomes a permutation pointer and the mask of its first node.
    """
    features: list[Feature] = []
    for feature in spec:
        if feature.name == "pred_h" and algorithm in STATIC_PREDECESSOR:
            features.append(Feature("pred", Stage.INPUT, Location.NODE, Type.POINTER))
        elif feature.type == Type.SHOULD_BE_PERMUTATION:
            stage, location = feature.stage, feature.location
            features.append(Feature(feature.name, stage, location, Type.PERMUTATION_POINTER))
            features.append(Feature(f"{feature.name}_mask", stage, location, Type.MASK_ONE))
        else:
            features.append(feature)
    return tuple(features)


def of_stage(spec: Spec, stage: Stage) -> Spec:
    """The features of one stage."""
    return tuple(feature for feature in spec if feature.stage == stage)


def to_json(spec: Spec) -> list[dict[str, Any]]:
    """The spec as a list of objects for JSON, one per feature."""
    return [
        {
            "name": feature.name,
            "stage": str(feature.stage),
            "location": str(feature.location),
            "type": str(feature.type),
            "categories": feature.categories,
        }
        for feature in spec
    ]


def from_json(rows: list[dict[str, Any]]) -> Spec:
    """The spec that `to_json` has written."""
    return tuple(
        Feature(
            str(row["name"]),
            Stage(row["stage"]),
            Location(row["location"]),
            Type(row["type"]),
            int(row["categories"]),
        )
        for row in rows
    )

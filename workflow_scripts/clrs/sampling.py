"""Trajectories from dm-clrs, stored without padding.

The package batches trajectories into arrays of doubles, padded to the longest one. Here inputs and
outputs are stacked and hints are concatenated, in the smallest type that holds them.
"""

import inspect
import itertools
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.clrs import package, specs
from workflow_scripts.clrs.specs import Feature, Location, Stage, Type

BLOCK = 64  # samples
STRING_NODES = 20  # of a string matcher in training: text and needle together
TEST_SEED = 3  # of the package's own test set (`clrs.CLRS30["test"]`)
STORED = {
    Type.SCALAR: np.float32,
    Type.MASK: np.int8,
    Type.MASK_ONE: np.int8,
    Type.CATEGORICAL: np.int8,
    Type.POINTER: np.int16,
    Type.SHOULD_BE_PERMUTATION: np.int16,
}

Column = NDArray[Any]
Columns = dict[str, Column]
Probes = dict[str, Any]  # the package's: stage, location, name, then "type_" and "data"


def nodes_of(algorithm: str, size: int, split: str) -> int:
    """Nodes of a set of one size, as in Ibarz et al. (2022, appendix A.2).

    String matchers always train on 20 characters. Their tests add a needle of a quarter of the
    size: 80 instead of 64. Any other algorithm has `size` nodes.
    """
    if algorithm not in specs.STRING_MATCHERS:
        return size
    return STRING_NODES if split != "test" else size + size // 4


def training_options(algorithm: str) -> dict[str, Any]:
    """Sampler options for training and validation, as in the package's example (`examples/run.py`).

    Edge probabilities 0.1 to 0.9 (half of that for `specs.SPARSE`), needles of 1 to 8 characters.
    """
    scale = 0.5 if algorithm in specs.SPARSE else 1.0
    return {
        "p": tuple(scale * (0.1 + 0.1 * step) for step in range(9)),
        "length_needle": -8,
    }


def multiplier(algorithm: str) -> int:
    """The package's factor on the numbers of validation and test samples of an algorithm."""
    return int(package.parts().specs.CLRS_30_ALGS_SETTINGS[algorithm]["num_samples_multiplier"])


def sampler(
    algorithm: str,
    nodes: int,
    seed: int,
    options: dict[str, Any] | None = None,
    decimals: int | None = None,
) -> Any:
    """The package's sampler, drawing on demand; inputs are truncated to `decimals` if given.

    `nodes` is the package's length: for a string matcher, text and needle together.
    """
    samplers = package.parts().samplers
    options = dict(options or {})
    accepted = inspect.signature(samplers.SAMPLERS[algorithm]._sample_data).parameters
    drawn, _ = samplers.build_sampler(
        algorithm,
        num_samples=-1,
        seed=seed,
        length=nodes,
        track_max_steps=False,
        truncate_decimals=decimals,
        **{key: value for key, value in options.items() if key in accepted},
    )
    if isinstance(drawn, samplers.ConvexHullSampler):
        drawn._sample_data = _hull_sampler(drawn)
    if algorithm == "floyd_warshall":
        drawn._algorithm = _floyd_warshall
    return drawn


def probes(drawn: Any) -> Iterator[Probes]:
    """Endless stream of what the algorithm records of a sampler's draws, one draw each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while True:
            data = drawn._sample_data(*drawn._args, **drawn._kwargs)
            if drawn._truncate_decimals:
                data = drawn._trunc_array(data)
            yield drawn._algorithm(*data)[1]


def spec_of(algorithm: str, columns: Columns) -> specs.Spec:
    """The package's spec of an algorithm, with the number of categories of its columns."""
    features = []
    for name, (stage, location, kind) in package.parts().specs.SPECS[algorithm].items():
        width = columns[f"{stage}/{name}"].shape[-1]
        categories = width if kind == Type.CATEGORICAL else 1
        features.append(Feature(name, Stage(stage), Location(location), Type(kind), categories))
    return tuple(features)


def draw(drawn: Any, algorithm: str, count: int) -> tuple[specs.Spec, Columns]:
    """`count` trajectories in columns: `<stage>/<name>`, and `lengths`, shape (count,).

    Inputs and outputs have shape (count, ...); the concatenated hints have shape
    (sum of lengths, ...).
    """
    return _columns(algorithm, itertools.islice(probes(drawn), count))


def _columns(algorithm: str, samples: Iterable[Probes]) -> tuple[specs.Spec, Columns]:
    """The spec and the columns of samples, shaped as by `draw`.

    `BLOCK` samples at a time are checked and converted to the types of the file: the package's own,
    float64, take up to eight times as much memory.
    """
    parts: dict[str, list[Column]] = {}
    kinds: dict[str, Any] = {}
    lengths: list[int] = []
    remaining = iter(samples)
    while block := list(itertools.islice(remaining, BLOCK)):
        raw: dict[str, list[Column]] = {}
        for found in block:
            length = 0
            for stage, places in found.items():
                for name, feature in itertools.chain(*(place.items() for place in places.values())):
                    data, key = feature["data"], f"{stage}/{name}"
                    if stage == Stage.HINT:
                        length = len(data)
                    else:
                        data = data[None]
                    raw.setdefault(key, []).append(data)
                    kinds[key] = feature["type_"]
            lengths.append(length)
        for key, arrays in raw.items():
            column = np.concatenate(arrays)
            _check(key, kinds[key], column)
            parts.setdefault(key, []).append(column.astype(STORED[kinds[key]]))
    columns = {key: np.concatenate(parts.pop(key)) for key in list(parts)}
    spec = spec_of(algorithm, columns) if columns else ()
    return spec, columns | {"lengths": np.asarray(lengths, dtype=np.int32)}


def _check(key: str, kind: Any, column: Column) -> None:
    """The checks of the package's `split_stages`, for many samples at once. Raises `ValueError`."""
    if kind not in (Type.MASK, Type.MASK_ONE, Type.CATEGORICAL):
        return
    size = np.abs(column)
    if not ((size == 0) | (size == 1)).all():
        raise ValueError(f"{key}: expected a mask of -1, 0 and 1, found other numbers")
    if kind != Type.MASK and not (size.sum(-1) == 1).all():
        raise ValueError(f"{key}: expected one node or category per row, found none or several")


def draw_pairs(
    drawn: Any, algorithm: str, count: int, seen: set[str], tries: int
) -> tuple[specs.Spec, Columns]:
    """At most `count` trajectories with CLRS-Text whose prompts are not in `seen`; adds them to it.

    Columns as for `draw`, plus the texts `question` and `answer`, shape (count,). Stops after
    `tries` draws.
    """
    texts: list[tuple[str, str]] = []

    def new() -> Iterator[Probes]:
        for found in itertools.islice(probes(drawn), tries):
            question, answer = text(algorithm, found, drawn)
            if question in seen:
                continue
            seen.add(question)
            texts.append((question, answer))
            yield found
            if len(texts) == count:
                return

    spec, columns = _columns(algorithm, new())
    return spec, columns | {
        "question": np.array([question for question, _ in texts]),
        "answer": np.array([answer for _, answer in texts]),
    }


def points(found: Probes, drawn: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """Inputs, outputs and hints of one draw of a sampler, as data points of one sample."""
    inputs, outputs, hints = package.parts().probing.split_stages(found, drawn._spec)
    return inputs, outputs, hints


def text(algorithm: str, found: Probes, drawn: Any) -> tuple[str, str]:
    """CLRS-Text of one draw of a sampler, without hints: prompt and answer."""
    samplers = package.parts().samplers
    inputs, outputs, hints = points(found, drawn)
    lengths = np.array([hints[0].data.shape[0]])
    sample = samplers.Feedback(samplers.Features(inputs, hints, lengths), outputs)
    question, answer = package.parts().text.format_clrs_example(algorithm, sample)
    return str(question), str(answer)


def _hull_sampler(drawn: Any) -> Any:
    """The package's sampler of points in a disk, with its O(n^3) test vectorised.

    The package draws again when three points are on a line, and tests every triple in a Python
    loop: 0.4 s per sample of 64 points. The draws here are the same, bit by bit.
    """

    def sample_data(
        length: int,
        origin_x: float = 0.0,
        origin_y: float = 0.0,
        radius: float = 2.0,
        collinearity_resampling_attempts: int = 1000,
        collineararity_eps: float = 1e-12,
    ) -> list[Column]:
        """Coordinates x and y, shape (length,) each."""
        for _ in range(collinearity_resampling_attempts):
            angles = drawn._random_sequence(length=length, low=0.0, high=2.0 * np.pi)
            uniform = drawn._random_sequence(length=length, low=0.0, high=1.0)
            radii = radius * np.sqrt(uniform)
            xs = drawn._trunc_array(radii * np.cos(angles) + origin_x)
            ys = drawn._trunc_array(radii * np.sin(angles) + origin_y)
            if not _on_a_line(xs, ys, collineararity_eps):
                return [xs, ys]
        raise RuntimeError(
            f"found three points on a line in each of {collinearity_resampling_attempts} draws of "
            f"{length} points; draw fewer points"
        )

    return sample_data


def _floyd_warshall(weights: Column) -> tuple[Column, Probes]:
    """All shortest paths and what the package records of them, for `weights` of shape (n, n).

    The package tests every pair of nodes in a Python loop. All pairs at once give the same numbers,
    bit by bit, since a row or column of the node in between never changes while it is in between:
    no weight is negative.
    """
    probing, size = package.parts().probing, len(weights)
    found = probing.initialize(package.parts().specs.SPECS["floyd_warshall"])
    known = probing.graph(weights.copy())
    first = {"pos": np.arange(size) / size, "A": weights.copy(), "adj": known.copy()}
    probing.push(found, Stage.INPUT.value, next_probe=first)
    length = weights.copy()
    before = np.repeat(np.arange(size, dtype=float)[:, None], size, axis=1)
    for node in range(size):
        state = {"Pi_h": before.copy(), "D": length.copy(), "msk": known.copy()}
        state["k"] = probing.mask_one(node, size)
        probing.push(found, Stage.HINT.value, next_probe=state)
        joined = (known[:, node, None] > 0) & (known[None, node] > 0)
        around = length[:, node, None] + length[None, node]
        shorter = joined & ((known == 0) | (around < length))
        before = np.where(shorter, before[None, node], before)
        length = np.where(shorter, around, length)
        known = np.where(joined, 1.0, known)
    probing.push(found, Stage.OUTPUT.value, next_probe={"Pi": before.copy()})
    probing.finalize(found)
    return before, found


def _on_a_line(xs: Column, ys: Column, tolerance: float) -> bool:
    """Whether three of the points, shape (n,) each, span less than `tolerance` (twice the area)."""
    for first in range(len(xs) - 2):
        x, y = xs[first + 1 :] - xs[first], ys[first + 1 :] - ys[first]
        area = x[:, None] * y[None] - y[:, None] * x[None]
        upper = np.triu_indices(len(x), 1)
        if (np.abs(area[upper]) < tolerance).any():
            return True
    return False

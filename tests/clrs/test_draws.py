"""Draws against the package's own sampler: the same numbers, in the types of the file."""

import numpy as np
import pytest

from workflow_scripts.clrs import sampling, store
from workflow_scripts.clrs.specs import Type

clrs = pytest.importorskip("clrs")
pytestmark = pytest.mark.xdist_group("dm-clrs")  # one worker imports it


COUNT = sampling.BLOCK + 3  # more than one block
# All kinds of features, long and short hints, and the two whose loops are our own.
ALGORITHMS = ["bfs", "floyd_warshall", "insertion_sort", "jarvis_march", "minimum", "lcs_length"]


def theirs(algorithm, nodes, seed, count):
    """Arrays by stage and name: inputs and outputs (count, ...), hints a list of (steps, ...)."""
    drawn, _ = clrs.build_sampler(
        algorithm, num_samples=-1, seed=seed, length=nodes, track_max_steps=False
    )
    batch = drawn.next(count)
    lengths = batch.features.lengths.astype(int)
    found = {f"input/{point.name}": point.data for point in batch.features.inputs}
    found |= {f"output/{point.name}": point.data for point in batch.outputs}
    for point in batch.features.hints:
        parts = [point.data[:length, i] for i, length in enumerate(lengths)]
        found[f"hint/{point.name}"] = np.concatenate(parts)
    return found, lengths


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_draws_are_those_of_the_package(algorithm, tmp_path):
    nodes = 7
    spec, columns = sampling.draw(sampling.sampler(algorithm, nodes, 5), algorithm, COUNT)
    wanted, lengths = theirs(algorithm, nodes, 5, COUNT)
    path = tmp_path / "set.npz"
    store.write(path, spec, {("train", nodes): columns})
    read = store.read(path, "train", nodes)
    assert set(read) == {*wanted, "lengths"}
    np.testing.assert_array_equal(read["lengths"], lengths)
    for key, value in wanted.items():
        np.testing.assert_array_equal(read[key], value.astype(read[key].dtype))


@pytest.mark.parametrize("seed", range(5))
def test_paths_by_whole_arrays_are_those_of_the_loop(seed):
    """Sparse and dense graphs, directed and not, with weights that tie."""
    random = np.random.default_rng(seed)
    weights = np.round(random.uniform(0.1, 1, (9, 9)), 1) * (random.random((9, 9)) < 0.15 * seed)
    weights = np.maximum(weights, weights.T) if seed % 2 else weights
    order, found = sampling._floyd_warshall(weights)
    wanted_order, wanted = clrs._src.algorithms.floyd_warshall(weights)
    np.testing.assert_array_equal(order, wanted_order)
    for stage in wanted:
        for place in wanted[stage]:
            for name, feature in wanted[stage][place].items():
                data = found[stage][place][name]["data"]
                assert data.dtype == feature["data"].dtype
                np.testing.assert_array_equal(data, feature["data"])


def test_equal_sets_give_equal_bytes(tmp_path):
    spec, columns = sampling.draw(sampling.sampler("bfs", 5, 1), "bfs", 4)
    for name in ("one", "two"):
        store.write(tmp_path / name, spec, {("train", 5): columns})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        (Type.MASK, [[0.0, 0.5]]),
        (Type.MASK_ONE, [[1.0, 1.0]]),
        (Type.CATEGORICAL, [[0.0, 0.0]]),
    ],
)
def test_masks_that_are_none_are_refused(kind, column):
    with pytest.raises(ValueError, match="hint/m: expected"):
        sampling._check("hint/m", kind, np.array(column))

"""CLRS scores and losses of the same predictions, ours and the package's."""

import numpy as np
import pytest
import torch

clrs = pytest.importorskip("clrs")

from clrs._src import evaluation, probing  # noqa: E402
from clrs._src import losses as theirs  # noqa: E402

from workflow_scripts.clrs import decoders, losses, metrics, sampling, specs  # noqa: E402
from workflow_scripts.clrs.specs import Stage, Type  # noqa: E402
from workflow_scripts.clrs.trajectories import Trajectories  # noqa: E402

pytestmark = pytest.mark.xdist_group("dm-clrs")

NODES, SAMPLES = 5, 4
# Together they have every combination of stage, location and type that is scored.
VARIED = (
    "binary_search",
    "bubble_sort",
    "jarvis_march",
    "lcs_length",
    "matrix_chain_order",
    "mst_kruskal",
    "segments_intersect",
    "strongly_connected_components",
)


def batch_of(algorithm):
    spec, columns = sampling.draw(sampling.sampler(algorithm, NODES, 2), algorithm, SAMPLES)
    sets = Trajectories(algorithm, spec, columns)
    return sets.spec, sets.batch(np.arange(SAMPLES))


def guess(feature, truth, random):
    """Logits that are right for most entries, so that scores are mostly between 0 and 1."""
    shape = (*truth.shape, truth.shape[1]) if feature.type == Type.POINTER else truth.shape
    noise = torch.from_numpy(random.normal(size=shape)).float()
    if feature.type == Type.POINTER:
        return noise + 2 * torch.nn.functional.one_hot(truth, truth.shape[1])
    if feature.type == Type.PERMUTATION_POINTER:
        return decoders.log_sinkhorn(noise + 2 * truth, decoders.STEPS)
    return noise + 2 * truth - (1.0 if feature.type == Type.MASK else 0.0)


def point(feature, data):
    return probing.DataPoint(feature.name, str(feature.location), str(feature.type), data)


def arrays(tensors):
    return {name: tensor.numpy() for name, tensor in tensors.items()}


@pytest.mark.parametrize("algorithm", specs.ALGORITHMS)
def test_output_scores_are_equal(algorithm):
    spec, batch = batch_of(algorithm)
    random = np.random.default_rng(3)
    outputs = specs.of_stage(spec, Stage.OUTPUT)
    logits = {f.name: guess(f, batch.outputs[f.name], random) for f in outputs}
    predicted = arrays(decoders.harden(spec, logits))
    ours = metrics.outputs(spec, predicted, arrays(batch.outputs))
    expected = evaluation.evaluate(
        tuple(point(f, batch.outputs[f.name].numpy()) for f in outputs),
        {f.name: point(f, predicted[f.name]) for f in outputs},
    )
    assert ours == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("algorithm", specs.ALGORITHMS)
def test_hint_scores_are_equal(algorithm):
    spec, batch = batch_of(algorithm)
    random = np.random.default_rng(4)
    hints = specs.of_stage(spec, Stage.HINT)
    steps = range(1, int(batch.lengths.max()))
    by_step = []
    for step in steps:
        logits = {f.name: guess(f, batch.hints[f.name][step], random) for f in hints}
        by_step.append(arrays(decoders.harden(spec, logits)))
    predicted = {f.name: np.stack([found[f.name] for found in by_step]) for f in hints}
    ours = metrics.hints(spec, predicted, arrays(batch.hints), batch.lengths.numpy())
    expected = evaluation.evaluate_hints(
        tuple(point(f, batch.hints[f.name].numpy()) for f in hints),
        batch.lengths.numpy(),
        [{f.name: point(f, found[f.name]) for f in hints} for found in by_step],
    )
    assert ours == pytest.approx({name: float(expected[name]) for name in ours}, rel=1e-6)


@pytest.mark.parametrize("algorithm", VARIED)
def test_losses_are_equal(algorithm):
    spec, batch = batch_of(algorithm)
    random = np.random.default_rng(5)
    running = batch.lengths.numpy()
    for feature in specs.of_stage(spec, Stage.OUTPUT):
        truth = batch.outputs[feature.name]
        logits = guess(feature, truth, random)
        expected = theirs.output_loss(point(feature, truth.numpy()), logits.numpy(), NODES)
        found = losses.entries(feature, logits, truth) / losses.count(feature, truth)
        assert float(found) == pytest.approx(float(expected), rel=1e-5), feature
    for feature in specs.of_stage(spec, Stage.HINT):
        truth = batch.hints[feature.name]
        logits = [guess(feature, truth[step], random) for step in range(1, len(truth))]
        expected = theirs.hint_loss(
            point(feature, truth.numpy()), [part.numpy() for part in logits], running, NODES
        )
        there = [batch.lengths > step for step in range(1, len(truth))]
        kept = torch.cat([part[still] for part, still in zip(logits, there, strict=True)])
        right = torch.cat([truth[step + 1][still] for step, still in enumerate(there)])
        found = losses.entries(feature, kept, right) / losses.count(feature, right)
        assert float(found) == pytest.approx(float(expected), rel=1e-5), feature


def test_the_varied_algorithms_have_every_kind_of_feature():
    def kinds(algorithms):
        found = set()
        for algorithm in algorithms:
            spec, _ = batch_of(algorithm)
            found |= {(f.stage, f.location, f.type) for f in spec if f.stage != Stage.INPUT}
        return found

    assert kinds(VARIED) == kinds(specs.ALGORITHMS)

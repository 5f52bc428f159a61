"""Asynchronous runs of trained networks, and which sums their log-semiring maps preserve."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from workflow_scripts.clrs import reasoner_scores
from workflow_scripts.clrs.decoders import Latent
from workflow_scripts.clrs.reasoner import Reasoner
from workflow_scripts.clrs.trajectories import Trajectories
from workflow_scripts.cocycles.processors import Freedom, Logarithmic, Processor
from workflow_scripts.shared import seeds
from workflow_scripts.shared.scores import Row

KINDS = ("updates", "duplicates", "increments")
BATCH = 32  # trajectories at once
PAIRS = 2000  # pairs of arguments on which the maps are tested
LOG_2 = math.log(2)  # bound on the gap of max: Σ exp(max) <= Σ exp + Σ exp <= 2 max


def processor(network: Reasoner) -> Processor:
    """The network's processor, one of this study's."""
    assert isinstance(network.processor, Processor)
    return network.processor


def first(data: Trajectories, count: int) -> Trajectories:
    """The first `count` trajectories of a set, or all that it has."""
    stop = int(data.starts[min(count, len(data))])
    columns = {
        key: column[:stop] if key.startswith("hint/") else column[:count]
        for key, column in data.columns.items()
    }
    return Trajectories(data.algorithm, data.package_spec, columns)


def latents(network: Reasoner, data: Trajectories) -> Iterator[Latent]:
    """What the network computes at every message step of every batch, on its device."""
    device = next(network.parameters()).device
    for _, batch in reasoner_scores.batches(data, BATCH):
        yield from network.latents(batch.to(device))


def run(network: Reasoner, data: Trajectories) -> tuple[float, list[Tensor]]:
    """The score, and the hidden states after every message step of every batch, (B, N, W) each."""
    states: list[Tensor] = []
    hook = processor(network).register_forward_hook(lambda *call: states.append(call[-1][0]))
    try:
        return reasoner_scores.score(network, data, BATCH)["score"], states
    finally:
        hook.remove()


def runs(network: Reasoner, data: Trajectories, degrees: list[float], seed: int) -> Iterator[Row]:
    """Score, and relative error of the hidden states, of each asynchronous run of one network.

    The error is Euclidean over all steps, trajectories and nodes. Degree 0 is the synchronous run.
    """
    plain, expected = run(network, data)
    for kind in KINDS:
        yield {"kind": kind, "degree": 0.0, "metric": "relative_error", "value": 0.0}
        yield {"kind": kind, "degree": 0.0, "metric": "ood_score", "value": plain}
    scale = math.sqrt(sum(float((state**2).sum()) for state in expected))
    for kind in KINDS:
        for degree in degrees:
            place = {"kind": kind, "degree": degree}
            random = torch.Generator()
            random.manual_seed(seeds.derive(seed, "cocycles", "asynchrony", kind, str(degree)))
            try:
                processor(network).freedom = Freedom(kind, degree, random)
                score, found = run(network, data)
            finally:
                processor(network).freedom = None
            gap = math.sqrt(
                sum(float(((a - b) ** 2).sum()) for a, b in zip(found, expected, strict=True))
            )
            yield place | {"metric": "relative_error", "value": gap / scale}
            yield place | {"metric": "ood_score", "value": score}


@torch.inference_mode()
def maps(network: Reasoner, data: Trajectories, seed: int) -> Iterator[Row]:
    """How well a trained layer's maps of receiver and sender preserve each sum.

    The arguments a and b are those of two nodes of one trajectory at one step. The gap is
    |ψ(a ⊕ b) - ψ(a) ⊕ ψ(b)|, its largest value and its mean over coordinates and pairs.
    """
    layer = processor(network)
    if not isinstance(layer, Logarithmic):
        return
    random = seeds.generator(seed, "cocycles", "maps")
    held = [latent.nodes for latent in latents(network, data)]
    width = network.width
    pairs = []
    for _ in range(PAIRS):
        rows = held[random.integers(len(held))]
        row = rows[random.integers(len(rows)), :, : 2 * width]  # features and the state before
        pairs.append(row[random.choice(len(row), 2, replace=False)])
    a, b = layer.prepared(torch.stack(pairs)).double().unbind(1)
    for total, add in (("max", torch.maximum), ("logsumexp", torch.logaddexp)):
        gaps = torch.cat(
            [
                (part.double()(add(a, b)) - add(part(a), part(b))).abs()
                for part in (layer.receiver, layer.sender)
            ]
        )
        place = {"aggregator": total}
        yield place | {"metric": "map_largest_gap", "value": float(gaps.max())}
        yield place | {"metric": "map_mean_gap", "value": float(gaps.mean())}
    layer.float()
    yield {"aggregator": "max", "metric": "map_gap_bound", "value": LOG_2}

"""Losses of hints and outputs, as in the package (`clrs/_src/losses.py`).

Every loss is a sum over entries divided by the number of unmasked entries, so the losses of the
chunks of a batch add up to the loss of the batch.
"""

import torch
from torch import Tensor, nn

from workflow_scripts.clrs.reasoner import Predictions, message_steps, still_running
from workflow_scripts.clrs.specs import MASKED, Feature, Spec, Stage, Type, of_stage
from workflow_scripts.clrs.trajectories import Batch

Tensors = dict[str, Tensor]


def entries(feature: Feature, prediction: Tensor, truth: Tensor) -> Tensor:
    """Sum of the losses of a feature's unmasked entries, a scalar.

    `prediction` has the shape of `truth`; a pointer's has one more axis, of N logits. Raises
    `ValueError` for a type that has no loss.
    """
    match feature.type:
        case Type.SCALAR:
            return ((prediction - truth) ** 2).sum()
        case Type.MASK:
            counts = truth != MASKED
            each = nn.functional.binary_cross_entropy_with_logits(
                prediction, truth.clamp_min(0.0), reduction="none"
            )
            return (each * counts).sum()
        case Type.MASK_ONE | Type.CATEGORICAL:
            return -(truth.clamp_min(0.0) * prediction.log_softmax(-1)).sum()
        case Type.POINTER:
            return nn.functional.cross_entropy(
                prediction.flatten(0, -2), truth.flatten(), reduction="sum"
            )
        case Type.PERMUTATION_POINTER:
            return -(truth * prediction).sum()
        case _:
            raise ValueError(f"{feature.name}: {feature.type} has no loss")


def count(feature: Feature, truth: Tensor) -> Tensor:
    """The number of unmasked entries of `truth`, any shape, as a scalar; at least 1."""
    match feature.type:
        case Type.MASK:
            number = (truth != MASKED).sum()
        case Type.CATEGORICAL:
            number = (truth == 1).any(-1).sum()
        case Type.MASK_ONE if feature.stage == Stage.OUTPUT:
            number = (truth == 1).any(-1).sum()
        case Type.MASK_ONE | Type.PERMUTATION_POINTER:
            number = torch.tensor(truth[..., 0].numel())
        case _:
            number = torch.tensor(truth.numel())
    return number.clamp_min(1)


class Loss:
    """The loss of one batch, chunk by chunk: hints at every step and outputs at the last one."""

    def __init__(self, spec: Spec, batch: Batch) -> None:
        self.batch = batch
        self.outputs, self.hints = of_stage(spec, Stage.OUTPUT), of_stage(spec, Stage.HINT)
        self.running = still_running(batch) if batch.lengths.max() > 1 else []
        if self.running:
            self.running[0] = int((batch.lengths > 1).sum())
        counted = self._true_hints(0, message_steps(batch))
        self.counts = {
            feature.name: count(feature, counted[feature.name])
            for feature in self.hints
            if feature.name in counted
        } | {feature.name: count(feature, batch.outputs[feature.name]) for feature in self.outputs}

    def _true_hints(self, start: int, stop: int) -> Tensors:
        """True hints of steps `start` to `stop`, running samples of all steps concatenated.

        Shape (sum of running samples, ...) per feature.
        """
        steps = range(start, min(stop, len(self.running)))
        if not steps:
            return {}
        return {
            name: torch.cat([values[step + 1, : self.running[step]] for step in steps])
            for name, values in self.batch.hints.items()
        }

    def __call__(self, predictions: Predictions) -> Tensor:
        """This chunk's part of the loss of the batch, of shape ()."""
        start = predictions.first_step
        truth = self._true_hints(start, start + len(predictions.hints))
        total = predictions.hints[0][self.hints[0].name].new_zeros(())
        for feature in self.hints if truth else ():
            parts = [
                hint[feature.name][: self.running[start + step]]
                for step, hint in enumerate(predictions.hints)
            ]
            total = total + self._term(feature, torch.cat(parts), truth[feature.name])
        for feature in self.outputs if predictions.outputs else ():
            right = self.batch.outputs[feature.name][predictions.finished]
            total = total + self._term(feature, predictions.outputs[feature.name], right)
        return total

    def _term(self, feature: Feature, prediction: Tensor, truth: Tensor) -> Tensor:
        """A feature's part of the loss, a scalar; shapes as for `entries`."""
        return entries(feature, prediction, truth) / self.counts[feature.name]

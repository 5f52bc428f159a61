"""Layers of known level of asynchrony, as modules: examples for the certificate, and its test.

`LEVELS` follows from each layer's operations, as its docstring says. A module of your own needs the
same attribute and methods (docs/certificate.md).

Shapes: B cases, K messages, W the width of a state, M that of a message.
"""

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """What the layers share: ψ of two linear maps, φ linear with ReLU."""

    def __init__(self, width: int = 2) -> None:
        super().__init__()
        self.width = width
        self.receiver, self.sender, self.own, self.inbox = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )

    def message(self, receiver: Tensor, sender: Tensor) -> Tensor:
        """ψ: the map of the receiver plus the map of the sender, (B, W) each."""
        return self.receiver(receiver) + self.sender(sender)

    def aggregate(self, messages: Tensor) -> Tensor:
        """⊕: the sum of messages (B, K, W), (B, W)."""
        return messages.sum(1)

    def update(self, state: Tensor, message: Tensor) -> Tensor:
        """φ: linear in state and message, then ReLU, (B, W) each."""
        return (self.own(state) + self.inbox(message)).relu()


class SumRelu(Linear):
    """The paper's L1. A sum of floats depends on its order by rounding; φ is not idempotent."""


class SumReluIntegers(Linear):
    """The same with integer weights, on which sums are exact: level 1 to the last bit."""

    def __init__(self, width: int = 2) -> None:
        super().__init__(width)
        for weights in self.parameters():
            weights.data = torch.randint(-3, 4, weights.shape).float()


class MeanRelu(Linear):
    """A mean is commutative and not associative: it needs all messages at once."""

    def aggregate(self, messages: Tensor) -> Tensor:
        """⊕: the mean of messages (B, K, W), (B, W)."""
        return messages.mean(1)


class Recurrent(Linear):
    """A recurrence over the messages, which reads their order."""

    def aggregate(self, messages: Tensor) -> Tensor:
        """⊕: h <- tanh(h / 2 + m), message by message, (B, K, W) to (B, W)."""
        state = messages[:, 0]
        for message in messages[:, 1:].unbind(1):
            state = (state / 2 + message).tanh()
        return state


class SoftmaxAttention(Linear):
    """Softmax attention over the senders. A message holds a logit and a value.

    Groups of messages add up to their logsumexp and the weighted mean of their values, as in
    attention by blocks: a commutative monoid up to rounding. φ is not idempotent.
    """

    def message(self, receiver: Tensor, sender: Tensor) -> Tensor:
        """ψ: the logit, then the value, (B, 1 + W)."""
        logit = (self.receiver(receiver) * sender).sum(-1, keepdim=True)
        return torch.cat([logit, self.sender(sender)], -1)

    def aggregate(self, messages: Tensor) -> Tensor:
        """⊕: logsumexp of the logits, values weighted by their softmax, (B, K, 1 + W)."""
        logits, values = messages[..., :1], messages[..., 1:]
        return torch.cat([logits.logsumexp(1), (logits.softmax(1) * values).sum(1)], -1)

    def update(self, state: Tensor, message: Tensor) -> Tensor:
        """φ reads the value only, (B, W)."""
        return super().update(state, message[..., 1:])


class MlpMax(Linear):
    """CLRS-30's message passing: ψ an MLP, ⊕ max, φ linear with ReLU, which is not idempotent."""

    def __init__(self, width: int = 2) -> None:
        super().__init__(width)
        self.second = nn.Linear(width, width)

    def message(self, receiver: Tensor, sender: Tensor) -> Tensor:
        """ψ: two layers, (B, W)."""
        return self.second(super().message(receiver, sender).relu())

    def aggregate(self, messages: Tensor) -> Tensor:
        """⊕: the maximum of messages (B, K, W), (B, W)."""
        return messages.amax(1)


class MaxMax(MlpMax):
    """The paper's L2: ⊕ and φ are max, which is exact; a linear ψ does not preserve it."""

    def message(self, receiver: Tensor, sender: Tensor) -> Tensor:
        """ψ: linear, (B, W)."""
        return self.receiver(receiver) + self.sender(sender)

    def update(self, state: Tensor, message: Tensor) -> Tensor:
        """φ: the larger of state and message, (B, W) each."""
        return torch.maximum(state, message)


class Semiring(MaxMax):
    """ψ(x, y)_i = Σ_j (A_ij + x_j) + Σ_k (B_ik + y_k), where Σ is the semiring's sum."""

    def total(self, terms: Tensor) -> Tensor:
        """The semiring's sum over the last axis."""
        return terms.amax(-1)

    def message(self, receiver: Tensor, sender: Tensor) -> Tensor:
        """ψ: bilinear over the semiring, (B, W)."""
        left = self.total(self.receiver.weight + receiver[:, None])
        return left + self.total(self.sender.weight + sender[:, None])


class Tropical(Semiring):
    """L3 with max throughout. + is monotone in floating point, so ψ preserves max exactly."""


class TropicalPath(Tropical):
    """The tropical PathGNN: ψ does not read the receiver."""

    def message(self, receiver: Tensor, sender: Tensor) -> Tensor:
        """ψ: linear over (max, +) in the sender, (B, W)."""
        return self.total(self.sender.weight + sender[:, None])


class LogarithmicMax(Semiring):
    """The paper's L3: ψ bilinear over the log-semiring, ⊕ and φ max. ψ preserves another sum."""

    def total(self, terms: Tensor) -> Tensor:
        """logsumexp over the last axis."""
        return terms.logsumexp(-1)


class LogThroughout(LogarithmicMax):
    """The same ψ with its own sum, logsumexp, as ⊕ and φ: not idempotent, exact up to rounding."""

    def aggregate(self, messages: Tensor) -> Tensor:
        """⊕: logsumexp of messages (B, K, W), (B, W)."""
        return messages.logsumexp(1)

    def update(self, state: Tensor, message: Tensor) -> Tensor:
        """φ: logsumexp of state and message, (B, W) each."""
        return torch.logaddexp(state, message)


# Level kept to the last bit, and up to rounding, by the name of the class.
LEVELS = {
    layer.__name__: levels
    for layer, levels in (
        (Recurrent, (0, 0)),
        (MeanRelu, (0, 0)),
        (SumRelu, (0, 1)),
        (SumReluIntegers, (1, 1)),
        (SoftmaxAttention, (0, 1)),
        (LogThroughout, (0, 1)),
        (MlpMax, (1, 1)),
        (MaxMax, (2, 2)),
        (LogarithmicMax, (2, 2)),
        (Tropical, (3, 3)),
        (TropicalPath, (3, 3)),
    )
}

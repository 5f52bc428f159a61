"""Muon (Jordan et al. 2024): momentum, made orthogonal, in float32 or rounded to bfloat16."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # of the quintic iteration (Jordan et al. 2024)
ITERATIONS = 5
RMS_OF_ADAMW = 0.2  # root mean square of AdamW's steps (Liu et al. 2025, section 2.2)


def orthogonalised(g: Tensor, iterations: int = ITERATIONS, rounded: bool = False) -> Tensor:
    """Roughly U V' of g = U S V', shape (R, out, in), by Newton-Schulz; S ends near 1.

    If `rounded`, every result is rounded to bfloat16, as by `torch.optim.Muon`. Training depends on
    these errors: they replace directions whose singular values are small.
    """

    def kept(x: Tensor) -> Tensor:
        return x.bfloat16().to(g.dtype) if rounded else x

    tall = g.shape[-2] > g.shape[-1]
    x = kept(g.mT if tall else g)
    x = kept(x / kept(x.flatten(1).norm(dim=1)).clamp(min=1.0e-7)[:, None, None])
    a, b, c = NEWTON_SCHULZ
    for _ in range(iterations):
        gram = kept(x @ x.mT)
        polynomial = kept(torch.baddbmm(gram, gram, gram, beta=b, alpha=c))
        x = kept(torch.baddbmm(x, polynomial, x, beta=a))
    return x.mT if tall else x


class Muon(torch.optim.Muon):
    """`torch.optim.Muon`, its step scaled to AdamW's, for matrices of float32.

    torch multiplies in bfloat16, which takes 20 to 30 times as long where a processor has no
    instructions for it. Here float32 products are rounded to bfloat16, and matrices of one shape
    share them. Either optimiser goes on from a state of the other.
    """

    def __init__(
        self, matrices: Iterable[Tensor], lr: float, weight_decay: float, momentum: float = 0.95
    ) -> None:
        super().__init__(matrices, lr, weight_decay, momentum, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step along the gradients, which all matrices have. Returns what `closure` does."""
        with torch.enable_grad():
            loss = closure() if closure else None
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                alike[matrix.shape].append(matrix)
            for matrices in alike.values():
                self._move(matrices, group)
        return loss

    def _move(self, matrices: list[Tensor], group: dict[str, Any]) -> None:
        momentum = group["momentum"]
        ahead = []
        for matrix in matrices:
            gradient = matrix.grad
            assert gradient is not None
            state = self.state[matrix]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(matrix)
            average = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
            ahead.append(gradient.lerp(average, momentum))
        directions = orthogonalised(torch.stack(ahead), rounded=True)
        rate = group["lr"] * RMS_OF_ADAMW * max(matrices[0].shape) ** 0.5
        for matrix, direction in zip(matrices, directions, strict=True):
            matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-rate)

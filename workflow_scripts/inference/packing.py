"""Linear layers on a CPU by oneDNN, with weights that are packed once.

torch's wheels send float32 products to MKL. On AMD processors oneDNN, in the same wheel, is 1.1 to
1.2 times as fast at hundreds of rows (1.2 to 2.7 times at 8 to 64 rows, where MKL reads the weights
slowly), and packing the weights in oneDNN's own order saves it the time to reorder them in every
product. In bfloat16, which oneDNN computes anyway, packing gains as much at few rows. Small layers
gain nothing, since oneDNN needs longer to start. `docs/benchmarks.md` has the numbers per shape.

Sums stay in float32: on processors with AMX, oneDNN would round float32 to bfloat16 if torch's
global setting asked for it, so the setting is "ieee" while a model computes. The bits of a row are
the same in every batch of at least two rows; `cache.MIN_ROWS` rows are the fewest that occur. On
processors with AMX that holds in float32 only: there oneDNN adds a row's products in bfloat16 in
an order that depends on the number of rows up to some 40 rows, with packing and without.
"""

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch

from workflow_scripts.inference.layers import computed_by

# Weights from which a layer gains at every number of rows (measured from 2^16 to 2^27).
MIN_WEIGHTS = 1 << 18
# Memory of the packed weights; a model that needs more keeps its own. `models.size` asks for it.
MOST_BYTES = 2_000_000_000
ROWS = 256  # for which oneDNN chooses the order of the weights; a product may have any number


@dataclass
class _Layer:
    module: torch.nn.Linear
    pack: bool
    packed_from: tuple[int, int] | None = None
    packed: Callable[[torch.Tensor], torch.Tensor] | None = None

    def product(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """The layer with packed weights, packed anew unless they are those of the last time."""
        weight = self.module.weight
        found = (weight.data_ptr(), weight._version)
        if self.packed is not None and found == self.packed_from:
            return self.packed
        linear: Any = torch.ops.mkldnn._linear_pointwise
        packed = weight.detach()
        if self.pack:
            packed = torch.ops.mkldnn._reorder_linear_weight(packed, ROWS)
        bias = None if self.module.bias is None else self.module.bias.detach()
        self.packed = lambda inputs: linear(inputs, packed, bias, "none", [], "")
        self.packed_from = found
        return self.packed


class Packed:
    """The packed layers of a model: as much memory again as their own, up to `MOST_BYTES`."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model
        self._layers: list[_Layer] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> "Packed":
        # A copied model packs its own weights.
        return Packed(deepcopy(self.model, memo))

    def release(self) -> None:
        """Free the memory until the next use."""
        self._layers = None

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Compute the layers that gain by it with packed weights, without gradients."""
        if self._layers is None:
            self._layers = _layers(self.model)
        if not self._layers:
            yield
            return
        onednn: Any = torch.backends.mkldnn
        setting = onednn.matmul.fp32_precision
        onednn.matmul.fp32_precision = "ieee"
        try:
            with computed_by((layer.module, layer.product()) for layer in self._layers):
                yield
        finally:
            onednn.matmul.fp32_precision = setting


def _layers(model: torch.nn.Module) -> list[_Layer]:
    """The layers that oneDNN computes; those of a large model only in float32, and not packed."""
    found: list[Any] = [module for module in model.modules() if _gains(module)]
    pack = sum(module.weight.nbytes for module in found) <= MOST_BYTES
    return [
        _Layer(module, pack) for module in found if pack or module.weight.dtype == torch.float32
    ]


def _gains(module: torch.nn.Module) -> bool:
    if type(module) is not torch.nn.Linear or "forward" in module.__dict__:
        return False
    weight = module.weight
    large = weight.device.type == "cpu" and weight.numel() >= MIN_WEIGHTS
    return large and available(weight.dtype)


def available(dtype: torch.dtype) -> bool:
    """Whether this processor and this build of torch have the products, for weights of a type."""
    # Measured on x86-64 only.
    if not torch.backends.mkldnn.is_available() or platform.machine() not in ("x86_64", "AMD64"):
        return False
    bfloat16: Any = torch.ops.mkldnn._is_mkldnn_bf16_supported
    return dtype == torch.float32 or (dtype == torch.bfloat16 and bool(bfloat16()))

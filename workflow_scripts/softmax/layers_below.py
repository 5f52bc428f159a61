"""Passes through a model that differ from the same pass from some decoder layer on only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from workflow_scripts.inference.engines import EngineError
from workflow_scripts.inference.layers import computed_by, layer_list


class LayersBelow:
    """A model's decoder layers, which can give again what they gave in the pass that was kept.

    Its memory is that of all layers' outputs. Layers that are not found, are on several devices, or
    hand on something beside their output (see `trust`) compute each time.
    """

    def __init__(self, model: Any) -> None:
        try:
            found = layer_list(model, model.config.get_text_config().num_hidden_layers)
            usable = not any("forward" in layer.__dict__ for layer in found)
        except (AttributeError, EngineError):
            usable = False
        self.layers: list[Any] = list(found) if usable else []
        self._outputs: list[Any] = []

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep what the layers give in the pass within the block."""
        self._outputs = []

        def keep(_layer: Any, _inputs: Any, output: Any) -> None:
            self._outputs.append(output)

        hooks = [layer.register_forward_hook(keep) for layer in self.layers]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @contextmanager
    def given_again(self, count: int) -> Iterator[None]:
        """Within the block the first `count` layers give what was kept, whatever enters them."""
        below = zip(self.layers[:count], self._outputs, strict=False)
        with computed_by((layer, _giving(output)) for layer, output in below):
            yield

    def trust(self, again: Callable[[], torch.Tensor], expected: torch.Tensor) -> None:
        """Compute every layer each time from here on unless the last one alone gives the same.

        `again` is the pass that was kept, which gave `expected`, any shape. Layers that hand
        something else on, such as keys and values, would fail.
        """
        if not self.layers:
            return
        with self.given_again(len(self.layers) - 1):
            try:
                same = torch.equal(again(), expected)
            except (AttributeError, LookupError, RuntimeError, TypeError, ValueError):
                same = False
        if not same:
            self.layers, self._outputs = [], []


def _giving(output: Any) -> Callable[..., Any]:
    return lambda *_inputs, **_options: output

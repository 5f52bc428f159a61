#!/usr/bin/env bash
# torch 2.13.0 (CPU): an activation in place behind a linear layer with bias makes its gradient copy tensors.
#
# Expected: nn.ReLU(inplace=True) saves memory and time in Linear -> ReLU, for inputs of any shape.
# Seen: with an input of more than two axes, the output of a linear layer with bias is a view of the
# matrix that it computed. Autograd records an operation in place on a view as CopySlices, whose
# gradient copies tensors of that size, here four times. Without bias, or with a flattened input, the
# output is no view and nothing is copied. The most common form, (batch, tokens, width) with bias, is
# the one that pays.
# Exits with 0 while torch behaves like this, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import torch
from torch import nn
from torch.profiler import profile

WIDTH = 64


def backward(shape, bias, inplace):
    """Whether the layer's output is a view, the graph's nodes, and numbers copied by the gradient."""
    layer = nn.Linear(WIDTH, WIDTH, bias=bias)
    inner = layer(torch.randn(*shape, WIDTH))
    view = inner._is_view()
    out = nn.ReLU(inplace=inplace)(inner)
    names = {out.grad_fn.name(), *(node.name() for node, _ in out.grad_fn.next_functions if node)}
    gradient = torch.ones_like(out)
    with profile(record_shapes=True) as trace:
        out.backward(gradient)
    large = [
        event
        for event in trace.events()
        if event.name == "aten::copy_"
        and torch.Size(event.input_shapes[0]).numel() >= 1024 * WIDTH
    ]
    return view, "torch::autograd::CopySlices" in names, len(large)


found = {
    (name, bias, inplace): backward(shape, bias, inplace)
    for name, shape in (("flat", (1024,)), ("batched", (16, 64)))
    for bias in (True, False)
    for inplace in (False, True)
}
print("input, bias, in place: output is a view, CopySlices in the graph, large copies in the gradient")
for case, told in found.items():
    print(*case, "->", *told)
odd = found.pop(("batched", True, True))
others = all(not slices and copies == 0 for _, slices, copies in found.values())
sys.exit(not (odd[0] and odd[1] and odd[2] >= 1 and others))
PYTHON

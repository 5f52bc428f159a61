#!/usr/bin/env bash
# torch 2.13.0 (CPU): FlopCounterMode counts no operations for scaled_dot_product_attention.
#
# Expected: the operations of its two matrix products, 2 * 2 * heads * tokens^2 * width, as on the math
# backend and as for the fused kernels of GPUs; or a warning that the kernel has no formula.
# Seen: the default backend on a CPU counts 0, in the forward and in the backward pass, without a
# warning. A utilisation computed from the total is too low, the more so the longer the texts.
# Exits with 0 while torch behaves like this, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

heads, tokens, width = 2, 64, 32
query = torch.randn(1, heads, tokens, width, requires_grad=True)
forward = 2 * 2 * heads * tokens**2 * width


def counted(backward):
    with FlopCounterMode(display=False) as counter:
        out = scaled_dot_product_attention(query, query, query)
        if backward:
            out.sum().backward()
    return counter.get_total_flops()


with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    default = [counted(False), counted(True)]
with sdpa_kernel(SDPBackend.MATH):
    math = [counted(False), counted(True)]
print("operations of the forward pass:", forward)
print("counted, default backend on the CPU (forward, both passes):", default)
print("counted, math backend (forward, both passes):", math)
print("warnings:", [str(each.message) for each in warned])
sys.exit(not (default == [0, 0] and math == [forward, 3 * forward] and not warned))
PYTHON

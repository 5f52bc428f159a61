"""Floating-point operations of a call, and rates that a device reaches on its own."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


class Rates(NamedTuple):
    """What a device reaches: operations per second in products, bytes per second in copies."""

    float32: float
    bfloat16: float
    copies: float


def counted(call: Callable[[], Any], device: str) -> int:
    """Operations of the matrix products and attentions in a call: two per multiplication.

    Elementwise work does not count, as usual for shares of a peak (model FLOPs).
    """
    # The counter has no formula for the CPU's fused attention; in plain products it is counted.
    kernels = sdpa_kernel(SDPBackend.MATH) if device == "cpu" else nullcontext()
    with kernels, FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def settled(device: str) -> None:
    """Wait for what the device still computes."""
    if device == "cuda":
        torch.cuda.synchronize()


def timed(
    step: Callable[[], Any], device: str, budget_s: float, warm_up: int = 2, most: int = 100
) -> list[float]:
    """Seconds of each of some steps, at least one, within a budget that includes the warm-up."""
    end = time.perf_counter() + budget_s
    for _ in range(warm_up):
        step()
    settled(device)
    taken: list[float] = []
    while not taken or (len(taken) < most and time.perf_counter() + min(taken) < end):
        start = time.perf_counter()
        step()
        settled(device)
        taken.append(time.perf_counter() - start)
    return taken


def rates(device: str, side: int, copied_bytes: int, budget_s: float) -> Rates:
    """Rates in a square product of `side` and in a copy of so many bytes, the fastest of several.

    Float32 without TF32, as in training here.
    """
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        seconds = timed(partial(torch.matmul, a, b), device, budget_s / 3)
        found[dtype] = 2 * side**3 / min(seconds)
    held = torch.zeros(copied_bytes, dtype=torch.uint8, device=device)
    other = torch.empty_like(held)
    seconds = timed(lambda: other.copy_(held), device, budget_s / 3)
    copies = 2 * copied_bytes / min(seconds)  # read and written
    return Rates(found[torch.float32], found[torch.bfloat16], copies)

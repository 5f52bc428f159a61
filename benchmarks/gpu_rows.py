"""Rows of `gpu.py`: steps in milliseconds, and what they are of a card's own rates and its peak."""

import statistics
from collections.abc import Sequence
from typing import Any

import torch

Row = dict[str, Any]

SEED = 20260101

# Operations per second of vendors' data sheets: dense, bfloat16.
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}


def name() -> str:
    """The card's name; without one that of the processor's kind."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


def small(device: str) -> bool:
    """Whether sizes are tiny: without a GPU the cases are only tried."""
    return device == "cpu"


def shares(row: Row, card: Row) -> Row:
    """What a row's operations and bytes are, per second, of the card's own rates and its peak."""
    if not card or "step_ms" not in row:
        return {}
    seconds, found = row["step_ms"] / 1000, {}
    if operations_of := row.get("operations"):
        rate = operations_of / seconds
        products = card[f"{row['precision']}_tflops"] * 1e12
        found = {"tflops": round(rate / 1e12, 2), "of_product": round(rate / products, 4)}
        peak = next((peak for part, peak in PEAKS.items() if part in name()), None)
        if peak:
            found["mfu"] = round(rate / peak, 4)
    if moved := row.get("bytes"):
        found["of_bandwidth"] = round(moved / seconds / (card["copies_gb_s"] * 1e9), 4)
    return found


def steps(case: str, taken: Sequence[float], **notes: Any) -> Row:
    """The row of some steps, by their seconds."""
    times = {"step_ms": min(taken), "median_ms": statistics.median(taken)}
    rounded = {key: round(1000 * seconds, 3) for key, seconds in times.items()}
    row = {"case": case, **rounded, "steps": len(taken), **notes}
    if torch.cuda.is_available():
        row["peak_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return row

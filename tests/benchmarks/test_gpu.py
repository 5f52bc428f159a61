"""The benchmark of one GPU: counted operations, shares, and cases that fail or take too long."""

import sys
import time

import gpu
import gpu_cases
import gpu_rows
import operations
import pytest
import torch
from torch.nn import functional

SIDE = 8


def test_operations_are_those_of_products_and_attention():
    a, b = torch.randn(3, 5), torch.randn(5, 7)
    assert operations.counted(lambda: a @ b, "cpu") == 2 * 3 * 5 * 7
    weight = torch.randn(5, 7, requires_grad=True)
    # Forward, and backward with respect to the weight only.
    assert operations.counted(lambda: (a @ weight).sum().backward(), "cpu") == 4 * 3 * 5 * 7
    q, k, v = (torch.randn(2, 4, SIDE, 3) for _ in range(3))
    both = 2 * 2 * (2 * 4 * SIDE * SIDE * 3)
    attention = functional.scaled_dot_product_attention
    assert operations.counted(lambda: attention(q, k, v), "cpu") == both


def test_steps_stop_with_their_budget():
    calls = []

    def step():
        calls.append(time.sleep(0.02))

    start = time.perf_counter()
    taken = operations.timed(step, "cpu", 0.2, warm_up=1)
    assert 1 <= len(taken) <= 9
    assert time.perf_counter() - start < 2
    assert len(operations.timed(step, "cpu", 0.0)) == 1
    assert len(operations.timed(step, "cpu", 60.0, most=2)) == 2


def test_shares_are_of_the_cards_own_rates_and_its_peak(monkeypatch):
    monkeypatch.setattr(gpu_rows, "name", lambda: "NVIDIA H200")
    card = {"float32_tflops": 50.0, "bfloat16_tflops": 800.0, "copies_gb_s": 4000.0}
    row = {"step_ms": 10.0, "precision": "bfloat16", "operations": 4e12, "bytes": 2e10}
    found = gpu_rows.shares(row, card)
    assert found == {"tflops": 400.0, "of_product": 0.5, "mfu": 0.4044, "of_bandwidth": 0.5}
    monkeypatch.setattr(gpu_rows, "name", lambda: "a card without a data sheet here")
    assert "mfu" not in gpu_rows.shares(row, card)
    assert gpu_rows.shares({"case": "decoder", "failed": "…"}, card) == {}


def command(code):
    return [sys.executable, "-c", code]


def test_a_case_that_takes_too_long_keeps_its_whole_rows():
    printed = 'print(\'{"case": "a"}\'); print("{", end="", flush=True)'
    rows, reason = gpu.rows_of(command(f"import time; {printed}; time.sleep(60)"), 3.0)
    assert rows == [{"case": "a"}]
    assert reason == "ended after 3 s"


def test_a_case_that_fails_says_why():
    code = 'print(\'{"case": "a"}\'); raise ValueError("no such card")'
    rows, reason = gpu.rows_of(command(code), 30.0)
    assert rows == [{"case": "a"}]
    assert reason == "ValueError: no such card"


def test_all_cases_take_less_than_ten_minutes():
    assert sum(case.seconds for case in gpu_cases.CASES.values()) < 550


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    gpu_cases.prepare(folder, tiny=True)
    return folder


LONG = {"decoder"}


@pytest.mark.parametrize(
    "case",
    [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in gpu_cases.CASES],
)
def test_a_case_runs_on_a_cpu_at_a_tiny_size(graphs, case):
    """Nobody runs the script for months, while the code that it measures goes on."""
    rows = list(gpu_cases.CASES[case].run(graphs, "cpu", 0.1))
    assert rows
    card = {"float32_tflops": 1.0, "bfloat16_tflops": 1.0, "copies_gb_s": 1.0}
    for row in rows:
        assert row["case"]
        needed = "bytes" if case == "replies" else "operations"
        assert {"step_ms", needed} <= set(row) or case == "card"
        gpu_rows.shares(row, card)

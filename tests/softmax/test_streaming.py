"""Blockwise adaptive attention against the direct form, and its memory."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from workflow_scripts.shared import adaptive_temperature
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.softmax import streaming

COEFFICIENTS = adaptive_temperature.published(
    ROOT / "resources/published/softmax_adaptive_temperature_polynomial.csv"
)


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 200), st.integers(1, 64), st.integers(0, 10**6))
def test_blocks_give_the_direct_result(queries, items, block, seed):
    rng = np.random.default_rng(seed)
    query, key = 2 * rng.normal(size=(queries, 8)), rng.normal(size=(items, 8))
    value = rng.normal(size=(items, 3))
    direct = streaming.direct(query, key, value, COEFFICIENTS)
    blocks = streaming.streamed(query, key, value, COEFFICIENTS, block)
    assert blocks == pytest.approx(direct, abs=1e-12)


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 64), st.floats(0.1, 30.0), st.integers(0, 10**6))
def test_one_pass_entropy_agrees_with_scipy(items, block, size, seed):
    rng = np.random.default_rng(seed)
    query, key = size * rng.normal(size=(3, 4)), rng.normal(size=(items, 4))
    maximum, entropy = streaming.row_statistics(query, key, block)
    logits = query @ key.T
    assert maximum == pytest.approx(logits.max(-1))
    assert entropy == pytest.approx(stats.entropy(special.softmax(logits, -1), axis=-1), abs=1e-9)


def test_memory_does_not_grow_with_the_keys():
    """A few blocks are held; the listing, measured in the same way, holds all logits and more."""

    def peak(attention, items, *block):
        rng = np.random.default_rng(0)
        query, key = rng.normal(size=(8, 16)), rng.normal(size=(items, 16))
        tracemalloc.start()
        attention(query, key, key, COEFFICIENTS, *block)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found / (8 * items * 8)  # in units of all logits, 8 bytes each

    assert peak(streaming.streamed, 20_000, 256) < 0.1
    assert peak(streaming.streamed, 80_000, 256) < 0.025
    assert peak(streaming.direct, 80_000) > 1

"""The paper's lemmas against closed forms, brute force and reference values."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.glasses import sensitivity, theory
from workflow_scripts.shared.fingerprint import ROOT

torch.set_num_threads(1)
THRESHOLDS = pd.read_csv(ROOT / "resources/published/glasses_thresholds.csv").set_index("finding")


def told(rows, **wanted):
    """Values of the rows that have the wanted entries."""
    return [row["value"] for row in rows if all(row.get(k) == v for k, v in wanted.items())]


@given(st.integers(1, 6), st.integers(1, 5))
def test_paths_are_counted_by_listing_them(tokens, layers):
    for start in range(1, tokens + 1):
        between = itertools.product(range(start, tokens + 1), repeat=layers - 1)
        listed = sum(list(way) == sorted(way) for way in between)
        assert sensitivity.path_count(tokens - start, layers) == listed


def test_paths_are_powers_of_the_causal_matrix():
    causal = np.tril(np.ones((16, 16), dtype=object).astype(int)).astype(object)
    for layers in (1, 4, 8, 32):
        power = np.linalg.matrix_power(causal, layers)
        for place in range(16):
            assert sensitivity.path_count(15 - place, layers) == power[15, place]


@pytest.mark.parametrize(
    ("layers", "weight"), [(1, 0.031), (4, 0.234), (8, 0.565), (16, 0.916), (32, 0.999)]
)
def test_weight_on_token_1_is_the_reference_value(layers, weight):
    row = sensitivity.averaged(sensitivity.uniform_causal(16), layers)
    assert float(row[0]) == pytest.approx(weight, abs=6e-4)
    assert float(row.sum()) == pytest.approx(1.0)
    assert told(theory.paths([layers], 16), metric="averaged_weight", position=1) == [float(row[0])]


@given(st.integers(0, 1000), st.integers(3, 12))
def test_token_1_gains_with_every_layer(seed, tokens):
    """Mass moves only towards token 1, which is absorbing."""
    rng = np.random.default_rng(seed)
    logits = np.where(np.tri(tokens, dtype=bool), rng.uniform(0, 3, (tokens, tokens)), -np.inf)
    weights = torch.from_numpy(theory.softmax(logits, axis=1))
    first = [float(sensitivity.averaged(weights, layers)[0]) for layers in (1, 2, 4, 8, 64, 4096)]
    assert first == sorted(first)
    assert first[-1] > 0.999


def test_the_distance_decays_as_the_reference_says():
    """Figure 9's simulation, NumPy's default generator with seeds 0 to 4."""
    sizes = [200, 400, 800, 1600, 3200, 6400, 12800]
    reference = [0.0253, 0.0284, 0.0202, 0.0112, 0.0062, 0.0031, 0.0016]
    found = [
        np.mean([theory.variation(np.random.default_rng(seed), size) for seed in range(5)])
        for size in sizes
    ]
    assert found == pytest.approx(reference, rel=0.05)


def test_figure_9_is_reproduced():
    """Mean of five seeds; the reading error is 0.0002, seeds differ by some percent."""
    table = pd.read_csv(ROOT / "resources/published/glasses_gap_digitised.csv")
    shown = table[table["figure"] == "9"]
    rows = theory.variations(1, 5, shown["length"].tolist())
    found = told(rows, metric="variation_l1")
    np.testing.assert_allclose(found, shown["mean"], rtol=0.06, atol=2e-4)
    (limit,) = [row for row in rows if row["metric"] == "variation_limit"]
    assert limit["ci_low"] < 0 < limit["ci_high"] < 3e-3


def test_alternating_sequences_keep_the_published_distance():
    rows = theory.alternating([2, 10, 5000])
    published = THRESHOLDS.loc[
        "limit of the alternating-sequence total variation (Prop. B.4)", "value"
    ]
    for size in (2, 10, 5000):
        direct = size / 2 * 2 * (math.e - 1) / (size / 2 * (math.e + 1))
        assert told(rows, metric="variation_l1", length=size)[0] == pytest.approx(direct, rel=1e-12)
        assert direct == pytest.approx(float(published), abs=1e-6)
    assert told(rows, metric="closed_form_error")[0] < 1e-12


def test_a_lower_last_weight_is_no_violation_and_an_equal_one_is(monkeypatch):
    rows = theory.insertion(np.random.default_rng(0), 50, [2, 16, 64, 256])
    assert told(rows, metric="violations") == [0]
    # Of bounded logits the weight is between e^-5 / n and e^5 / n, so its limit is 0.
    assert told(rows, metric="last_weight_limit")[0] == pytest.approx(0.0, abs=5e-3)
    monkeypatch.setattr(theory, "softmax", lambda logits, axis: 1 / (1 + np.exp(-logits)))
    rows = theory.insertion(np.random.default_rng(0), 50, [2, 16, 64, 256])
    assert told(rows, metric="violations") == [200]
    assert told(rows, metric="last_weight_limit")[0] > 0.5


def test_the_chains_first_term_equals_its_second():
    """One more entry scales the other weights down by its own, so both terms are its weight."""
    rng = np.random.default_rng(1)
    for size in (2, 9, 300):
        gap, shared, repeated = theory._chain(rng, size, 8)
        assert shared == pytest.approx(repeated, rel=1e-9)
        assert 0 < gap <= shared + repeated
    rows = theory.chain(rng, 10, [4, 64], 8)
    assert told(rows, metric="chain_violations") == [0]


def test_only_attention_both_ways_is_blind_to_counts():
    rows = theory.ratios(3, 8, 3)
    assert told(rows, encoding="bidirectional")[0] < 1e-12
    assert told(rows, encoding="causal")[0] > 1e-2


def test_a_u_is_told_from_a_slope():
    place = np.linspace(-1, 1, 12)
    u, slope = (np.stack([values, 2 * values]) for values in (0.2 + place**2, 1.5 + place))
    for values, above in ((u, True), (slope, False)):
        rows = sensitivity.profile("X", {"bound": values}, "cases")
        ends = [told(rows, metric=f"{end}_bound")[0] for end in ("front", "back")]
        assert (min(ends) > 1) == above
        relative = told(rows, metric="sensitivity_bound")
        assert np.mean(relative) == pytest.approx(1.0)


def test_slack_and_rank_compare_each_sample_with_its_bound():
    values = np.array([[1.0, 2.0, 4.0, 3.0, 5.0, 6.0]])
    rows = sensitivity.profile("X", {"bound": 100 * values, "fixed": values}, "cases")
    assert told(rows, metric="slack_decades_fixed")[0] == pytest.approx(2.0)
    assert told(rows, metric="rank_fixed")[0] == pytest.approx(1.0)

"""Power-propagation's two forms, and the regression that shows which solutions are reachable."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.optimizers.test_training import PARTS
from workflow_scripts.optimizers import power_propagation as power
from workflow_scripts.optimizers import theory
from workflow_scripts.optimizers.scores import path_gap_orders


@given(st.floats(-3, 3), st.floats(1, 5))
def test_powered_and_rooted_are_inverse(value, alpha):
    theta = torch.tensor([value], dtype=torch.float64)
    assert float(power.powered(power.rooted(theta, alpha), alpha)) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("alpha", [1.5, 2.0, 3.0])
def test_the_slope_is_the_derivative(alpha):
    phi = torch.tensor([-1.3, -0.2, 0.4, 2.0], dtype=torch.float64, requires_grad=True)
    power.powered(phi, alpha).sum().backward()
    torch.testing.assert_close(power.slope(phi.detach(), alpha), phi.grad)


def test_known_preconditioner():
    theta = torch.tensor([0.25, -0.5, 0.0])
    torch.testing.assert_close(power.preconditioner(theta, 2.0), 4 * theta.abs())
    torch.testing.assert_close(power.preconditioner(theta, 1.0), torch.ones(3))


def test_powers_of_each_network_are_those_of_its_exponent():
    exponents = [0.0, 0.5, 1.0, 4 / 3, 1.5, 1.6, 2.0, 3.5, 4.0, 4.5, 7.0]
    base = np.random.default_rng(0).exponential(size=(len(exponents), 3, 5))
    base[:, 0, 0] = 0
    found = power.powers(torch.from_numpy(base), torch.tensor(exponents, dtype=torch.float64))
    wanted = base ** np.array(exponents)[:, None, None]
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-14)


@pytest.mark.parametrize("form", power.FORMS)
def test_a_step_is_the_formula_with_exponent_1_for_biases(form):
    generator = torch.Generator().manual_seed(0)
    w, g = torch.randn(2, 5, 3, 4, generator=generator, dtype=torch.float64)
    alphas, rate = torch.tensor([1.0, 2.0, 2.5, 3.0, 5.0]), 0.1
    optimizer = power.optimizer(form, alphas, rate)
    direction, _ = optimizer.step(g, w, optimizer.start(w), None)
    alpha = alphas.double()[:, None, None].repeat(1, 3, 4)
    alpha[..., -1] = 1
    if form == "preconditioned":
        wanted = power.preconditioner(w, alpha) * g
    else:
        phi = power.rooted(w, alpha)
        wanted = (w - power.powered(phi - rate * power.slope(phi, alpha) * g, alpha)) / rate
    torch.testing.assert_close(direction, wanted)


def test_a_zero_stays_zero_in_both_forms():
    w = torch.tensor([[[0.0, 0.3, 0.1]]], dtype=torch.float64)
    g = torch.ones_like(w)
    alphas = torch.tensor([2.0])
    for optimizer in (
        power.Preconditioned(alphas),
        power.Reparameterised(alphas, torch.tensor([0.1])),
    ):
        direction, _ = optimizer.step(g, w, optimizer.start(w), None)
        assert float(direction[0, 0, 0]) == 0
        assert float(direction[0, 0, 1]) > 0
        assert float(direction[0, 0, 2]) == pytest.approx(1)  # the bias takes the plain step


def test_only_the_reparameterised_form_can_step_through_zero():
    w, g = torch.tensor([[[0.01, 0.0]]]), torch.tensor([[[5.0, 0.0]]])
    alphas, rate = torch.tensor([2.0]), 0.1
    optimizer = power.Reparameterised(alphas, torch.tensor([rate]))
    moved = w - rate * optimizer.step(g, w, optimizer.start(w), None)[0]
    # phi = 0.1, phi' = 0.1 - 0.1 * 2 * 0.1 * 5 = 0.
    assert float(moved[0, 0, 0]) == pytest.approx(0.0, abs=1e-8)
    moved = w - rate * optimizer.step(2 * g, w, optimizer.start(w), None)[0]
    assert float(moved[0, 0, 0]) == pytest.approx(-0.01)


def test_the_identity_holds_and_a_wrong_exponent_shows(monkeypatch):
    rows = pd.DataFrame(theory.identity([1.5, 2.0, 3.0], 200, 1))
    worst = rows.groupby("metric")["value"].max()
    assert worst["identity_error"] < 1e-12
    assert worst["finite_step_error"] < 1e-5
    monkeypatch.setattr(power, "preconditioner", lambda t, a: a**2 * t.abs() ** (1 - 1 / a))
    rows = pd.DataFrame(theory.identity([2.0], 200, 1))
    assert rows["value"].max() > 0.1


def test_the_step_that_o7a_names_shows_a_wrong_preconditioner(monkeypatch):
    """The judged number is that of the finite step; the derivative alone would not show this."""
    monkeypatch.setattr(power, "powered", lambda phi, a: phi.sign() * phi.abs() ** (1.01 * a))
    rows = pd.DataFrame(theory.identity([2.0], 200, 1)).set_index("metric")["value"]
    assert rows["identity_error"] < 1e-12
    assert rows["finite_step_error"] > 1e-2


def gap_rows(gaps, flipped):
    """Rows of `theory` at two rates; `gaps` and `flipped` have shape (rates, seeds)."""
    found = [{"alpha": 5.0, "metric": "identity_error", "value": 0.0}]
    for rate, row, signs in zip((0.1, 0.05), gaps, flipped, strict=True):
        place = {"alpha": 2.0, "learning_rate": rate}
        for seed, (gap, sign) in enumerate(zip(row, signs, strict=True)):
            found.append(place | {"metric": "path_gap", "seed": seed, "value": gap})
            found.append(place | {"metric": "sign_flipped", "seed": seed, "value": float(sign)})
    return pd.DataFrame(found)


def test_the_order_is_a_median_without_runs_whose_signs_flip():
    slow = np.full(10, 1e-3)
    slow[0], slow[1] = 1.0, 0.03  # a flip, and a path that crosses a kink of the ReLU
    flips = np.zeros((2, 10), bool)
    flips[1, 0] = True
    rows = {r["metric"]: r for r in path_gap_orders(gap_rows([np.full(10, 2e-3), slow], flips))}
    assert rows["sign_flip_runs"]["value"] == 1
    assert rows["sign_flip_runs"]["n"] == 10
    order = rows["path_gap_order"]
    assert order["n"] == 9
    assert order["value"] == pytest.approx(1.0)
    few = path_gap_orders(gap_rows([np.full(5, 2e-3), np.full(5, 1e-3)], np.zeros((2, 5), bool)))
    assert few[1]["ci_low"] is None  # five runs give no interval of 95 % for a median


def test_a_sign_change_of_a_weight_counts_and_one_of_a_bias_does_not():
    start = {"layer1": torch.tensor([[[0.2, -0.1, 0.0]], [[0.2, -0.1, 0.0]]])}
    now = {"layer1": torch.tensor([[[0.1, -0.3, 0.5]], [[0.1, 0.01, -0.5]]])}
    assert theory.flips(start, now).tolist() == [False, True]


@pytest.mark.slow
def test_the_gap_between_the_forms_falls_with_the_rate():
    rows = pd.DataFrame(theory.gaps(PARTS, [2], [0.08, 0.04, 0.02], 4.0, 2, 3))
    rows = rows[rows["metric"] == "path_gap"]
    gaps = rows.pivot(index="learning_rate", columns="seed", values="value").sort_index()
    ratios = gaps.iloc[1] / gaps.iloc[0]
    assert ratios.between(1.8, 2.2).all()


def test_gradient_descent_finds_the_least_norm_solution_adam_another():
    rows = pd.DataFrame(theory.regression(3, 5))
    assert rows.loc[rows["metric"].str.startswith("outside_span_"), "exact"].all()
    found = rows.groupby(["metric", "optimizer"])["value"].agg(["min", "max"])
    assert found.loc[("misfit", "adam"), "max"] < 1e-6
    assert found.loc[("outside_span", "sgd"), "max"] < 1e-9
    assert found.loc[("outside_span", "adam"), "min"] > 0.05

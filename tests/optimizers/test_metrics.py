"""Metrics against closed forms, brute force and trusted libraries."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.optimizers import hessian, landscape, linear, metrics, network, pruning
from workflow_scripts.optimizers.network import flatten, unflatten
from workflow_scripts.optimizers.updates import Sgd


def test_ranks_of_known_spectra():
    values = torch.tensor([[1.0, 1, 1, 1], [1, 0, 0, 0], [2, 1, 0.001, 0]], dtype=torch.float64)
    assert metrics.effective_rank(values)[:2].tolist() == pytest.approx([4, 1])
    assert metrics.stable_rank(values).tolist() == pytest.approx([4, 1, (4 + 1 + 1e-6) / 4])
    assert metrics.counted_rank(values).tolist() == [4, 1, 2]


@given(st.lists(st.floats(0.01, 10), min_size=2, max_size=8), st.floats(0.1, 100))
def test_effective_rank_is_bounded_and_has_no_scale(values, scale):
    tensor = torch.tensor([values], dtype=torch.float64)
    rank = float(metrics.effective_rank(tensor))
    assert 1 - 1e-9 <= rank <= len(values) + 1e-9
    assert float(metrics.effective_rank(scale * tensor)) == pytest.approx(rank)


def test_activation_values_agree_with_numpy():
    rows = np.random.default_rng(0).normal(size=(50, 6))
    expected = np.linalg.svd(rows - rows.mean(0), compute_uv=False)
    found = metrics.activation_values(torch.from_numpy(rows)[None])[0]
    assert found.tolist() == pytest.approx(expected.tolist())


def test_continual_metrics_of_a_known_matrix():
    # Rows: after which task; columns: on which task.
    matrix = torch.tensor([[[0.9, 0.2, 0.1], [0.6, 0.8, 0.3], [0.7, 0.5, 0.9]]])
    untrained = torch.tensor([[0.1, 0.15, 0.1]])
    assert float(metrics.average_accuracy(matrix)) == pytest.approx(0.7)
    assert float(metrics.forgetting(matrix)) == pytest.approx((0.2 + 0.3) / 2)
    assert float(metrics.backward_transfer(matrix)) == pytest.approx((-0.2 - 0.3) / 2)
    expected = ((0.2 - 0.15) + (0.3 - 0.1)) / 2
    assert float(metrics.forward_transfer(matrix, untrained)) == pytest.approx(expected)


def test_forgetting_counts_the_best_earlier_accuracy_backward_transfer_the_first():
    matrix = torch.tensor([[[0.5, 0.0, 0.0], [0.9, 0.5, 0.0], [0.5, 0.5, 0.5]]])
    assert float(metrics.forgetting(matrix)) == pytest.approx(0.2)
    assert float(metrics.backward_transfer(matrix)) == pytest.approx(0.0)


def test_overlap_of_known_subspaces():
    first = torch.zeros(1, 4, 8)
    first[0, :3, :3] = torch.diag(torch.tensor([3.0, 2.0, 1.0]))
    second = torch.zeros(1, 4, 8)
    second[0, :3, 2:5] = torch.diag(torch.tensor([3.0, 2.0, 1.0]))
    assert float(metrics.overlap(first, first, 3)) == pytest.approx(1)
    assert float(metrics.overlap(first, second, 3)) == pytest.approx(1 / 3)


def test_sparsity_of_known_vectors():
    flat, single = torch.ones(1, 9), torch.eye(9)[:1]
    assert float(metrics.hoyer(flat)) == pytest.approx(0)
    assert float(metrics.hoyer(single)) == pytest.approx(1)
    assert float(metrics.small_share(single)) == pytest.approx(8 / 9)


def test_margins_and_distances():
    logits = torch.tensor([[[2.0, 0.5, 1.0], [0.0, 3.0, 1.0]]])
    assert metrics.margins(logits, torch.tensor([[0, 2]])).tolist() == [[1.0, -2.0]]
    hot = 100 * torch.eye(3)[None]
    assert float(metrics.function_distance(hot, hot.roll(1, -1))) == pytest.approx(1)
    assert float(metrics.function_distance(hot, hot)) == 0


def test_cosines_of_classes():
    rows = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]]])
    cosines = metrics.class_cosines(rows, torch.tensor([[0, 0, 1]]), 2)
    torch.testing.assert_close(cosines[0], torch.eye(2))
    assert metrics.off_diagonal(cosines).tolist() == [[0.0, 0.0]]


def test_pruning_of_a_known_layer():
    first = torch.tensor([[[0.1, -5.0, 2.0, 9.0], [3.0, -0.2, 0.3, 9.0]]])  # last column: biases
    last = torch.tensor([[[1.0, -2.0, 0.5], [0.1, 0.2, 0.5]]])
    kept = pruning.pruned({"layer1": first, "layer2": last}, 0.5)
    expected = torch.tensor([[[0.0, -5.0, 2.0, 9.0], [3.0, 0.0, 0.0, 9.0]]])
    torch.testing.assert_close(kept["layer1"], expected)
    torch.testing.assert_close(kept["layer2"], last)  # twice the share: all
    few = pruning.pruned({"layer1": first, "layer2": last}, 0.01)
    assert [int((t[..., :-1] != 0).sum()) for t in few.values()] == [1, 1]
    levels = pruning.levels(0.01, 20)
    assert (levels[0], levels[-1], len(levels)) == (pytest.approx(0.01), 1.0, 20)


def test_lanczos_on_a_known_quadratic():
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(2, 12, 12, generator=generator, dtype=torch.float64))[0]
    values = torch.linspace(-3, 5, 12, dtype=torch.float64).expand(2, -1) * torch.tensor([[1], [2]])
    form = (basis * values[:, None]) @ basis.mT
    start = torch.randn(2, 12, generator=generator, dtype=torch.float64)
    for steps in (12, 40):
        top = hessian.lanczos(lambda v: (form @ v[..., None])[..., 0], start, steps)
        assert top.tolist() == pytest.approx([5, 10], rel=1e-9)


def test_curvature_of_a_network_agrees_with_the_whole_hessian():
    parameters = {
        name: tensor[None].double() for name, tensor in network.initial(3, [4, 3, 10]).items()
    }
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, 20, 4, generator=generator, dtype=torch.float64)
    y = torch.randint(10, (1, 20), generator=generator)

    def loss(vector):
        own = {n: t[0] for n, t in unflatten(vector[None], parameters).items()}
        return network.loss(own, x[0], y[0])

    whole = torch.func.hessian(loss)(flatten(parameters)[0])
    expected = float(torch.linalg.eigvalsh(whole)[-1])
    found = hessian.sharpness(parameters, x, y, 40, torch.Generator().manual_seed(2))
    assert float(found) == pytest.approx(expected, rel=1e-6)
    trace, error = hessian.trace(parameters, x, y, 400, torch.Generator().manual_seed(3))
    assert abs(float(trace) - float(whole.trace())) < 4 * float(error)
    assert float(error) < 0.1 * float(whole.trace())


def test_landscape_gradient_and_minima():
    points = torch.randn(30, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = torch.func.vmap(torch.func.grad(landscape.height))(points)
    torch.testing.assert_close(landscape.gradient(points), expected)
    found = landscape.minima()
    assert len({minimum.at for minimum in found}) == len(landscape.WELLS)
    ends = landscape.run(landscape.gradient, Sgd(0.0), points, 0.02, 3000)[0]
    assert (landscape.basins(ends, found) >= 0).all()
    assert landscape.basins(torch.full((1, 2), 9.0), found).tolist() == [-1]
    assert landscape.basins(torch.full((1, 2), torch.nan), found).tolist() == [-1]


def test_paths_into_a_valley_end_where_the_closed_form_says():
    rows = pd.DataFrame(landscape.valley())
    errors = rows[rows["metric"] == "end_point_error"]["value"]
    assert len(errors) == 4
    assert errors.max() < 1e-6
    ends = rows[rows["metric"] == "path"].groupby("optimizer")[["x", "y"]].last().round(3)
    assert len(ends.drop_duplicates()) == 4


def test_modes_solve_their_equation_of_motion():
    """Against a Runge-Kutta solution of da/dt = 2 a (s - a)."""
    from scipy.integrate import solve_ivp

    time = np.linspace(0, 4, 30)
    for size in linear.MODES:
        motion = solve_ivp(
            lambda _, a, s=size: 2 * a * (s - a), (0, 4), [1e-3], t_eval=time, rtol=1e-9, atol=1e-12
        )
        assert linear.mode(time, size, 1e-3) == pytest.approx(motion.y[0], rel=1e-6)


def test_gradient_descent_follows_the_rank_of_the_closed_form(monkeypatch):
    monkeypatch.setattr(linear, "FLOW_TIME", 3.0)
    rows = pd.DataFrame(linear.control(5, 3))
    errors = rows.groupby("metric")["value"].max()
    assert errors["mode_error"] < 5e-3
    assert errors["rank_error"] < 2e-2
    assert rows[rows["metric"] == "rank"]["value"].max() > 1.5

"""Jacobians against finite differences and the bound against a sum over single paths."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.inference import tiny
from workflow_scripts.glasses import changed_attention, model_sensitivity, sensitivity
from workflow_scripts.inference import engines

torch.set_num_threads(1)


def made(seed, layers, width, tokens):
    generator = torch.Generator().manual_seed(seed)
    net = sensitivity.draw(generator, layers, width)
    return net, torch.randn(tokens, width, generator=generator, dtype=torch.float64)


def by_steps(function, states, step=1e-6):
    """Spectral norms (tokens,) of the Jacobian of `function` by central differences."""
    norms = []
    for place in range(len(states)):
        columns = []
        for entry in range(states.shape[1]):
            sides = []
            for sign in (1, -1):
                moved = states.clone()
                moved[place, entry] += sign * step
                sides.append(function(moved))
            columns.append((sides[0] - sides[1]) / (2 * step))
        norms.append(float(torch.linalg.matrix_norm(torch.stack(columns, 1), ord=2)))
    return norms


@pytest.mark.parametrize("alibi", [False, True])
def test_jacobians_by_finite_differences(alibi):
    net, tokens = made(0, 2, 6, 5)
    lambdas = sensitivity.run(net, tokens, alibi).lambdas
    for fixed, held in ((True, lambdas), (False, None)):
        found = sensitivity.jacobian_norms(net, tokens, alibi, fixed)
        wanted = by_steps(lambda v, held=held: sensitivity.run(net, v, alibi, held).last, tokens)
        assert found.tolist() == pytest.approx(wanted, rel=1e-5)


def test_the_bound_is_its_sum_over_single_paths():
    net, tokens = made(1, 3, 6, 4)
    trace = sensitivity.run(net, tokens, False)
    factor = 1 / float(trace.beta_3)
    for layer, spread in zip(net, trace.beta_2, strict=True):
        lipschitz = np.linalg.norm(layer.inner, 2) * np.linalg.norm(layer.outer, 2)
        factor *= lipschitz / float(spread.min()) + 1
    for start in range(4):
        total = 0.0
        for way in itertools.product(range(4), repeat=2):
            path = [start, *way, 3]
            weight = 1.0
            for (source, target), lambdas, spread in zip(
                itertools.pairwise(path), trace.lambdas, trace.beta_1, strict=True
            ):
                weight *= float(lambdas[target, source] / spread.min()) + (source == target)
            total += weight
        found = float(sensitivity.bound(net, trace)[start])
        assert found == pytest.approx(factor * total, rel=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(2, 9), st.booleans())
def test_the_bound_holds_on_random_decoders(seed, layers, tokens, alibi):
    net, drawn = made(seed, layers, 8, tokens)
    limit = sensitivity.bound(net, sensitivity.run(net, drawn, alibi))
    assert (sensitivity.jacobian_norms(net, drawn, alibi, True) <= limit * (1 + 1e-9)).all()


def test_alibi_prefers_what_is_near():
    net, tokens = made(2, 1, 6, 9)
    plain = sensitivity.lambda_of(net[0], tokens, False)
    near = sensitivity.lambda_of(net[0], tokens, True)
    ratio = (near / plain)[-1].log()
    np.testing.assert_allclose(ratio.diff(), sensitivity.RECENCY_SLOPE, atol=1e-12)
    assert near.triu(1).abs().max() == 0


@pytest.fixture(scope="module", params=["qwen3", "llama"])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / request.param
    tiny.save(folder, request.param, hidden=24, spread=0.3)
    return engines.load("tiny", tiny.SPEC, str(folder)).model


IDS = [5, 9, 9, 30, 9, 41]


def test_a_models_jacobians_by_finite_differences_of_the_library(model):
    own = model.double()
    embedded = own.get_input_embeddings()(torch.tensor([IDS]))[0].detach()

    @torch.no_grad()
    def last(states):
        return own.base_model(inputs_embeds=states[None]).last_hidden_state[0, -1]

    found = model_sensitivity.norms(model_sensitivity.measurable(own), IDS)
    # The library's RMSNorm rounds to float32, so steps are coarse.
    assert found.varying.tolist() == pytest.approx(by_steps(last, embedded, 3e-3), rel=5e-3)


def test_a_models_bound_holds_and_is_not_empty(model):
    found = model_sensitivity.norms(model_sensitivity.measurable(model), IDS)
    assert (found.fixed <= found.bound * (1 + 1e-9)).all()
    assert (found.bound < 1e4 * found.fixed).all()
    assert not np.allclose(found.fixed, found.varying, rtol=1e-3)
    assert found.least["fixed"] is found.most["fixed"] is found.fixed


def test_a_wide_models_norms_are_estimated_with_an_interval(model, monkeypatch):
    """The same model by whole Jacobians, and by projections."""
    exact = model_sensitivity.norms(model_sensitivity.measurable(model), IDS)
    monkeypatch.setattr(model_sensitivity, "EXACT_WIDTH", 8)
    monkeypatch.setattr(model_sensitivity, "PROJECTIONS", 400)
    found = model_sensitivity.norms(model_sensitivity.measurable(model), IDS)
    np.testing.assert_allclose(found.bound, exact.bound, rtol=1e-3)
    assert (found.bound > exact.bound).all()
    for kind, norm in (("fixed", exact.fixed), ("varying", exact.varying)):
        # One draw serves all tokens, and one interval in twenty misses: by little.
        assert ((found.least[kind] <= 1.05 * norm) & (0.95 * norm <= found.most[kind])).all()
        np.testing.assert_allclose(getattr(found, kind), norm, rtol=0.15)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.95, 1.0])
def test_projections_cover_the_norm_as_often_as_stated(decay):
    """Jacobians from rank 1 to multiples of the identity, 1,000 sketches each."""
    values = decay ** np.arange(30.0)
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(30, 30)))
    sketches = rng.normal(size=(1000, model_sensitivity.PROJECTIONS, 30)) @ (values[:, None] * turn)
    least, middle, most = model_sensitivity.projected(sketches)
    assert ((least <= middle) & (middle <= most)).all()
    assert np.mean((least <= 1) & (most >= 1)) > 0.95 - 0.02
    # Without a largest singular value that stands out, the estimate is a third too large.
    assert 0.9 < np.median(middle) < (1.4 if decay > 0.9 else 1.1)
    assert np.median(most / least) < 3.2


def test_fixed_weights_are_those_that_the_library_attends_with(model):
    """The weights held in the proof are the model's own attentions."""
    seen = changed_attention.Change(keep=True)
    own = model.double()
    ids = torch.tensor([IDS])
    with torch.no_grad(), changed_attention.changed(own, seen):
        own(input_ids=ids, use_cache=False)
    own.set_attn_implementation("eager")
    with torch.no_grad():
        wanted = own(input_ids=ids, use_cache=False, output_attentions=True).attentions
    for found, layer in zip(seen.kept, wanted, strict=True):
        np.testing.assert_allclose(found, layer[0], atol=1e-6)


def test_a_model_of_another_form_or_too_wide_is_left_out_by_reason(model, tmp_path):
    assert model_sensitivity.readable(model, 1024) is None
    assert (
        model_sensitivity.readable(model, 8)
        == "its width is 24, glasses.model_sensitivity.widest is 8"
    )
    folder = tiny.save(tmp_path / "gpt2", "gpt2", hidden=16)
    other = engines.load("tiny", tiny.SPEC, str(folder)).model
    assert "not norm, attention, norm, network" in model_sensitivity.readable(other, 1024)
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    folder = tiny.save(tmp_path / "moe", "qwen3_moe", hidden=16, **experts)
    mixed = engines.load("tiny", tiny.SPEC, str(folder)).model
    assert "mixture of experts" in model_sensitivity.readable(mixed, 1024)


@pytest.mark.parametrize("width", [24, 300])
def test_spectral_norms_of_few_different_values_in_float32(width):
    """A norm layer's Jacobian has two singular values: after two steps only rounding is left."""
    torch.manual_seed(width)
    states = torch.randn(6, width)
    layer = torch.nn.RMSNorm(width)
    jacobians = torch.stack([torch.func.jacrev(layer)(state) for state in states])
    expected = torch.linalg.matrix_norm(jacobians, ord=2)
    found = model_sensitivity.spectral_norms(layer, states)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=0)


@pytest.mark.parametrize("width", [3, 8, 40])
def test_spectral_norms_without_jacobians_are_those_of_the_jacobians(width):
    torch.manual_seed(width)
    first, second = (torch.randn(width, width, dtype=torch.float64) for _ in range(2))

    def function(states):
        return states + torch.tanh(states @ first) @ second

    states = torch.randn(5, width, dtype=torch.float64)
    states[3] = 0.0
    jacobians = torch.stack([torch.func.jacrev(function)(state) for state in states])
    expected = torch.linalg.matrix_norm(jacobians, ord=2)
    found = model_sensitivity.spectral_norms(function, states)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)


def test_spectral_norms_of_multiples_of_the_identity_and_of_zero():
    states = torch.ones(2, 6, dtype=torch.float64)
    for factor in (3.0, 0.0):
        found = model_sensitivity.spectral_norms(lambda x, by=factor: by * x, states)
        assert found.tolist() == pytest.approx([factor, factor])

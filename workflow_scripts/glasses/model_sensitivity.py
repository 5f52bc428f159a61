"""The sensitivity bound on a trained model: Jacobians of its last token, and products of norms.

The bound is that of theorem 5.1 in local form, for several heads and any feed-forward network: with
the attention weights held fixed, the Jacobian is a sum over causal paths of products of blocks, so
its norm is at most the same sum of products of norms. The norm of a block from token j to i is at
most [i = j] + sum over heads of alpha_ij ||W_O W_V||, divided by the scale of the norm layer; the
feed-forward network enters by the norm of I + its Jacobian at that token.

Up to `EXACT_WIDTH` the norms are those of whole Jacobians, in float64. A row of a Jacobian takes a
backward pass, so wider models get an interval from random projections (`projected`), in float32:
rounding moves a norm of SmolLM2-135M by a share of 6e-6 at most, and the ends of the interval are a
fifth away.
"""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.stats import chi2
from torch import Tensor

from workflow_scripts.glasses.changed_attention import Change, changed
from workflow_scripts.inference import placement
from workflow_scripts.inference.layers import layer_list
from workflow_scripts.shared import progress

log = logging.getLogger(__name__)

JACOBIAN_ROWS = 16  # in one backward pass: larger products, and memory for as many passes
EXACT_WIDTH = 256  # at 576, 48 projections take a twelfth of the time of all rows
PROJECTIONS = 48  # rows; the ends of an interval are then a fifth from an estimate at least
CONFIDENCE = 0.95  # of the interval of one norm
# Of Lanczos' method up to `EXACT_WIDTH` and beyond: the error of a squared norm, as a share of it.
TOLERANCE, COARSE = 1.0e-10, 1.0e-4
CHECK_EVERY = 8  # steps
PARTS = ("input_layernorm", "self_attn", "post_attention_layernorm", "mlp")


def readable(model: Any, widest: int) -> str | None:
    """Why the bound cannot be computed for this model, or None."""
    config = model.config.get_text_config()
    if config.hidden_size > widest:
        return f"its width is {config.hidden_size}, glasses.model_sensitivity.widest is {widest}"
    layer = layer_list(model, config.num_hidden_layers)[0]
    if {name for name, _ in layer.named_children()} != set(PARTS):
        return f"its layers ({type(layer).__name__}) are not norm, attention, norm, network"
    if hasattr(layer.mlp, "experts"):
        # Which experts a token gets jumps with its state, and their kernels know no float64.
        return "its feed-forward network is a mixture of experts"
    return None


class Norms(NamedTuple):
    """Norms by token, (tokens,) each.

    `bound`, and ||dy_n/dv_i|| with attention weights `fixed` and `varying`. `least` and `most` are
    the ends of the interval of each of these two; all three are equal where nothing is estimated.
    """

    bound: np.ndarray
    fixed: np.ndarray
    varying: np.ndarray
    least: dict[str, np.ndarray]
    most: dict[str, np.ndarray]

    def by_kind(self) -> dict[str, np.ndarray]:
        """The bound and the norms, as `sensitivity.profile` takes them."""
        return {"bound": self.bound, "fixed": self.fixed, "varying": self.varying}


def measurable(model: Any) -> Any:
    """The model for `norms`, in their type: a copy, unless it has the type and is on the CPU.

    What the library computes in float32 stays in float32.
    """
    exact = model.config.get_text_config().hidden_size <= EXACT_WIDTH
    dtype = torch.float64 if exact else torch.float32
    if {(p.dtype, p.device.type) for p in model.parameters()} != {(dtype, "cpu")}:
        model = placement.copied(model, on_devices=False).to(dtype).cpu()
    return model.eval().requires_grad_(False)


def norms(own: Any, ids: list[int]) -> Norms:
    """The norms and their bound at the tokens `ids`, of a model that `measurable` returned."""
    embeddings = own.get_input_embeddings()(torch.tensor([ids]))
    seen = Change(keep=True)
    with torch.no_grad(), changed(own, seen):
        bound = _bound(own, embeddings, seen)
    found: dict[str, tuple[np.ndarray, ...]] = {}
    for kind, change in (("fixed", Change(fixed=seen.kept)), ("varying", Change())):
        width = embeddings.shape[2]
        if width <= EXACT_WIDTH:
            units = torch.eye(width, dtype=embeddings.dtype)
            norm = torch.linalg.matrix_norm(_products(own, embeddings, change, units), ord=2)
            found[kind] = (norm.numpy(),) * 3
        else:
            generator = torch.Generator().manual_seed(0)
            rows = torch.randn(PROJECTIONS, width, generator=generator, dtype=embeddings.dtype)
            found[kind] = projected(_products(own, embeddings, change, rows).numpy())
    middle, least, most = ({kind: found[kind][i] for kind in found} for i in (1, 0, 2))
    return Norms(bound.numpy(), middle["fixed"], middle["varying"], least, most)


def projected(sketches: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least value, estimate and most of the spectral norms of J, (tokens,), from sketches G J.

    `sketches` have shape (tokens, k, d); G has k independent rows of independent N(0, 1) entries.
    For a unit vector u that does not depend on G, |G J u|^2 is |J u|^2 times a chi-square variable
    with k degrees of freedom. The first right singular vector of J shows that the norm of G J
    exceeds sqrt(chi2 / k) times that of J, except with the probability of that quantile: hence the
    upper end. Half of the rows give a vector u, the other half |J u|, which is at most the norm of
    J: hence the lower end, from both halves in both roles, each at half the error. The first
    estimate is too large in the mean, the second too small; the estimate is their geometric mean.
    """
    rows = sketches.shape[1]
    half = rows // 2
    above = np.linalg.norm(sketches, ord=2, axis=(1, 2)) / np.sqrt(rows)
    sides = []
    for one, other in (
        (sketches[:, :half], sketches[:, half:]),
        (sketches[:, half:], sketches[:, :half]),
    ):
        first = np.linalg.svd(one, full_matrices=False)[2][:, 0]
        sides.append(np.linalg.norm(np.einsum("tkd,td->tk", other, first), axis=1))
    error = (1 - CONFIDENCE) / 2
    below = np.sqrt((sides[0] ** 2 + sides[1] ** 2) / rows)
    least = np.maximum(
        sides[0] / np.sqrt(chi2.isf(error / 2, rows - half)),
        sides[1] / np.sqrt(chi2.isf(error / 2, half)),
    )
    most = above * np.sqrt(rows / chi2.ppf(error, rows))
    return least, np.clip(np.sqrt(below * above), least, most), most


def _last(model: Any, embeddings: Tensor) -> Tensor:
    """Final representation of the last token, (d,), from embeddings (1, tokens, d)."""
    decoder = model.get_decoder()
    return decoder(inputs_embeds=embeddings, use_cache=False).last_hidden_state[0, -1]


def _products(model: Any, embeddings: Tensor, change: Change, rows: Tensor) -> Tensor:
    """`rows`, (k, d), times dy_n/dv_i, (tokens, k, d), at embeddings (1, tokens, d)."""
    inputs = embeddings.detach().requires_grad_()
    with torch.enable_grad(), changed(model, change):
        output = _last(model, inputs)
    found = torch.empty(inputs.shape[1], len(rows), inputs.shape[2], dtype=inputs.dtype)
    for start in progress.track(range(0, len(rows), JACOBIAN_ROWS), None, "Jacobian", "pass"):
        part = slice(start, start + JACOBIAN_ROWS)
        (passed,) = torch.autograd.grad(
            output, inputs, rows[part], retain_graph=True, is_grads_batched=True
        )
        found[:, part] = passed[:, 0].transpose(0, 1)
    return found


def _bound(model: Any, embeddings: Tensor, seen: Change) -> Tensor:
    """The bound by token, (tokens,), at embeddings (1, tokens, d)."""
    config = model.config.get_text_config()
    layers = layer_list(model, config.num_hidden_layers)
    final = model.get_decoder().norm
    entering: dict[Any, Tensor] = {}  # what enters each norm, (tokens, d)

    def keep(module: Any, inputs: tuple[Tensor, ...]) -> None:
        entering[module] = inputs[0][0].detach()

    norms = [final, *(getattr(layer, name) for layer in layers for name in PARTS[::2])]
    hooks = [module.register_forward_pre_hook(keep) for module in norms]
    try:
        _last(model, embeddings)
    finally:
        for hook in hooks:
            hook.remove()
    n = embeddings.shape[1]
    paths = torch.eye(n, dtype=torch.float64)
    for number, layer in progress.track(enumerate(layers), len(layers), "bound", "layer"):
        per_head = _head_norms(layer.self_attn, config)
        block = torch.einsum("h,hij->ij", per_head, seen.kept[number]).double()
        block = block * _norm_jacobians(layer.input_layernorm, entering[layer.input_layernorm])
        paths = (block + torch.eye(n, dtype=torch.float64)) @ paths
        middle = entering[layer.post_attention_layernorm]
        paths = _network_norms(layer, middle)[:, None] * paths
    return _norm_jacobians(final, entering[final])[-1] * paths[-1]


def _head_norms(attention: Any, config: Any) -> Tensor:
    """||W_O W_V|| per query head, (heads,)."""
    heads = config.num_attention_heads
    value = attention.v_proj.weight
    width = attention.o_proj.weight.shape[1] // heads
    groups = heads // (value.shape[0] // width)
    values = value.view(-1, width, value.shape[1]).repeat_interleave(groups, 0)
    outputs = attention.o_proj.weight.view(-1, heads, width).transpose(0, 1)
    # A product has the norm of the product of its triangular factors, which have a head's width.
    triangles = torch.linalg.qr(outputs, "r").R @ torch.linalg.qr(values.mT, "r").R.mT
    return torch.linalg.matrix_norm(triangles, ord=2)


def _norm_jacobians(module: Any, states: Tensor) -> Tensor:
    """Spectral norm of the norm layer's Jacobian at each of states (tokens, d), (tokens,)."""
    return spectral_norms(module, states)


def _network_norms(layer: Any, states: Tensor) -> Tensor:
    """Norm of I + the Jacobian of network(norm(state)) at states (tokens, d), (tokens,)."""

    def passed(entering: Tensor) -> Tensor:
        """The states (tokens, d) after the feed-forward network and its residual path."""
        return entering + layer.mlp(layer.post_attention_layernorm(entering))

    return spectral_norms(passed, states)


def spectral_norms(function: Callable[[Tensor], Tensor], states: Tensor) -> Tensor:
    """Spectral norm of the Jacobian of `function` at each row of `states` (tokens, d), (tokens,).

    `function` maps every row by itself. Lanczos' method on the products of the Jacobians with their
    transposes, all rows at once, reorthogonalised: no Jacobian is formed, which for the networks of
    a model takes ten times as long. The product with the transpose is linear, so its own transpose
    is the product with the Jacobian, without another pass through `function`.
    """
    tokens, d = states.shape
    states = states.detach().requires_grad_()
    with torch.enable_grad():
        output = function(states)
        aside = torch.zeros_like(output, requires_grad=True)
        (pulled,) = torch.autograd.grad(output, states, aside, create_graph=True)
    tolerance = TOLERANCE if d <= EXACT_WIDTH else COARSE
    start = torch.randn(tokens, d, dtype=states.dtype, generator=torch.Generator().manual_seed(0))
    vector = start / start.norm(dim=1, keepdim=True)
    basis = torch.empty(tokens, 0, d, dtype=states.dtype)
    diagonal: list[Tensor] = []
    beside: list[Tensor] = []
    for step in range(1, d + 1):
        basis = torch.cat([basis, vector[:, None]], 1)
        (pushed,) = torch.autograd.grad(pulled, aside, vector, retain_graph=True)
        (image,) = torch.autograd.grad(output, states, pushed, retain_graph=True)
        diagonal.append((image * vector).sum(1))
        for _ in range(2):
            image = image - ((basis @ image[:, :, None]).mT @ basis)[:, 0]
        # What is left of a row whose vectors are used up is rounding: it must not become a vector.
        noise = 100 * torch.finfo(image.dtype).eps * torch.stack(diagonal).amax(0)
        rest = image.norm(dim=1)
        rest = rest.where(rest > noise, 0)
        if step % CHECK_EVERY == 0 or step == d:
            values, vectors = torch.linalg.eigh(_tridiagonal(diagonal, beside))
            error = rest * vectors[:, -1, -1].abs()
            if (error <= tolerance * values[:, -1]).all():
                break
        beside.append(rest)
        vector = torch.where(rest > 0, 1 / rest, 0)[:, None] * image
    # The larger end of the error, so that products of norms bound.
    return (values[:, -1].clamp(min=0) * (1 + tolerance)).sqrt()


def _tridiagonal(diagonal: list[Tensor], beside: list[Tensor]) -> Tensor:
    """Symmetric matrices (tokens, k, k) from k entries on and k - 1 beside the diagonal."""
    found = torch.diag_embed(torch.stack(diagonal, 1))
    if beside:
        off = torch.diag_embed(torch.stack(beside, 1), offset=1)
        found = found + off + off.mT
    return found

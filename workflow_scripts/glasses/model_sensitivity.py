"""The sensitivity bound on a trained model: Jacobians of its last token, and products of norms.

The bound is theorem 5.1's in local form, for several heads and any feed-forward network: with the
attention weights held fixed, the Jacobian is a sum over causal paths of products of blocks, so its
norm is at most the same sum of products of norms. A block from token j to i is at most
[i = j] + sum over heads of alpha_ij ||W_O W_V||, over what the norm divides by; the feed-forward
network counts by the norm of I + its Jacobian at that token.
"""

import copy
import logging
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workflow_scripts.glasses.attending import Change, changed
from workflow_scripts.glasses.gaps import layer_list

log = logging.getLogger(__name__)

PARTS = ("input_layernorm", "self_attn", "post_attention_layernorm", "mlp")


def readable(model: Any, widest: int) -> str | None:
    """Why the bound cannot be computed for this model, or None."""
    config = model.config.get_text_config()
    if config.hidden_size > widest:
        return f"its width is {config.hidden_size}, glasses.heard.widest is {widest}"
    layer = layer_list(model, config.num_hidden_layers)[0]
    if {name for name, _ in layer.named_children()} != set(PARTS):
        return f"layers of {type(layer).__name__} are not norm, attention, norm, network"
    return None


def norms(model: Any, ids: list[int]) -> dict[str, np.ndarray]:
    """`bound`, `fixed` and `varying`, (tokens,) each: the bound, and ||dy_n/dv_i|| both ways.

    Computed in float64 on a copy; norms that the library takes in float32 stay so.
    """
    own = copy.deepcopy(model).double().cpu().eval()
    for parameter in own.parameters():
        parameter.requires_grad_(False)
    embeddings = own.get_input_embeddings()(torch.tensor([ids]))
    seen = Change(keep=True)
    with torch.no_grad(), changed(own, seen):
        limit = _bound(own, embeddings, seen)
    found = {"bound": limit.numpy()}
    for kind, change in (("fixed", Change(fixed=seen.kept)), ("varying", Change())):
        jacobian = _jacobian(own, embeddings, change)
        found[kind] = torch.linalg.matrix_norm(jacobian, ord=2).numpy()
    return found


def _last(model: Any, embeddings: Tensor) -> Tensor:
    return model.base_model(inputs_embeds=embeddings, use_cache=False).last_hidden_state[0, -1]


def _jacobian(model: Any, embeddings: Tensor, change: Change) -> Tensor:
    """dy_n/dv_i as (tokens, d, d), a row of y at a time."""
    inputs = embeddings.detach().requires_grad_()
    with torch.enable_grad(), changed(model, change):
        output = _last(model, inputs)
    rows = [
        torch.autograd.grad(output[index], inputs, retain_graph=True)[0][0]
        for index in range(len(output))
    ]
    return torch.stack(rows, 1)


def _bound(model: Any, embeddings: Tensor, seen: Change) -> Tensor:
    config = model.config.get_text_config()
    layers = layer_list(model, config.num_hidden_layers)
    entering: list[Tensor] = []
    middle: list[Tensor] = []
    hooks = []
    for layer in layers:
        hooks.append(_collect(layer.input_layernorm, entering))
        hooks.append(_collect(layer.post_attention_layernorm, middle))
    final: list[Tensor] = []
    hooks.append(_collect(model.base_model.norm, final))
    try:
        _last(model, embeddings)
    finally:
        for hook in hooks:
            hook.remove()
    n = embeddings.shape[1]
    paths = torch.eye(n, dtype=torch.float64)
    for number, layer in enumerate(layers):
        per_head = _head_norms(layer.self_attn, config)
        block = torch.einsum("h,hij->ij", per_head, seen.kept[number])
        block = block * _norm_jacobians(layer.input_layernorm, entering[number])
        paths = (block + torch.eye(n, dtype=torch.float64)) @ paths
        paths = _network_norms(layer, middle[number])[:, None] * paths
    return _norm_jacobians(model.base_model.norm, final[0])[-1] * paths[-1]


def _collect(module: Any, into: list[Tensor]) -> Any:
    def hook(_module: Any, inputs: tuple[Tensor, ...]) -> None:
        into.append(inputs[0][0].detach())

    return module.register_forward_pre_hook(hook)


def _head_norms(attention: Any, config: Any) -> Tensor:
    """||W_O W_V|| of each query head, (heads,)."""
    heads = config.num_attention_heads
    value = attention.v_proj.weight
    width = attention.o_proj.weight.shape[1] // heads
    groups = heads // (value.shape[0] // width)
    values = value.view(-1, width, value.shape[1]).repeat_interleave(groups, 0)
    outputs = attention.o_proj.weight.view(-1, heads, width).transpose(0, 1)
    return torch.linalg.matrix_norm(outputs @ values, ord=2)


def _norm_jacobians(module: Any, states: Tensor) -> Tensor:
    """Spectral norm of the norm's Jacobian at each state, (tokens,)."""
    jacobians = torch.func.vmap(torch.func.jacrev(module))(states)
    return torch.linalg.matrix_norm(jacobians, ord=2)


def _network_norms(layer: Any, states: Tensor) -> Tensor:
    """Norm of I + the Jacobian of network(norm(state)), (tokens,), one token at a time."""

    def passed(state: Tensor) -> Tensor:
        return state + layer.mlp(layer.post_attention_layernorm(state[None]))[0]

    return torch.stack(
        [torch.linalg.matrix_norm(torch.func.jacrev(passed)(state), ord=2) for state in states]
    )

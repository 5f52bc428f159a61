"""The last block of a Llama decoder, computed only at the places whose logits are read.

A prompt's places matter to later ones through their keys and values alone. Nothing follows the last
block, so its queries, its MLP and its cross-attention are needed only where logits are.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.llama import modeling_llama as llama


class LastBlock(llama.LlamaDecoderLayer):
    """A block that returns the hidden states of its last `places`; of all of them at 0."""

    places = 0

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Any = None,
        past_key_values: Any = None,
        use_cache: bool | None = False,
        position_embeddings: tuple[Tensor, Tensor] | None = None,
        **others: Any,
    ) -> Tensor:
        """Hidden states (B, `places`, D) after the block, from those of all places (B, T, D).

        The mask has shape (B, 1, T, K), the two position embeddings (B, T, D / heads).
        """
        length, places = hidden_states.shape[1], self.places
        if not 0 < places < length or position_embeddings is None:
            found: Tensor = super().forward(
                hidden_states,
                attention_mask=attention_mask,
                position_ids=position_ids,
                past_key_values=past_key_values,
                use_cache=use_cache,
                position_embeddings=position_embeddings,
                **others,
            )
            return found
        own = self.self_attn
        normed = self.input_layernorm(hidden_states)

        def heads(layer: nn.Module, x: Tensor) -> Tensor:
            return layer(x).unflatten(-1, (-1, own.head_dim)).transpose(1, 2)

        cos, sin = (each[:, None] for each in position_embeddings)
        key, value = heads(own.k_proj, normed), heads(own.v_proj, normed)
        query = heads(own.q_proj, normed[:, -places:])
        key = _rotated(key, cos, sin)
        query = _rotated(query, cos[:, :, -places:], sin[:, :, -places:])
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, own.layer_idx)
        if attention_mask is None:  # all earlier places, which transformers leaves to the kernel
            seen = torch.ones(places, key.shape[2], dtype=torch.bool, device=key.device)
            attention_mask = seen.tril(key.shape[2] - places)[None, None]
        else:
            attention_mask = attention_mask[:, :, -places:]
        attend = llama.ALL_ATTENTION_FUNCTIONS.get_interface(
            own.config._attn_implementation, llama.eager_attention_forward
        )
        mixed, _ = attend(own, query, key, value, attention_mask, scaling=own.scaling)
        states = hidden_states[:, -places:] + own.o_proj(mixed.flatten(2))
        more: Tensor = self.mlp(self.post_attention_layernorm(states))
        return states + more


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions applied to `x`, shape (B, H, T, D)."""
    found: Tensor = x * cos + llama.rotate_half(x) * sin
    return found


def put(decoder: llama.LlamaForCausalLM) -> None:
    """Put a `LastBlock` with the same weights in place of the decoder's last block."""
    layers = decoder.model.layers
    with torch.device("meta"):  # which draws no weights
        block = LastBlock(decoder.config, len(layers) - 1)
    block.load_state_dict(layers[-1].state_dict(), assign=True)
    layers[-1] = block

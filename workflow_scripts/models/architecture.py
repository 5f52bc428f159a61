"""The embedded models: Qwen3's architecture at a size that trains on a laptop."""

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Qwen3ForCausalLM

HEAD_DIM = 32  # the smallest that vLLM's attention on CPU supports
MLP_RATIO = 3  # gated, so 3 x the hidden size costs as much as 4.5 x without a gate


def build(
    tokenizer: "PreTrainedTokenizerBase", shape: dict[str, Any], seed: int
) -> "Qwen3ForCausalLM":
    """A freshly initialised model: rotary positions, normalised queries and keys, tied embeddings.

    `shape` has hidden_size, layers, heads and max_context (tokens). Torch's global generator is
    left unchanged.
    """
    from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=shape["hidden_size"],
        intermediate_size=MLP_RATIO * shape["hidden_size"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        num_key_value_heads=shape["heads"],
        head_dim=HEAD_DIM,
        max_position_embeddings=shape["max_context"],
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config)
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=False,
    )
    return model


@torch.compiler.disable
def block_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    blocks: list[tuple[int, int]] | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within conversations that are concatenated without padding.

    `query`, `key` and `value` have shape (1, heads, tokens, HEAD_DIM), the output (1, tokens,
    heads, HEAD_DIM). `blocks` lists (count, length) of the conversations, as in `batches.Batch`.

    On CPU it computes in float32 even under bfloat16 autocast: the fused bfloat16 kernel is several
    times slower than the float32 one at these sizes.
    """
    assert blocks is not None
    dtype = torch.float32 if query.device.type == "cpu" else query.dtype
    sizes = [count * length for count, length in blocks]
    heads, tokens, dim = query.shape[1:]
    parts = [tensor[0].transpose(0, 1).to(dtype).split(sizes) for tensor in (query, key, value)]
    mixed = []
    with torch.autocast(query.device.type, enabled=False):
        for (count, length), *qkv in zip(blocks, *parts, strict=True):
            q, k, v = (t.view(count, length, heads, dim).transpose(1, 2) for t in qkv)
            out = functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling)
            mixed.append(out.transpose(1, 2).reshape(count * length, heads, dim))
    return torch.cat(mixed).view(1, tokens, heads, dim), None


def use_block_attention(model: "Qwen3ForCausalLM") -> None:
    """Use `block_attention` in `model`; a saved model does not refer to it."""
    from transformers import AttentionInterface

    AttentionInterface.register("block_attention", block_attention)
    model.set_attn_implementation("block_attention")

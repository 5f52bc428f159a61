"""Small random models of every decoder in transformers, and how our forward pass does on them.

    python -m tests.inference.architectures [model type ...]

prints a line per architecture. `docs/architectures.md` has the result for all of them.
"""

import inspect
import signal
import sys
import warnings

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from workflow_scripts.inference import agreement
from workflow_scripts.inference.forward import Forward

WINDOW = 8  # tokens, fewer than the prompts have
TOKENS = 56
LENGTHS = (55, 55, 54, 53, 20, 7)  # of prompts; the longest share 48 tokens

# Sizes by the names that configs use.
SIZES = [
    (1, "encoder_layers n_group topk_group first_k_dense_replace n_shared_experts"),
    (1, "num_nextn_predict_layers"),
    (2, "num_key_value_heads num_experts_per_tok moe_topk moe_top_k num_experts_per_token"),
    (2, "encoder_attention_heads"),
    (4, "num_attention_heads n_head n_heads decoder_attention_heads qk_rope_head_dim"),
    (4, "num_experts n_routed_experts num_local_experts moe_num_experts"),
    (4, "num_hidden_layers n_layer n_layers num_layers decoder_layers"),
    (8, "head_dim kv_lora_rank qk_nope_head_dim hidden_size_per_layer_input laurel_rank"),
    (WINDOW, "sliding_window attention_chunk_size"),
    (12, "v_head_dim"),
    (16, "q_lora_rank o_lora_rank"),
    (32, "hidden_size n_embd d_model embedding_size word_embed_proj_dim"),
    (48, "intermediate_size n_inner ffn_dim d_ff decoder_ffn_dim dim_feedforward dff"),
    (48, "moe_intermediate_size shared_expert_intermediate_size expert_ffn_hidden_size"),
    (48, "ffn_hidden_size"),
    (128, "vocab_size vocab_size_per_layer_input"),
    (256, "max_position_embeddings n_positions n_ctx max_seq_len"),
]
# Features that are off by default, or sizes that must fit together.
FEATURES = {
    "use_sliding_window": True,
    "max_window_layers": 2,
    "is_decoder": True,
    "attn_logit_softcapping": 2.0,
    "final_logit_softcapping": 5.0,
    "pad_token_id": 1,
    "bos_token_id": 2,
    "eos_token_id": 3,
}
OWN = {
    "bamba": {"mamba_n_heads": 8, "mamba_d_head": 8, "layer_types": ["mamba", "attention"] * 2},
    "gemma3n_text": {"num_kv_shared_layers": 1, "layer_types": ["full_attention"] * 4},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]], "window_size": WINDOW},
    "gemma4_text": {
        "num_kv_shared_layers": 2,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
    },
    "lfm2": {"layer_types": ["conv", "full_attention"] * 2},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "roc_bert": {"enable_pronunciation": False, "enable_shape": False},
    "zaya": {"num_experts_per_tok": 1},
    "mamba2": {"num_heads": 8, "head_dim": 8},
    "granitemoehybrid": {"mamba_n_heads": 8, "layer_types": ["mamba", "attention"] * 2},
    "zamba2": {"layer_types": ["mamba", "hybrid"] * 2},
    "helium": {"head_dim": 8},
    "alibi": {},
}


def sizes(kind, **more):
    """Settings of a small model of the kind, as far as its config has them."""
    wanted = {name: size for size, names in SIZES for name in names.split()} | FEATURES
    cls = CONFIG_MAPPING[kind]
    known = set(inspect.signature(cls.__init__).parameters)
    known |= set(getattr(cls, "__dataclass_fields__", ()))
    default = cls()
    found = {name: value for name, value in wanted.items() if name in known}
    if "qk_rope_head_dim" in found and "head_dim" in found:
        found["head_dim"] = found["qk_rope_head_dim"]
    if "num_attention_heads" in found and "kv_lora_rank" in found:
        found["num_key_value_heads"] = found["num_attention_heads"]
    kinds = list(dict.fromkeys(getattr(default, "layer_types", None) or []))
    if kinds and "layer_types" in known:
        found["layer_types"] = [kinds[i % len(kinds)] for i in range(4)]
    return found | OWN.get(kind, {}) | more


def model(kind, seed=0, dtype=torch.float32, **more):
    """A model of the kind with weights so large that attention is far from uniform."""
    config = CONFIG_MAPPING[kind](**sizes(kind, **more))
    with torch.device("meta"):
        planned = AutoModelForCausalLM.from_config(config)
    if (size := sum(parameter.numel() for parameter in planned.parameters())) > 10_000_000:
        raise MemoryError(f"{size} parameters")
    torch.manual_seed(seed)
    made = AutoModelForCausalLM.from_config(config, attn_implementation="eager").to(dtype).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 1.5 * parameter.shape[-1] ** -0.5)
            else:
                parameter += 0.3 * torch.randn_like(parameter)
    return made


def tokens(count=TOKENS):
    return torch.randint(4, 128, (count,), generator=torch.Generator().manual_seed(1)).tolist()


def worst(made):
    """The largest relative difference over all places, of prompts and of tokens after them."""
    row = tokens()
    wanted = agreement.eager_logits(made, row)
    found = agreement.passed(Forward(made), row, LENGTHS)
    return max(float(agreement.relative(own, wanted[at]).max()) for at, own in found)


def main(kinds):
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError()))
    for kind in kinds:
        signal.alarm(10)
        try:
            made = model(kind)
        except (Exception, TimeoutError) as error:
            print(f"{kind:28} not built: {type(error).__name__} {str(error)[:150]!r}", flush=True)
            continue
        try:
            found = f"{worst(made):.1e}"
        except (Exception, TimeoutError) as error:
            found = f"{type(error).__name__} {str(error)[:150]!r}"
        print(f"{kind:28} {sum(p.numel() for p in made.parameters()):10} {found}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:] or list(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES))

"""Small random models of every decoder in transformers, and how our forward pass does on them.

    python -m tests.inference.architectures > docs/architectures.md

takes five minutes. Model types as arguments: only these.
"""

import inspect
import signal
import sys
import warnings
from types import SimpleNamespace

import torch
import transformers
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, GenerationConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from tests.inference import tiny
from workflow_scripts.inference import agreement
from workflow_scripts.inference.cache import OTHER_STATE
from workflow_scripts.inference.forward import Forward
from workflow_scripts.inference.tasks import EngineError

PAGE = """# Architectures

Every causal language model of transformers {transformers} (torch {torch}, CPU, float32), as a
random model of a few layers with common features of its family: windows of 8 tokens, soft caps,
sinks, latent attention, mixtures of experts. The forward pass of engine `transformers` ran six
packed prompts of 7 to 55 tokens, most with a common prefix, and one more token after each. Its
logits are compared with those of the model's own eager attention on one sequence. "Agree" means
that they differ by at most {most} of their spread.

The same comparison, on a prompt of 20 tokens, runs whenever a model is loaded. A model on which
they differ by more than rounding explains is refused in one line; vLLM, or a server that knows it,
may run it. Features that act on long prompts only, such as sparse attention, are refused by name;
LongRoPE (Phi-3) needs a `max_context` below its shorter context.

| | number | model types |
|---|---|---|
{rows}

"Not tried": configs that fit no small model. Special layers that only a real config switches on,
such as sparse ones, were not tried. `python -m tests.inference.architectures` writes this page.
"""
# Refused here, and in the registry of vLLM 0.32.0.
IN_VLLM = """
bloom deepseek_v32 deepseek_v4 falcon falcon_h1 falcon_mamba gemma4_unified glm_moe_dsa gptj
granitemoehybrid hy_v4 inkling_text jamba kimi_linear lfm2 lfm2_moe mamba mamba2 nemotron_h
olmo_hybrid qwen3_5 qwen3_5_moe qwen3_5_moe_text qwen3_5_text qwen3_next zamba2
"""
NEGLIGIBLE = 1e-3
LONGEST_S = 30
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
    "bigbird_pegasus": {"attention_type": "original_full"},
    "big_bird": {"attention_type": "original_full"},
    "codegen": {"rotary_dim": 4},
    "ernie4_5_moe": {"moe_k": 2},
    "gptj": {"rotary_dim": 4},
    "bamba": {"mamba_n_heads": 8, "mamba_d_head": 8},
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
}


def sizes(kind, **more):
    """Settings of a small model of the kind, as far as its config has them."""
    return small(CONFIG_MAPPING[kind]) | OWN.get(kind, {}) | more


def small(cls):
    """Small sizes by the names that a class of configs has; parts of a config likewise."""
    wanted = {name: size for size, names in SIZES for name in names.split()} | FEATURES
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
    for name in known & {"text_config", "vision_config", "audio_config"}:
        part = getattr(default, name, None)
        if part is not None:
            found[name] = small(type(part)) | OWN.get(part.model_type, {})
    return found


def model(kind, seed=0, dtype=torch.float32, **more):
    """A model of the kind, with weights so large that attention is far from uniform."""
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


def save(folder, kind, **more):
    """Write a model of the kind with the tokenizer of `tiny`."""
    words = tiny.tokenizer()
    ids = {"pad_token_id": words.pad_token_id, "eos_token_id": words.eos_token_id}
    made = model(kind, vocab_size=len(words), **(ids | more))
    made.generation_config = GenerationConfig(**ids)
    made.save_pretrained(folder)
    words.save_pretrained(folder)
    return str(folder)


def tokens(count=TOKENS):
    return torch.randint(4, 128, (count,), generator=torch.Generator().manual_seed(1)).tolist()


def worst(forward):
    """The largest relative difference over all places, of prompts and of tokens after them."""
    row = tokens()
    wanted = agreement.eager_logits(forward.model, row)
    found = agreement.passed(forward, row, LENGTHS)
    return max(float(agreement.relative(own, wanted[at]).max()) for at, own in found)


def tried(kind):
    """Whether our forward pass agrees (None: not tried), and a difference or a reason."""
    try:
        made = model(kind)
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"
    engine = SimpleNamespace(name="it", model=made, context=TOKENS, encode=lambda **_: tokens(20))
    try:
        engine.forward = Forward(made)
        agreement.check(engine)
    except EngineError as error:
        return False, str(error).partition("' ")[2].removesuffix(f"; {agreement.OUT}")
    found = worst(engine.forward)
    assert found < NEGLIGIBLE, f"{kind}: a difference of {found:.1e} is not noticed"
    return True, f"{found:.0e}"


def main(kinds):
    """Print a page of documentation."""
    results = {}
    signal.signal(signal.SIGALRM, too_long)
    for kind in kinds:
        signal.alarm(LONGEST_S)
        results[kind] = tried(kind)
        signal.alarm(0)
        print(kind, *results[kind], file=sys.stderr, flush=True)
    agree = {kind: found for kind, (fine, found) in results.items() if fine}
    refused = {kind: why for kind, (fine, why) in results.items() if fine is False}
    skipped = [kind for kind, (fine, _) in results.items() if fine is None]
    most = max(map(float, agree.values()), default=0)
    groups = {}
    for kind, why in refused.items():
        groups.setdefault(cause(why), []).append(kind)
    print(
        PAGE.format(
            transformers=transformers.__version__,
            torch=torch.__version__.partition("+")[0],
            most=f"{most:.0e}",
            rows="\n".join(
                f"| {what} | {len(kinds)} | {names(kinds)} |"
                for what, kinds in [
                    ("agree", agree),
                    *((f"refused: {why}", kinds) for why, kinds in groups.items()),
                    (
                        "refused here, listed by vLLM 0.32.0",
                        [k for k in IN_VLLM.split() if k in refused],
                    ),
                    ("not tried", skipped),
                ]
            ),
        ),
        end="",
    )


def too_long(*_):
    raise TimeoutError(f"more than {LONGEST_S} s")


def cause(why):
    """The group of refused architectures that a message belongs to."""
    if "differ by" in why:
        return "the logits differ"
    return OTHER_STATE if OTHER_STATE in why else "the forward pass fails"


def names(kinds):
    return ", ".join(f"`{kind}`" for kind in kinds)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    main(sys.argv[1:] or list(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES))

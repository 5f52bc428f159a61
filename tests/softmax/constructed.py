"""A language model of one attention head whose weights, and so its answers, have closed forms.

A token is an item: a letter, and whether it is the one that is sought. The last token asks. Its
logit is `SOUGHT` on the sought item, `SINK` on the first token, and 0 on all others, itself
included. The output is the share of attention on each letter.
"""

import numpy as np
from transformers import LlamaConfig, LlamaForCausalLM

from workflow_scripts.softmax.lists import CLASSES, Prompt

SOUGHT, SINK = 2.0, 3.0
OUT = 5.0  # logit of a letter that has all attention, before the last norm
WIDTH = 32
FLAG, COLD, ASKS, FIRST = range(10, 14)  # coordinates; the first ten are letters
BOS, QUERY = 2 * CLASSES, 2 * CLASSES + 1  # tokens; before them cold items, then sought ones
LAST = WIDTH // 2 - 1  # coordinate that rotates most slowly with the position
NORM = WIDTH**0.5 / 2**0.5  # of every embedding's entries after the norm: its length is sqrt(2)


def model() -> LlamaForCausalLM:
    """The model, in float32."""
    config = LlamaConfig(
        vocab_size=2 * CLASSES + 2,
        hidden_size=WIDTH,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=WIDTH,
        max_position_embeddings=512,
        rope_parameters={"rope_type": "default", "rope_theta": 1e12},
        rms_norm_eps=0.0,
        tie_word_embeddings=False,
    )
    net = LlamaForCausalLM(config).eval().requires_grad_(False)
    for parameter in net.parameters():
        parameter.zero_()
    layer = net.model.layers[0]
    for norm in (layer.input_layernorm, layer.post_attention_layernorm, net.model.norm):
        norm.weight.fill_(1.0)
    embedding = net.model.embed_tokens.weight
    for letter in range(CLASSES):
        embedding[letter, [letter, COLD]] = 1.0
        embedding[CLASSES + letter, [letter, FLAG]] = 1.0
        layer.self_attn.v_proj.weight[letter, letter] = 1.0 / NORM
        layer.self_attn.o_proj.weight[letter, letter] = 1.0
        net.lm_head.weight[letter, letter] = OUT
    embedding[BOS, [FIRST, COLD]] = 1.0
    embedding[QUERY, ASKS] = 2.0**0.5
    attention = layer.self_attn
    attention.q_proj.weight[LAST, ASKS] = WIDTH**0.5 / (NORM * 2.0**0.5)
    attention.k_proj.weight[LAST, FLAG] = SOUGHT / NORM
    attention.k_proj.weight[LAST, FIRST] = SINK / NORM
    net.set_attn_implementation("eager")
    return net


def prompts(items: int, count: int, seed: int) -> list[Prompt]:
    """Lists of `items` cold items and a sought one among them."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        letters = rng.integers(0, CLASSES, items)
        at = int(rng.integers(items))
        tokens = letters + CLASSES * (np.arange(items) == at)
        ids = (BOS, *tokens.tolist(), QUERY)
        found.append(Prompt(ids, int(letters[at]), range(at + 1, at + 2)))
    return found


def logits(prompt: Prompt) -> np.ndarray:
    """Attention logits of the last token, (keys,)."""
    ids = np.array(prompt.ids)
    return np.where(ids == BOS, SINK, np.where((ids >= CLASSES) & (ids < BOS), SOUGHT, 0.0))


def softmax(e: np.ndarray) -> np.ndarray:
    """Weights of logits, (keys,)."""
    return np.exp(e) / np.exp(e).sum()


def entropy(p: np.ndarray) -> float:
    """Entropy of weights in nats."""
    return float(-(p * np.log(p)).sum())


def output(prompt: Prompt, weights: np.ndarray) -> np.ndarray:
    """Log-probabilities of the letters among themselves under attention weights (keys,)."""
    ids = np.array(prompt.ids)
    shares = np.zeros(CLASSES)
    np.add.at(shares, ids[ids < BOS] % CLASSES, weights[ids < BOS])
    length = np.sqrt((shares**2).sum() + 2.0)  # the last token's own embedding is kept
    out = OUT * shares * WIDTH**0.5 / length
    return out - np.log(np.exp(out).sum())

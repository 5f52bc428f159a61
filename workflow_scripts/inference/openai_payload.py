"""Request bodies for an OpenAI-compatible server.

Servers differ in the fields that they accept (`shared/dialects.py`).
"""

import json
from typing import Any

from workflow_scripts.inference import chat, forms, noise
from workflow_scripts.inference.spending import Amount
from workflow_scripts.inference.tasks import SCORES
from workflow_scripts.shared.dialects import DIALECTS, Dialect

TOP = 20  # maximum number of alternatives that a chat server returns
TOP_BARE = 5  # the same for the older endpoint

# Servers started with their defaults take missing fields from the model's own files.
STATED: dict[str, dict[str, Any]] = {
    "openai": {},
    "plain": {},
    "vllm": {
        "n": 1,
        "min_p": 0.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "repetition_penalty": 1.0,
        "min_tokens": 0,
        "ignore_eos": False,
        "skip_special_tokens": True,
        "include_stop_str_in_output": False,
    },
    "llamacpp": {
        "n": 1,
        # The only samplers, in this order: top_p sees the probabilities at the temperature, as in
        # the other engines. The server's own order has the temperature last.
        "samplers": ["temperature", "top_k", "top_p"],
        # Neutral values of all others, for a server that has another list of samplers.
        "min_p": 0.0,
        "typical_p": 1.0,
        "top_n_sigma": -1.0,
        "xtc_probability": 0.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "repeat_penalty": 1.0,
        "dry_multiplier": 0.0,
        "dynatemp_range": 0.0,
        "mirostat": 0,
        "ignore_eos": False,
        # A prompt that is cached in part is computed in other batches, whose kernels round
        # otherwise: up to 0.2 nats in a 4-bit model.
        "cache_prompt": False,
        "n_cache_reuse": 0,
    },
}
SEEDS = (1 << 32) - 1  # llama.cpp takes 32 bits, and the highest value for a random seed
LIKELIEST = 1000  # tokens per reply whose log-probabilities a llama.cpp server reports
FORCED = 1.0e4  # added to a logit; beyond any difference between logits


def fixed(spec: dict[str, Any]) -> bool:
    """Whether the model draws at temperature 1 and top_p 1 only.

    The vendor's reasoning models do, and refuse requests that state the two.
    """
    own_server = spec.get("engine") == "openai" and spec["server"]["dialect"] == "openai"
    return own_server and spec.get("kind") == forms.REASONING


def refusal(spec: dict[str, Any], request: dict[str, Any]) -> str | None:
    """Why the server's dialect cannot do what the request states, or None."""
    dialect = spec["server"]["dialect"]
    can = DIALECTS[dialect]
    decoding = request["temperature"], request["top_p"]
    if fixed(spec) and request["max_tokens"] and decoding != (1, 1):
        return (
            f"temperature is {decoding[0]} and top_p {decoding[1]}, and a reasoning model behind "
            f"dialect {dialect} draws at 1 and 1 only"
        )
    if request["top_k"] and not can.top_k:
        return f"top_k is {request['top_k']}, which dialect {dialect} cannot state"
    if started(spec, request):
        if not can.open_turns:
            return f"its last turn is the assistant's, which dialect {dialect} cannot continue"
        if spec.get("thinking"):
            return "it gives the beginning of a reply, which needs `thinking: false`"
    if request["echo_logprobs"] and not can.prompts:
        return f"it needs log-probabilities of its prompt, which dialect {dialect} does not return"
    if dialect == "llamacpp" and request["prompt"] == "":
        return "its prompt is empty, to which a llama.cpp server replies with nothing"
    return None


def able(spec: dict[str, Any]) -> Dialect:
    """What the model's server can do; other engines can do all of it."""
    if spec.get("engine") != "openai":
        return DIALECTS["vllm"]
    return DIALECTS[spec["server"]["dialect"]]


def turns_of(request: dict[str, Any]) -> list[dict[str, str]] | None:
    """The request's chat turns, or None for a bare prompt."""
    return json.loads(request["messages"]) if isinstance(request["messages"], str) else None


def prompt_of(spec: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """The fields that hold the prompt: `messages` or `prompt`."""
    turns = turns_of(request)
    if turns is None:
        return {"prompt": request["prompt"]}
    if chat.templated(spec):
        return {"messages": turns} | _template(spec, turns)
    return {"prompt": chat.plain(turns)}


def _template(spec: dict[str, Any], turns: list[dict[str, str]]) -> dict[str, Any]:
    if not DIALECTS[spec["server"]["dialect"]].switches:
        return {}
    open_turn = begun(turns)
    switches = chat.thinking_switches(False if open_turn else spec.get("thinking"))
    return {
        "add_generation_prompt": not open_turn,
        "continue_final_message": open_turn,
        "chat_template_kwargs": switches | {"date_string": chat.date_string(spec)},
    }


def started(spec: dict[str, Any], request: dict[str, Any]) -> bool:
    """Whether a template renders the request's turns, which end in the beginning of the reply."""
    turns = turns_of(request)
    return bool(turns) and chat.templated(spec) and begun(turns or [])


def begun(turns: list[dict[str, str]]) -> bool:
    """Whether turns end in the beginning of the assistant's reply."""
    return turns[-1]["role"] == "assistant"


def draw(
    spec: dict[str, Any], request: dict[str, Any], prompt: dict[str, Any], sample: int, limit: int
) -> tuple[str, dict[str, Any]]:
    """Path and body of a request for one sample of at most `limit` tokens.

    `prompt` holds the fields that `prompt_of` gives, or others for the same prompt.
    """
    dialect = spec["server"]["dialect"]
    talk = "messages" in prompt
    body = {
        "model": spec["source"],
        **prompt,
        "temperature": request["temperature"],
        "top_p": request["top_p"],
        "seed": noise.key(noise.of_server(spec), request["seed"], request["request_id"], sample),
        "max_completion_tokens" if dialect == "openai" and talk else "max_tokens": limit,
    }
    if fixed(spec):
        del body["temperature"], body["top_p"]
    if json.loads(request["stop"]):
        body["stop"] = json.loads(request["stop"])
    if dialect == "llamacpp":
        body["seed"] %= SEEDS
    if DIALECTS[dialect].top_k:
        body |= STATED[dialect] | {"top_k": request["top_k"]}
    return "/chat/completions" if talk else "/completions", body


def first_token(spec: dict[str, Any], request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Path and body of a request for the likeliest first tokens of a reply."""
    neutral = request | {"temperature": 1.0, "top_p": 1.0, "stop": "[]"}
    path, body = draw(spec, neutral, prompt_of(spec, request), SCORES, 1)
    more = {"logprobs": True, "top_logprobs": TOP} if "messages" in body else {"logprobs": TOP_BARE}
    return path, body | more


def along(spec: dict[str, Any], tokens: list[int]) -> tuple[str, dict[str, Any]]:
    """Path and body of a request to a vLLM server for the log-probability of each token."""
    body = {"model": spec["source"], "prompt": tokens, "max_tokens": 1, "temperature": 0.0}
    return "/completions", body | STATED["vllm"] | {
        "top_k": 0,
        "top_p": 1.0,
        "prompt_logprobs": 0,
    }


def following(spec: dict[str, Any], tokens: list[int], wanted: int) -> tuple[str, dict[str, Any]]:
    """Path and body of a request to a llama.cpp server for the log-probability of a next token.

    The reply is the token `wanted`, since its logit is raised; the log-probabilities are those
    before that. They include the likeliest tokens.
    """
    body = {"model": spec["source"], "prompt": tokens, "max_tokens": 1, "temperature": 0.0}
    body |= STATED["llamacpp"] | {"top_k": 0, "top_p": 1.0, "seed": 0}
    return "/completions", body | {"n_probs": LIKELIEST, "logit_bias": [[wanted, FORCED]]}


def most(body: dict[str, Any]) -> Amount:
    """The maximum cost of a call: a token has at least one byte of text."""
    prompt = body.get("prompt")
    if isinstance(prompt, list):
        size = len(prompt)
    else:
        turns = body.get("messages", [])
        size = len((prompt or "").encode())
        size += sum(len(turn["content"].encode()) + 16 for turn in turns)
    limit = body.get("max_completion_tokens", body.get("max_tokens", 0))
    return Amount(1, size, limit)

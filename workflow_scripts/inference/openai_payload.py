"""Request bodies for an OpenAI-compatible server.

Servers differ in the fields that they accept. `openai` is the vendor's own, with standard fields
only. `plain` is any server that accepts the older standard fields. `vllm` has extensions that state
every sampling field, continue an open final turn, and score options of any length exactly.
"""

import json
from typing import Any

from workflow_scripts.inference import chat, noise
from workflow_scripts.inference.spending import Amount
from workflow_scripts.inference.tasks import SCORES

TOP = 20  # maximum number of alternatives that a chat server returns
TOP_BARE = 5  # the same for the older endpoint

# A vLLM server started with its defaults takes missing fields from the model's own files.
STATED = {
    "n": 1,
    "min_p": 0.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "repetition_penalty": 1.0,
    "min_tokens": 0,
    "ignore_eos": False,
    "skip_special_tokens": True,
    "include_stop_str_in_output": False,
}


def refusal(spec: dict[str, Any], request: dict[str, Any]) -> str | None:
    """Why the server's dialect cannot do what the request states, or None."""
    dialect = spec["server"]["dialect"]
    turns = turns_of(request)
    if dialect == "vllm":
        if turns and chat.templated(spec) and _started(turns) and spec.get("thinking"):
            return "it gives the beginning of a reply, which needs `thinking: false`"
        return None
    if request["top_k"]:
        return f"top_k is {request['top_k']}, which dialect {dialect} cannot state"
    if turns and chat.templated(spec) and _started(turns):
        return f"its last turn is the assistant's, which dialect {dialect} cannot continue"
    if request["echo_logprobs"]:
        return f"it needs log-probabilities of its prompt, which dialect {dialect} does not return"
    return None


def extended(spec: dict[str, Any]) -> bool:
    """Whether the model's engine takes `top_k` and gives the log-probability of a whole reply.

    Of the servers, only those of dialect `vllm` do.
    """
    return spec.get("engine") != "openai" or spec["server"]["dialect"] == "vllm"


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
    if spec["server"]["dialect"] != "vllm":
        return {}
    started = _started(turns)
    switches = chat.thinking_switches(False if started else spec.get("thinking"))
    return {
        "add_generation_prompt": not started,
        "continue_final_message": started,
        "chat_template_kwargs": switches | {"date_string": chat.date_string(spec)},
    }


def _started(turns: list[dict[str, str]]) -> bool:
    """Whether the turns end in the beginning of the reply."""
    return turns[-1]["role"] == "assistant"


def draw(
    spec: dict[str, Any], request: dict[str, Any], sample: int, limit: int
) -> tuple[str, dict[str, Any]]:
    """Path and body of a request for one sample of at most `limit` tokens."""
    dialect = spec["server"]["dialect"]
    prompt = prompt_of(spec, request)
    talk = "messages" in prompt
    body = {
        "model": spec["source"],
        **prompt,
        "temperature": request["temperature"],
        "top_p": request["top_p"],
        "seed": noise.key(noise.of_server(spec), request["seed"], request["request_id"], sample),
        "max_completion_tokens" if dialect == "openai" and talk else "max_tokens": limit,
    }
    if json.loads(request["stop"]):
        body["stop"] = json.loads(request["stop"])
    if dialect == "vllm":
        body |= STATED | {"top_k": request["top_k"]}
    return "/chat/completions" if talk else "/completions", body


def first_token(spec: dict[str, Any], request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Path and body of a request for the likeliest first tokens of a reply."""
    path, body = draw(spec, request | {"temperature": 1.0, "top_p": 1.0, "stop": "[]"}, SCORES, 1)
    more = {"logprobs": True, "top_logprobs": TOP} if "messages" in body else {"logprobs": TOP_BARE}
    return path, body | more


def along(spec: dict[str, Any], tokens: list[int]) -> tuple[str, dict[str, Any]]:
    """Path and body of a request to a vLLM server for the log-probability of each token."""
    body = {"model": spec["source"], "prompt": tokens, "max_tokens": 1, "temperature": 0.0}
    return "/completions", body | STATED | {"top_k": 0, "top_p": 1.0, "prompt_logprobs": 0}


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

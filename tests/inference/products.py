"""Replies in the shape of real servers, by their public documentation, without their content.

Each product has the `source` that its user writes, the name under which it answers, and a function
`reply(body, number, text)`. `options` are further settings of `server`.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.inference import hostile


def base(body, number, text, **message):
    """What most servers share."""
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1764000000 + number,
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text} | message,
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    }


def ollama(body, number, text):
    """One of a thousand ids, and a prompt that is cached counts less."""
    reply = base(body, number, text) | {"id": f"chatcmpl-{number % 3}"}
    reply["usage"]["prompt_tokens"] = 11 if number % 2 else 1
    return reply | {"system_fingerprint": "fp_ollama"}


def llamacpp(body, number, text):
    """The model is the file's path; the timings are of no use here."""
    more = {"model": "/srv/models/Mock-7B.gguf", "system_fingerprint": "b6700-abc"}
    return base(body, number, text) | more | {"timings": {"prompt_n": 1, "cache_n": 10}}


def lm_studio(body, number, text):
    """Without counts, as for some runtimes."""
    return base(body, number, text) | {"usage": {}, "stats": {}}


def tgi(body, number, text):
    """No id, the older object, a reason of its own."""
    reply = base(body, number, text) | {"id": "", "object": "text_completion"}
    reply["choices"][0]["finish_reason"] = "eos_token"
    return reply | {"model": "owner/Mock-7B-Instruct"}


def sglang(body, number, text):
    reply = base(body, number, text, reasoning_content=None, tool_calls=None)
    reply["choices"][0]["matched_stop"] = 151645
    reply["usage"]["prompt_tokens_details"] = None
    return reply | {"id": f"{number:032x}", "metadata": {"weight_version": "default"}}


def azure(body, number, text):
    """The deployment is asked, the model answers."""
    reply = base(body, number, text, refusal=None, annotations=[])
    reply["choices"][0]["content_filter_results"] = {"hate": {"filtered": False}}
    return reply | {"model": "gpt-4o-2024-08-06", "prompt_filter_results": []}


def openrouter(body, number, text):
    reply = base(body, number, text, refusal=None, reasoning=None)
    reply["choices"][0]["native_finish_reason"] = "completed"
    more = {"id": f"gen-{number}", "provider": "Somebody", "model": "openai/gpt-4o-2024-08-06"}
    return reply | more


def anthropic(body, number, text):
    """No object of usage details, an id of its own kind, null fields."""
    reply = base(body, number, text) | {"id": f"msg_{number}", "model": "claude-mock-4-20260101"}
    del reply["choices"][0]["logprobs"]
    return reply | {"system_fingerprint": None, "service_tier": None}


def deepseek(body, number, text):
    """Thoughts apart from the text; hits of the cache are counted."""
    reply = base(body, number, text, reasoning_content="thought")
    reply["usage"] |= {"prompt_cache_hit_tokens": 0, "prompt_cache_miss_tokens": 11}
    return reply


def mistral(body, number, text):
    """A reasoning model's content comes in parts."""
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "thought"}]}
    parts = [thinking, {"type": "text", "text": text}]
    return base(body, number, text, content=parts, tool_calls=None, prefix=False)


def gemini(body, number, text):
    """No id, no logprobs, and a message without content where the thoughts used up the limit."""
    reply = base(body, number, text) | {"model": f"models/{body['model']}"}
    del reply["id"], reply["choices"][0]["logprobs"]
    if number % 5 == 4:
        del reply["choices"][0]["message"]["content"]
        reply["choices"][0]["finish_reason"] = "length"
        del reply["usage"]["completion_tokens"]
    return reply


def old_proxy(body, number, text):
    """The least that is still a reply: no model, no usage, a null reason."""
    content = {"role": "assistant", "content": text}
    return {"choices": [{"message": content, "finish_reason": None}]}


def emoji(body, number, text):
    """Half a surrogate pair in the text."""
    return base(body, number, f"{text}\ud83d")


@dataclass
class Product:
    reply: Any
    source: str = "mock-7b"
    options: dict[str, Any] = field(default_factory=dict)
    known_as: str | None = None
    thoughts: bool = False


PRODUCTS = {
    "Ollama": Product(ollama, "mock:7b", known_as="mock:7b"),
    "llama.cpp": Product(llamacpp, "mock-7b", known_as="/srv/models/Mock-7B.gguf"),
    "LM Studio": Product(lm_studio, "mock-7b", known_as="mock-7b"),
    "TGI": Product(tgi, "tgi", {"answers_as": "owner/Mock-7B-Instruct"}),
    "SGLang": Product(sglang, "owner/Mock-7B", known_as="owner/Mock-7B"),
    "Azure": Product(azure, "my-gpt", {"answers_as": "gpt-4o-2024-08-06", "dialect": "openai"}),
    "OpenRouter": Product(openrouter, "openai/gpt-4o", known_as="openai/gpt-4o-2024-08-06"),
    "Anthropic": Product(anthropic, "claude-mock-4-latest", known_as="claude-mock-4-20260101"),
    "DeepSeek": Product(deepseek, "deepseek-mock", known_as="deepseek-mock", thoughts=True),
    "Mistral": Product(mistral, "mistral-mock", known_as="mistral-mock", thoughts=True),
    "Gemini": Product(gemini, "gemini-mock", known_as="models/gemini-mock"),
    "old proxy": Product(old_proxy),
    "emoji": Product(emoji, known_as="mock-7b"),
}


def answering(product):
    """A fault for `hostile.serving`: every reply is the product's."""

    def answer(handler, body, number):
        text = hostile.good(body, number)["choices"][0]["message"]["content"]
        handler.reply(200, json.dumps(product.reply(body, number, text)).encode())

    return lambda number, body: answer

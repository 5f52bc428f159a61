"""Records from the replies of an OpenAI-compatible server, and what they cost."""

import json
from typing import Any

from workflow_scripts.inference import openai_payload
from workflow_scripts.inference.spending import Amount
from workflow_scripts.inference.tasks import SCORES, Record

HIDDEN_TOKENS = 1024  # maximum for a chat template and a server's own system prompt


class WrongReply(ValueError):
    """A reply that cannot belong to the request."""


def choice_of(body: dict[str, Any], reply: dict[str, Any]) -> tuple[dict[str, Any], Amount]:
    """The only choice of a reply, and its cost.

    Raises `WrongReply` if the reply cannot belong to `body`, and lookup or type errors if it does
    not have the structure of a reply.
    """
    asked, answered = body["model"], reply["model"]
    if asked not in answered and answered not in asked:
        raise WrongReply(f"expected a reply of model {asked!r}, found one of {answered!r}")
    kind = "chat.completion" if "messages" in body else "text_completion"
    if reply.get("object", kind) != kind:
        raise WrongReply(f"expected object {kind!r}, found {reply['object']!r}")
    [choice] = reply["choices"]
    usage = reply["usage"]
    spent = Amount(1, int(usage["prompt_tokens"]), int(usage["completion_tokens"]))
    limit = body.get("max_completion_tokens") or body["max_tokens"]
    if spent.completion_tokens > limit or spent.prompt_tokens < 1 or spent.completion_tokens < 0:
        raise WrongReply(f"expected a reply of at most {limit} tokens, found usage {usage}")
    if spent.prompt_tokens > openai_payload.most(body).prompt_tokens + HIDDEN_TOKENS:
        raise WrongReply(
            f"found a prompt of {spent.prompt_tokens} tokens, far longer than the one sent"
        )
    if isinstance(body.get("prompt"), list) and spent.prompt_tokens != len(body["prompt"]):
        sent = len(body["prompt"])
        raise WrongReply(f"expected a prompt of {sent} tokens, found {spent.prompt_tokens}")
    return choice, spent


def draw_record(
    request: dict[str, Any], sample: int, choice: dict[str, Any], spent: Amount, at_limit: str
) -> Record:
    """The record of a sample. Separate reasoning is put before the text, in <think> tags."""
    if "message" in choice:
        message = choice["message"]
        thoughts = message.get("reasoning_content") or message.get("reasoning") or ""
        text = message["content"] or ""
        if thoughts:
            text = f"<think>\n{thoughts}\n</think>\n\n{text}"
    else:
        text = choice["text"]
    if not isinstance(text, str):
        raise TypeError(f"expected text, found {type(text).__name__}")
    found = [at for stop in json.loads(request["stop"]) if (at := text.find(stop)) >= 0]
    reasons = {"stop": "stop", "length": at_limit, "content_filter": "filtered"}
    return {
        "request_id": request["request_id"],
        "sample": sample,
        "text": text[: min(found)] if found else text,
        "finish_reason": reasons[choice["finish_reason"]],
        "prompt_tokens": spent.prompt_tokens,
        "completion_tokens": spent.completion_tokens,
    }


def top_logprobs(choice: dict[str, Any]) -> dict[str, float]:
    """Log-probabilities of the likeliest first tokens, by their text."""
    told = choice["logprobs"]
    if "content" in told:
        entries = told["content"][0]["top_logprobs"]
        return {entry["token"]: float(entry["logprob"]) for entry in entries}
    return {token: float(value) for token, value in told["top_logprobs"][0].items()}


def logprobs_along(choice: dict[str, Any], tokens: list[int]) -> list[float | None]:
    """The log-probability of each token given the previous ones; null for the first."""
    told = choice["prompt_logprobs"]
    if len(told) != len(tokens):
        raise WrongReply(f"expected log-probabilities of {len(tokens)} tokens, found {len(told)}")
    return [None] + [
        float(each[str(token)]["logprob"]) for each, token in zip(told[1:], tokens[1:], strict=True)
    ]


def score_record(
    request: dict[str, Any],
    size: int,
    options: list[float | None],
    echo: list[float | None],
) -> Record:
    """The record of a request's log-probabilities, with a prompt of `size` tokens."""
    return {
        "request_id": request["request_id"],
        "sample": SCORES,
        "prompt_tokens": size,
        "choice_logprobs": options,
        "logprobs": echo,
    }

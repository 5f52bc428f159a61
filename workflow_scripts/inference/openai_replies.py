"""Records from the replies of an OpenAI-compatible server, and what they cost.

Servers agree on little beyond the text. What else a reply lacks is not known. A vLLM server is
known to give all of it: a lack means that something on the way is broken, and the request is sent
again.
"""

import json
import math
from typing import Any

from workflow_scripts.inference import letters, openai_payload
from workflow_scripts.inference.spending import Amount
from workflow_scripts.inference.tasks import SCORES, Record
from workflow_scripts.inference.transport import Unfit, Unusable

UNLIKELY = -9999.0  # a vendor's sign that a token is not among the likeliest
HIDDEN_TOKENS = 1024  # maximum for a chat template and a server's own system prompt

# Why a reply ended, in lower case, as servers and routers say it.
REASONS = {
    **dict.fromkeys(("stop", "eos", "eos_token", "end_turn", "stop_sequence"), "stop"),
    **dict.fromkeys(("tool_calls", "function_call", "tool_use"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens"), "length"),
    **dict.fromkeys(("model_length", "context_length", "model_context_window_exceeded"), "context"),
    **dict.fromkeys(("content_filter", "safety", "sensitive", "refusal"), "filtered"),
    **dict.fromkeys(("recitation", "blocklist", "prohibited_content", "spii"), "filtered"),
}
BROKEN_OFF = {"error", "abort", "aborted", "cancelled", "insufficient_system_resource"}


class WrongReply(Unusable):
    """A reply that cannot belong to the request, or was broken off; it may be billed."""

    def __init__(self, reason: str):
        super().__init__(reason, billed=True)


def choice_of(
    body: dict[str, Any], reply: dict[str, Any], strict: bool = False
) -> tuple[dict[str, Any], Amount]:
    """The only choice of a reply, and the tokens that the server counted, 0 where it does not say.

    `strict` is for servers that are known to count and to name everything. Raises `WrongReply` for
    one that cannot belong to `body` or was broken off, `Unfit` for one without choices.
    """
    if not isinstance(reply.get("choices"), list):
        raise Unfit(f"expected a reply with choices, found {_start(reply)}")
    if len(reply["choices"]) != 1:
        raise WrongReply(f"expected one choice, found {len(reply['choices'])}")
    [choice] = reply["choices"]
    if not isinstance(choice, dict):
        raise Unfit(f"expected a choice, found {_start(choice)}")
    if choice.get("error"):
        raise WrongReply(f"the reply was broken off: {_start(choice['error'])}")
    tokens = counted(reply)
    if strict:
        _belongs(body, reply, tokens)
    return choice, tokens


def counted(reply: dict[str, Any]) -> Amount:
    """One request, and the tokens that the server counted, 0 where it does not say."""
    usage = reply.get("usage")
    told = usage if isinstance(usage, dict) else {}
    return Amount(1, _count(told, "prompt_tokens"), _count(told, "completion_tokens"))


def _belongs(body: dict[str, Any], reply: dict[str, Any], tokens: Amount) -> None:
    """Raise `WrongReply` unless kind and numbers of tokens are those of a reply to `body`."""
    kind = "chat.completion" if "messages" in body else "text_completion"
    if reply.get("object") != kind:
        raise WrongReply(f"expected object {kind!r}, found {reply.get('object')!r}")
    size, limit = tokens.prompt_tokens, limit_of(body)
    if size < 1 or tokens.completion_tokens > limit:
        found = reply.get("usage")
        raise WrongReply(f"expected a reply of at most {limit} tokens, found usage {found}")
    if size > openai_payload.most(body).prompt_tokens + HIDDEN_TOKENS:
        raise WrongReply(f"found a prompt of {size} tokens, far longer than the one sent")
    if isinstance(body.get("prompt"), list) and size != len(body["prompt"]):
        raise WrongReply(f"expected a prompt of {len(body['prompt'])} tokens, found {size}")


def limit_of(body: dict[str, Any]) -> int:
    """The most tokens that the reply to `body` may have."""
    return body.get("max_completion_tokens") or body["max_tokens"]


def cost(body: dict[str, Any], choice: dict[str, Any], tokens: Amount) -> Amount:
    """What a reply cost: the server's count, else at most one token per byte of text.

    A reply that was cut, and is not counted, cost its limit: thoughts may be hidden.
    """
    prompt = tokens.prompt_tokens or openai_payload.most(body).prompt_tokens
    made, limit = tokens.completion_tokens, limit_of(body)
    if not made:
        cut = finish_reason(choice, tokens, limit) in ("length", "context")
        made = limit if cut else min(limit, len(text_of(choice).encode()) + 1)
    return Amount(1, prompt, made)


def draw_record(
    request: dict[str, Any],
    sample: int,
    choice: dict[str, Any],
    tokens: Amount,
    limit: int,
    at_limit: str = "length",
) -> Record:
    """The record of a sample of at most `limit` tokens; `at_limit` says what set that limit.

    Raises `Unfit` for a choice without text, `WrongReply` for one that was broken off.
    """
    text = text_of(choice)
    found = [at for stop in json.loads(request["stop"]) if (at := text.find(stop)) >= 0]
    return {
        "request_id": request["request_id"],
        "sample": sample,
        "text": text[: min(found)] if found else text,
        "finish_reason": finish_reason(choice, tokens, limit, at_limit),
        "prompt_tokens": tokens.prompt_tokens,
        "completion_tokens": tokens.completion_tokens,
    }


def finish_reason(
    choice: dict[str, Any], tokens: Amount, limit: int, at_limit: str = "length"
) -> str:
    """Why a reply ended. Where the server does not say, a reply of `limit` tokens was cut.

    A reply that was cut below its limit met the end of the context. Raises `WrongReply` if the
    server broke the reply off.
    """
    told = str(choice.get("finish_reason") or "").lower()
    if told in BROKEN_OFF:
        raise WrongReply(f"the reply was broken off (finish_reason {told!r})")
    reason = REASONS.get(told)
    if reason is None:
        return at_limit if tokens.completion_tokens >= limit else "stop"
    if reason == "length":
        return "context" if 0 < tokens.completion_tokens < limit else at_limit
    return reason


def text_of(choice: dict[str, Any]) -> str:
    """The text of a choice. Separate reasoning is put before it, in <think> tags."""
    message = choice.get("message")
    if message is None and "text" in choice:
        return _said(choice["text"])[1]
    if not isinstance(message, dict):
        raise Unfit(f"expected a message or a text, found {_start(choice)}")
    inside, text = _said(message.get("content") or message.get("refusal"))
    apart = message.get("reasoning_content") or message.get("reasoning")
    thoughts = _said(apart)[1] if apart else inside
    return f"<think>\n{thoughts}\n</think>\n\n{text}" if thoughts else text


def _said(content: Any) -> tuple[str, str]:
    """Thoughts and text of a content: a text, or parts of several types."""
    if content is None or isinstance(content, str):
        return "", content or ""
    if not isinstance(content, list):
        raise Unfit(f"expected text, found {type(content).__name__}: {_start(content)}")
    thoughts, texts = [], []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and part.get("type") in ("thinking", "reasoning"):
            thoughts.append(_said(part.get("thinking") or part.get("text"))[1])
        elif isinstance(part, dict):
            texts.append(_said(part.get("text"))[1])
        else:
            raise Unfit(f"expected parts of a text, found {_start(part)}")
    return "".join(thoughts), "".join(texts)


def top_logprobs(choice: dict[str, Any]) -> dict[str, float]:
    """Log-probabilities of the likeliest first tokens, by their text.

    Several tokens can have one text; the probability that the reply begins with that text is then
    their sum. Raises `Unfit` if the server gives none.
    """
    told = choice.get("logprobs")
    first = _first(told) if isinstance(told, dict) else None
    if first is None:
        raise Unfit(
            "the reply has no log-probabilities of the likeliest tokens, which this request needs "
            f"(found logprobs {_start(told)}); use a server that gives them"
        )
    found: dict[str, set[tuple[Any, float]]] = {}
    for token, value, identity in first:
        if isinstance(value, int | float) and math.isfinite(value):
            # One token listed twice, once as the one drawn, counts once.
            found.setdefault(token, set()).add((identity, float(value)))
    return {token: _log_sum([value for _, value in each]) for token, each in found.items()}


def _first(told: dict[str, Any]) -> list[tuple[str, Any, Any]] | None:
    """(text, log-probability, identity) of the likeliest first tokens; None if not given."""
    content, listed = told.get("content"), told.get("top_logprobs")
    if isinstance(content, list):
        if not content:
            return []  # the model ended its turn at once
        tops = content[0].get("top_logprobs")
        if not tops:
            return None
        return [(top["token"], top["logprob"], top.get("id")) for top in tops]
    if isinstance(listed, list) and isinstance(next(iter(listed), {}), dict):
        return [(token, value, None) for token, value in (listed or [{}])[0].items()]
    return None


def _log_sum(values: list[float]) -> float:
    top = max(values)
    return top + math.log(math.fsum(math.exp(value - top) for value in values))


def of_options(found: dict[str, float], options: list[str]) -> list[Any]:
    """The log-probability of each option by `found`, the likeliest first tokens.

    Blanks around a token do not count where the option has none. An option that is not among them
    gets `{"at_most": x}`: it is no likelier than the least likely token that is, nor than all other
    tokens together.
    """
    known = {token: value for token, value in found.items() if value > UNLIKELY}
    most = letters.unlisted(known.values())
    values: list[Any] = []
    for option in options:
        same = [v for token, v in known.items() if option in (token, token.strip())]
        if option == "":
            values.append(0.0)
        elif len(same) == 1:
            values += same
        else:
            values.append(math.log(sum(map(math.exp, same))) if same else {"at_most": most})
    return values


def logprobs_along(choice: dict[str, Any], tokens: list[int]) -> list[float | None]:
    """The log-probability of each token given the previous ones; null for the first."""
    told = choice.get("prompt_logprobs")
    if not isinstance(told, list):
        raise Unfit("the reply has no log-probabilities of its prompt, which this request needs")
    if len(told) != len(tokens):
        raise WrongReply(f"expected log-probabilities of {len(tokens)} tokens, found {len(told)}")
    return [None] + [
        float(each[str(token)]["logprob"]) for each, token in zip(told[1:], tokens[1:], strict=True)
    ]


def score_record(
    request: dict[str, Any],
    size: int,
    options: list[Any],
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


def _count(usage: dict[str, Any], key: str) -> int:
    value = usage.get(key)
    return max(0, int(value)) if isinstance(value, int | float) and math.isfinite(value) else 0


def _start(content: Any) -> str:
    return json.dumps(content)[:200]

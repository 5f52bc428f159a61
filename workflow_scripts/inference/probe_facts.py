"""What the replies of a probe show about a server: facts that are yes, no or unknown."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from workflow_scripts.inference import (
    llamacpp_replies,
    openai_replies,
    probe_samplers,
    served_name,
)
from workflow_scripts.inference.transport import Unfit

Replies = dict[str, list[dict[str, Any]]]  # answers (`probe_asker.Answer`) by question

YES, NO, UNKNOWN = "yes", "no", "unknown"
BEGINNING, NEXT, OPEN_TOKENS = "1 2 3 4 5 6 7 8 9 10 11 12", "13", 4
HOT = 2.0  # a temperature at which rare tokens are frequent
SHOWN = 30  # characters of a text in a table
LEAST_DIFFERENT = 4  # letters of a reply that two draws would not share by chance


class Fact(NamedTuple):
    """An answer (yes, no, unknown) and what was seen."""

    answer: str
    seen: str


def facts(spec: dict[str, Any], replies: Replies) -> dict[str, Fact]:
    """What the server does, by the names in `TITLES`."""
    found = {name: of(spec, replies) for name, of in FACTS.items()}
    return {name: fact for name, fact in found.items() if fact is not None}


def table(found: Mapping[str, Mapping[str, str]]) -> list[dict[str, str]]:
    """The facts of a probe's file as rows with `title`, `answer` and `seen`."""
    return [
        {"title": TITLES[name], "answer": found[name]["answer"], "seen": found[name]["seen"]}
        for name in TITLES
        if name in found
    ]


def choices(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The choices of an answer; none where it has no usable ones."""
    found = answer.get("reply", {}).get("choices")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def text(answer: dict[str, Any]) -> str:
    """The text of an answer's first choice or record; thoughts come before it."""
    if "record" in answer:
        return answer["record"].get("text", "")
    return _text(choices(answer)[0]) if choices(answer) else ""


def middle(words: str) -> str:
    """A word in the middle of a text that does not begin it; "" if there is none."""
    for word in words.split()[1:][len(words.split()) // 2 - 1 :]:
        if words.find(word) > 0 and word.isascii():
            return word
    return ""


def undecided(replies: Replies) -> bool:
    """Whether more draws may decide if samplers are on."""
    positions = _positions(replies, "draws")
    return bool(positions) and probe_samplers.judge(positions).off is None


def _text(choice: dict[str, Any]) -> str:
    try:
        return openai_replies.text_of(choice)
    except Unfit:
        return ""


def _positions(replies: Replies, name: str) -> list[probe_samplers.Position]:
    every = [choice for answer in replies.get(name, []) for choice in choices(answer)]
    return [place for choice in every for place in probe_samplers.positions(choice)]


def _sent(replies: Replies) -> list[dict[str, Any]]:
    """The replies as the server sent them, each once."""
    asked = [each for name, answers in replies.items() if name != "tries" for each in answers]
    return [each["reply"] for each in asked if "reply" in each]


def _texts(answers: Sequence[dict[str, Any]]) -> list[str]:
    return [_text(choice) for answer in answers for choice in choices(answer)]


def _quoted(words: str) -> str:
    """A text as a table shows it, in one short line."""
    line = " ".join(words.encode("utf-8", "replace").decode().split())
    return repr(line if len(line) <= SHOWN else f"{line[:SHOWN]}…")


def _refused(answer: dict[str, Any]) -> Fact:
    return Fact(NO, f"refused: {_quoted(answer['refused'])}")


def _model(spec: dict[str, Any], replies: Replies) -> Fact:
    names = list(dict.fromkeys(reply.get("model") for reply in _sent(replies)))
    named = [name for name in names if isinstance(name, str) and name]
    if not named:
        return Fact(UNKNOWN, "replies name no model")
    shown = ", ".join(_quoted(name.rpartition("/")[2]) for name in named)
    listed = spec["server"].get("answers_as")
    if listed is not None:
        right = set(named) <= {listed} if isinstance(listed, str) else set(named) <= set(listed)
    else:
        right = all(served_name.same(spec["source"], name) for name in named) and len(named) == 1
    return Fact(YES if right else NO, f"replies name {shown}")


def _dialect(spec: dict[str, Any], replies: Replies) -> Fact | None:
    own = spec["server"]["dialect"]
    found = any(llamacpp_replies.sent(reply) for reply in _sent(replies))
    if not found and own != "llamacpp":
        return None
    seen = "a llama.cpp server" if found else "another server than llama.cpp's"
    return Fact(YES if found and own == "llamacpp" else NO, f"{seen}, dialect {own}")


def _ids(_: dict[str, Any], replies: Replies) -> Fact:
    ids = [reply.get("id") for reply in _sent(replies)]
    if not all(ids):
        return Fact(UNKNOWN, "replies without ids")
    if len(set(map(str, ids))) < len(ids):
        return Fact(NO, f"{len(set(map(str, ids)))} ids in {len(ids)} replies")
    return Fact(YES, f"{len(ids)} ids in {len(ids)} replies")


def _usage(_: dict[str, Any], replies: Replies) -> Fact:
    same = [name for name in replies if name not in ("tries", "open", "options", "prompts")]
    told = [reply.get("usage") for reply in _sent({name: replies[name] for name in same})]
    sizes = [each.get("prompt_tokens") if isinstance(each, dict) else None for each in told]
    different = sorted({str(size) for size in sizes})
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        return Fact(NO, f"prompt_tokens: {', '.join(different)}")
    if len(different) > 1:
        return Fact(NO, f"one prompt has {' or '.join(different)} tokens")
    return Fact(YES, f"one prompt has {different[0]} tokens each time")


def _ends(_: dict[str, Any], replies: Replies) -> Fact:
    every = [choice for reply in _sent(replies) for choice in choices({"reply": reply})]
    found = sorted({str(choice.get("finish_reason")) for choice in every})
    known = bool(found) and all(each.lower() in openai_replies.REASONS for each in found)
    return Fact(YES if known else NO, f"finish_reason {', '.join(found) or 'missing'}")


def _n(_: dict[str, Any], replies: Replies) -> Fact:
    last = replies["tries"][-1]
    if "n" in last["more"]:
        count, asked = len(choices(last)), last["more"]["n"]
        return Fact(YES if count == asked else NO, f"{count} of {asked} samples")
    wanted = [answer for answer in replies["tries"] if "n" in answer["more"]]
    return _refused(wanted[-1]) if wanted else Fact(UNKNOWN, "not asked")


def _logprobs(_: dict[str, Any], replies: Replies) -> Fact:
    positions = _positions(replies, "draws")
    if positions:
        size = max(len(place.top) for place in positions) + 1
        return Fact(YES, f"{size} likeliest tokens per position")
    for answer in replies["tries"]:
        if "refused" in answer and "logprobs" in answer["more"]:
            return _refused(answer)
    told = [choice.get("logprobs") for answer in replies["draws"] for choice in choices(answer)]
    return Fact(NO, f"found {_quoted(str(told[0]) if told else 'no reply')}")


def _samplers(spec: dict[str, Any], replies: Replies) -> Fact:
    if _vary(spec, replies).answer == NO:
        return Fact(UNKNOWN, "needs replies that differ")
    judged = probe_samplers.judge(_positions(replies, "draws"))
    hot = _positions(replies, "hot")
    if judged.off is None and hot:
        judged = probe_samplers.judge(hot, HOT)
    return Fact({True: YES, False: NO, None: UNKNOWN}[judged.off], judged.seen)


def _vary(_: dict[str, Any], replies: Replies) -> Fact:
    texts = _texts(replies["draws"])
    if len(texts) < 2 or not all(len(each) >= LEAST_DIFFERENT for each in texts):
        return Fact(UNKNOWN, "replies too short")
    different = len(set(texts))
    return Fact(YES if different > 1 else NO, f"{different} different replies in {len(texts)}")


def _seed(spec: dict[str, Any], replies: Replies) -> Fact:
    if _vary(spec, replies).answer != YES:
        return Fact(UNKNOWN, "needs replies that differ")
    first, again = _texts(replies["draws"][:1]), _texts(replies["again"])
    if not again:
        return Fact(UNKNOWN, "no reply")
    equal = sum(a == b for a, b in zip(first, again, strict=False))
    return Fact(YES if equal == len(first) else NO, f"{equal} of {len(first)} replies repeated")


def _greedy(_: dict[str, Any], replies: Replies) -> Fact | None:
    """Whether a second reply is the same one, up to a stop string where there is one."""
    if "greedy" not in replies:
        return None
    [second] = replies.get("repeat") or replies["stop"]
    if not choices(second) or not text(replies["greedy"][0]):
        return Fact(UNKNOWN, "no text to repeat")
    first, again = text(replies["greedy"][0]), text(second).rstrip()
    if again and first.startswith(again):
        return Fact(YES, f"twice {_quoted(again)}")
    return Fact(NO, f"{_quoted(first)}, then {_quoted(again)}")


def _stop(_: dict[str, Any], replies: Replies) -> Fact | None:
    if "greedy" not in replies:
        return None
    if "stop" not in replies:
        return Fact(UNKNOWN, "no text to stop in")
    [answer] = replies["stop"]
    if "refused" in answer:
        return _refused(answer)
    before, after = text(replies["greedy"][0]), text(answer)
    word = middle(before)
    if word in after:
        return Fact(NO, f"a reply goes on after {_quoted(word)}")
    if after.strip() == before[: before.find(word)].strip():
        return Fact(YES, f"a reply ends before {_quoted(word)}")
    return Fact(UNKNOWN, "the reply differs before the stop string")


def _narrow(name: str, value: str) -> Callable[[dict[str, Any], Replies], Fact | None]:
    """Whether a sampler that leaves one token gives the greedy reply."""

    def of(spec: dict[str, Any], replies: Replies) -> Fact | None:
        if name not in replies:
            return None
        [answer] = replies[name]
        if "refused" in answer:
            return _refused(answer)
        found = text(answer).rstrip("\ufffd").rstrip()
        if not found or _vary(spec, replies).answer != YES:
            return Fact(UNKNOWN, "needs replies that differ")
        if text(replies["greedy"][0]).startswith(found):
            return Fact(YES, f"{value} gives the greedy reply")
        repeated = _greedy(spec, replies)
        if repeated is None or repeated.answer != YES:
            return Fact(UNKNOWN, "greedy replies differ, too")
        return Fact(NO, f"{value} gives {_quoted(found)}")

    return of


def _open(_: dict[str, Any], replies: Replies) -> Fact:
    [answer] = replies["open"]
    if "refused" in answer:
        return _refused(answer)
    found = text(answer).strip()
    if found.startswith(NEXT):
        return Fact(YES, f"12 is followed by {_quoted(found)}")
    if found and BEGINNING.startswith(found[:LEAST_DIFFERENT]):
        return Fact(NO, f"12 is followed by {_quoted(found)}, the beginning again")
    return Fact(UNKNOWN, f"12 is followed by {_quoted(found)}")


def _scored(name: str) -> Callable[[dict[str, Any], Replies], Fact | None]:
    def of(_: dict[str, Any], replies: Replies) -> Fact | None:
        if name not in replies:
            return None
        [answer] = replies[name]
        if "refused" in answer:
            return _refused(answer)
        record = answer["record"]
        values = record["choice_logprobs"] + record["logprobs"][1:]
        given = sum(value is not None for value in values)
        seen = f"{given} of {len(values)} tokens" if name == "prompts" else "of two options"
        return Fact(YES if values and given == len(values) else NO, seen)

    return of


FACTS: dict[str, Callable[[dict[str, Any], Replies], Fact | None]] = {
    "model": _model,
    "dialect": _dialect,
    "ids": _ids,
    "usage": _usage,
    "ends": _ends,
    "n": _n,
    "vary": _vary,
    "seed": _seed,
    "greedy": _greedy,
    "stop": _stop,
    "samplers": _samplers,
    "top_p": _narrow("top_p", "top_p 0.01"),
    "top_k": _narrow("top_k", "top_k 1"),
    "logprobs": _logprobs,
    "options": _scored("options"),
    "prompts": _scored("prompts"),
    "open": _open,
}
TITLES = {
    "model": "replies name the model",
    "dialect": "the dialect is the server's",
    "ids": "replies have ids of their own",
    "usage": "tokens are counted",
    "ends": "replies say why they ended",
    "n": "several samples per request",
    "vary": "samples differ",
    "seed": "a seed repeats its sample",
    "greedy": "temperature 0 repeats its reply",
    "stop": "stop strings end a reply",
    "samplers": "all tokens can be drawn",
    "top_p": "top_p is obeyed",
    "top_k": "top_k is obeyed",
    "logprobs": "log-probabilities of likely tokens",
    "options": "log-probabilities of options",
    "prompts": "log-probabilities of a prompt",
    "open": "an open last turn is continued",
}

"""What the study asks of a model: its requests, chains of draws, long replies, programs."""

import json
from typing import Any

from workflow_scripts.inference import kinds
from workflow_scripts.models.chat import assistant, user
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.models.registry import shown_inside
from workflow_scripts.shared.workload import Count, Part, added, asked, records
from workflow_scripts.stochasticity import (
    code_tool,
    exact,
    long_replies,
    reasoning,
    requests,
    sequential,
    supports,
)
from workflow_scripts.stochasticity.asking import Manner

REPLY = "7"  # stands for a reply; templates treat empty ones in ways of their own


def workload(config: dict[str, Any], name: str, count: Count) -> list[Part]:
    """One part per rule that asks."""
    study, seed, draws = config["stochasticity"], config["seed"], config["stochasticity"]["draws"]
    told = kinds.asked(config, "stochasticity", name)
    spec = kinds.serving(config, "stochasticity", name)
    manner = Manner(told, count.text, lambda: count.context)
    every = list(requests.every(manner, study, spec, draws, seed))
    chains = records(sequential.start(manner, study["sequential"], seed))
    long = records(long_replies.table(manner, study, draws, seed))
    in_order = "stochasticity_sequential"
    parts = [
        asked("inference_generate", every, count),
        added([_chains(in_order, chains, count), asked(in_order, long, count)])._replace(
            rounds=study["sequential"]["rounds"]
        ),
    ]
    if stopping := study["stopping"]:
        styles = requests.styles(manner, stopping["most"], seed)
        rows = [each for each in styles if each["experiment"] == "S1"]
        rows = [each for each in rows if each["target"] in stopping["targets"]]
        parts.append(asked("stochasticity_stopping", rows, count))
    if shown_inside(config["models"], [name]):
        parts.append(_laws(manner, study, count))
    if kinds.switchable(config, name):
        with_thoughts = Manner(told | {"thinks": True}, count.text, lambda: count.context)
        rows = records(reasoning.table(with_thoughts, draws, seed))
        parts.append(asked("stochasticity_reasoning", rows, count)._replace(thinks=True))
    if told["programs"]:
        programs = study["code_tool"]["programs"]
        rows = records(code_tool.table(manner, programs, draws, seed))
        parts.append(asked("stochasticity_code_tool", rows, count))
    return parts


def _laws(manner: Manner, study: dict[str, Any], count: Count) -> Part:
    """Exact laws: each prompt once, and each beginning of an answer as one token, at most."""
    prompts = list(exact.prompts(manner, study["exact"], study["discrete"]))
    beginnings = sum(len(supports.of(each["target"]).beginnings) for each in prompts)
    read = sum(map(count.request, prompts))
    return Part("stochasticity_exact", len(prompts), len(prompts), scored_tokens=read + beginnings)


def _chains(rule: str, first: list[dict[str, Any]], count: Count) -> Part:
    """S5 and S6, from the requests of the first round.

    A later prompt of S5 shows all earlier replies, one of S6 names the last draw.
    """
    part = asked(rule, first, count)
    tokens = shown = prompts = 0
    for request in first:
        later = request["batch"] - 1
        prompts += later
        plain = json.loads(request["messages"])
        if request["experiment"] == "S5":
            again = [assistant(REPLY), user(words.AGAIN)]
            more = count.turns([*plain, *again]) - count.turns(plain) - count.text(REPLY)
            pairs = later * (later + 1) // 2
            tokens += later * count.turns(plain) + pairs * more
            shown += pairs
        else:
            last = words.last_only(request["target"], words.written(0.0, request["target"]))
            tokens += later * count.turns([*plain[:-1], user(last)])
    limit = first[0]["max_tokens"] if first else 0
    return part._replace(
        requests=part.requests + prompts,
        prompts=part.prompts + prompts,
        prompt_tokens=part.prompt_tokens + tokens,
        replies=part.replies + prompts,
        reply_tokens=part.reply_tokens + prompts * limit,
        shown=float(shown),
    )

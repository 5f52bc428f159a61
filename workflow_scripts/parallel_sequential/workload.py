"""What the study asks of a model at most: attempts in every arm, choices, strangers' answers."""

import json
from typing import Any

from workflow_scripts.inference import kinds
from workflow_scripts.models.registry import models_of, shown_inside
from workflow_scripts.parallel_sequential import questions
from workflow_scripts.parallel_sequential.arms import CONDITIONED, START, Rounds
from workflow_scripts.parallel_sequential.attempts import ks, plan_of
from workflow_scripts.parallel_sequential.dialogue import MATH
from workflow_scripts.shared.workload import Count, Part, added, asked, records

REPLY = "7"  # stands for a reply; templates treat empty ones in ways of their own
ATTEMPTS, FOREIGN, COPYING, STOPPING = (
    f"parallel_sequential_{rule}" for rule in ("attempts", "foreign", "copying", "stopping")
)


def workload(config: dict[str, Any], name: str, count: Count) -> list[Part]:
    """One part per rule that asks. No chain ends early, and every repeated answer is redrawn."""
    study = config["parallel_sequential"]
    wanted = questions.table(study, config["seed"])
    told = kinds.asked(config, "parallel_sequential", name)
    spec = kinds.serving(config, "parallel_sequential", name)
    plan = plan_of(told, spec, wanted, study, config["seed"], count.context)
    first = records(plan.first(wanted, study["chains"]))
    starts = [row for row in first if row["arm"] == START]
    others = len(models_of(config, "parallel_sequential")) > 1
    donors = (study["chains"] > 1) + others
    if study["stopping"]:
        parts = [_in_rounds(first, plan, study["stopping"], count)]
    else:
        parts = [
            added([asked(ATTEMPTS, first, count), *_attempts(starts, plan, study, count)]),
            _foreign(starts, plan, donors, count),
        ]
    if shown_inside(config["models"], [name]):
        parts.append(_copying(starts, study["copying"], count))
    return parts


def _attempts(
    starts: list[dict[str, Any]], plan: Rounds, study: dict[str, Any], count: Count
) -> list[Part]:
    parts = []
    for arm in CONDITIONED.values():
        part = _again(ATTEMPTS, starts, plan, arm.instruction, count)
        tries = plan.tries if arm.repeats == "resample" else 1
        parts += [part] * tries
    plain = _again(ATTEMPTS, starts, plan, "plain", count)
    for factor in study["padding"]:
        parts.append(_padded(starts, plan, factor, count))
    if study["reply_logprobs"]:
        # Each reply of the parallel and of the sequential arm after its prompt.
        own = asked(ATTEMPTS, starts, count, examples=0)
        scores = (plan.attempts + 1) * own.prompt_tokens + plain.prompt_tokens
        number = 2 * plan.attempts * len(starts)
        shown = plain.shown + number
        parts.append(Part(ATTEMPTS, number, number, scores, shown=shown))
    choices = [row for row in starts if row["domain"] == MATH]
    own = asked(ATTEMPTS, choices, count, examples=0)
    parts += [own] * (2 * len(ks(plan.attempts)))
    return parts


def _in_rounds(
    first: list[dict[str, Any]], plan: Rounds, settings: dict[str, Any], count: Count
) -> Part:
    """Both arms at as many questions as are allowed: no decision ends the rounds."""
    questions = dict.fromkeys((row["domain"], row["question"]) for row in first)
    kept = [
        place
        for domain in dict.fromkeys(domain for domain, _ in questions)
        for place in [each for each in questions if each[0] == domain][: settings["most"]]
    ]
    rows = [row for row in first if (row["domain"], row["question"]) in kept]
    starts = [row for row in rows if row["arm"] == START]
    conditioned = [CONDITIONED[arm] for arm in settings["pair"] if arm in CONDITIONED]
    asked_first = [row for row in rows if row["arm"] in settings["pair"]]
    parts = [asked(STOPPING, asked_first + (starts if conditioned else []), count)]
    for arm in conditioned:
        tries = plan.tries if arm.repeats == "resample" else 1
        parts += [_again(STOPPING, starts, plan, arm.instruction, count)] * tries
    return added(parts)


def _again(
    rule: str, starts: list[dict[str, Any]], plan: Rounds, instruction: str, count: Count
) -> Part:
    """Attempts 2, 3, … of one arm, after all earlier ones."""
    own = asked(rule, starts, count, examples=0)
    later = plan.attempts - 1
    pairs = later * (later + 1) // 2
    more = sum(pairs * _exchange(row, plan, instruction, count) for row in starts)
    return own._replace(
        requests=later * own.requests,
        prompts=later * own.prompts,
        prompt_tokens=later * own.prompt_tokens + more,
        replies=later * own.replies,
        reply_tokens=later * own.reply_tokens,
        shown=float(pairs * len(starts)),
    )


def _foreign(starts: list[dict[str, Any]], plan: Rounds, donors: int, count: Count) -> Part:
    """P9: the sequential arm after the answers of each donor."""
    own = _again(FOREIGN, starts, plan, "plain", count)
    return added([Part(FOREIGN), *[own] * donors])


def _padded(starts: list[dict[str, Any]], plan: Rounds, factor: float, count: Count) -> Part:
    """Parallel attempts after unrelated text as long as the last history, times `factor`."""
    own = asked(ATTEMPTS, starts, count, examples=0)
    later = plan.attempts - 1
    more = sum(factor * later * _exchange(row, plan, "plain", count) for row in starts)
    return own._replace(
        prompts=plan.attempts * own.prompts,
        prompt_tokens=own.prompt_tokens + round(more),
        replies=plan.attempts * own.replies,
        reply_tokens=plan.attempts * own.reply_tokens,
        shown=factor * later * len(starts),
    )


def _exchange(row: dict[str, Any], plan: Rounds, instruction: str, count: Count) -> int:
    """Tokens of one more attempt in a history, without the reply."""
    turns = json.loads(row["messages"])
    again = plan.dialogues[row["domain"]].again(turns, REPLY, instruction)
    return count.turns(again) - count.turns(turns) - count.text(REPLY)


def _copying(starts: list[dict[str, Any]], settings: dict[str, Any], count: Count) -> Part:
    """P6: sequences of tokens, and each question with and without history, per ablation."""
    texts = {
        row["question"]: json.loads(row["messages"]) for row in starts if row["domain"] == MATH
    }
    chosen = [count.turns(turns) for turns in list(texts.values())[: settings["questions"]]]
    ways = 2 + settings["random_draws"]  # all heads, without induction heads, without random ones
    # With history, the question is followed by a short answer and the request for another.
    tokens = settings["sequences"] * 2 * settings["length"] + sum(chosen) * (3 * ways + 2)
    number = settings["sequences"] + len(chosen) * (2 * ways + 1)
    return Part(COPYING, number, number, scored_tokens=tokens)

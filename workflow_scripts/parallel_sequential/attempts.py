"""All attempts of one model, in every arm that needs no other model, graded and kept one by one.

Round by round through the response store, so that a killed job goes on in the round it was in.
"""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.inference import engines, rounds, runner, sandbox
from workflow_scripts.inference import requests as inference
from workflow_scripts.parallel_sequential import answers, dialogue
from workflow_scripts.parallel_sequential.arms import (
    PARALLEL,
    SEQUENTIAL,
    START,
    Rounds,
    Sampling,
    records,
)
from workflow_scripts.parallel_sequential.contracts import ATTEMPTS, CHOICES, KEY, QUESTIONS
from workflow_scripts.parallel_sequential.dialogue import MATH, Dialogue
from workflow_scripts.parallel_sequential.grading import Grader
from workflow_scripts.shared import job, provenance, tables


def rows_of(
    requests: pd.DataFrame,
    responses: pd.DataFrame,
    plan: Rounds,
    levels: dict[tuple[str, str], str],
) -> Iterator[dict[str, Any]]:
    """A row for each reply and arm that it belongs to: first attempts serve every arm."""
    asked = {row["request_id"]: row for row in records(requests)}
    able = {row["domain"] for row in asked.values() if row["attempt"] > 1}
    for reply in records(responses):
        request = asked[reply["request_id"]]
        domain, question, arm = (request[name] for name in ("domain", "question", "arm"))
        place = [request[name] for name in ("arm", "chain", "attempt", "retry")]
        graded = plan.grader.grade(domain, question, reply["text"], *place, reply["sample"])
        earlier = json.loads(request["earlier"])
        shared = [SEQUENTIAL] if domain not in able else list(plan.arms)
        for name in shared if arm == START else [arm]:
            again = name in plan.arms and plan.rejected(
                name, domain, request["retry"], graded.answer, earlier
            )
            yield {
                "model": reply["model"],
                "domain": domain,
                "question": question,
                "level": levels[domain, question],
                "arm": name,
                "chain": request["chain"],
                "attempt": request["attempt"] + (reply["sample"] if arm not in plan.arms else 0),
                "retry": request["retry"],
                "accepted": not again,
                "request_id": reply["request_id"],
                "sample": reply["sample"],
                "text": reply["text"],
                "answer": graded.answer,
                "correct": graded.correct,
                "repeats_shown": bool(graded.answer and earlier[-1])
                and plan.grader.same(domain, earlier[-1], graded.answer)
                if earlier
                else None,
                "passes_weak": graded.passes_weak,
                "finish_reason": reply["finish_reason"],
                "prompt_tokens": reply["prompt_tokens"],
                "completion_tokens": reply["completion_tokens"],
                "mean_logprob": None,
            }


def named(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows with equal mathematical answers of a question under one name."""
    frame = frame.copy()
    math = frame["domain"] == MATH
    for _, rows in frame[math].groupby("question"):
        frame.loc[rows.index, "answer"] = answers.classes([each or None for each in rows["answer"]])
    return frame


def padded(
    factors: list[float],
    asked: pd.DataFrame,
    questions: pd.DataFrame,
    plan: Rounds,
) -> pd.DataFrame | None:
    """Parallel attempts behind unrelated exchanges, `factors` times as long as the history that the
    last sequential attempt at the same question saw (in characters; tokens are in the scores).

    One chain of them: they are the longest prompts of the study.
    """
    last = asked[(asked["arm"] == SEQUENTIAL) & (asked["attempt"] == plan.attempts)]
    last = last[last["chain"] == 0]
    texts = questions.set_index(["domain", "question"])["text"]
    rows = []
    for request in records(last):
        domain, question = request["domain"], request["question"]
        speech = plan.dialogues[domain]
        first = speech.question(texts[domain, question])
        length = sum(len(turn["content"]) for turn in json.loads(request["messages"])[len(first) :])
        others = _others(questions, domain, question)
        for factor in factors:
            turns = dialogue.padding(speech, others, round(factor * length))
            rows.append(
                plan.sampling[domain].request(
                    domain,
                    question,
                    f"padded-{factor:g}",
                    request["chain"],
                    [*turns, *first],
                    n=plan.attempts,
                )
            )
    return inference.table(rows) if rows else None


def _others(questions: pd.DataFrame, domain: str, question: str) -> list[tuple[str, str]]:
    """The other questions of a domain with their answers, those that follow `question` first."""
    own = questions[questions["domain"] == domain].reset_index(drop=True)
    at = int(own.index[own["question"] == question][0])
    turned = pd.concat([own.iloc[at + 1 :], own.iloc[:at]])
    return list(zip(turned["text"], turned["answer"], strict=True))


def scoring(frame: pd.DataFrame, messages: dict[str, str], seed: int) -> pd.DataFrame | None:
    """Requests for the log-probability of each reply of the two main arms, given its prompt."""
    wanted = frame[frame["arm"].isin([PARALLEL, SEQUENTIAL]) & (frame["text"] != "")]
    rows = [
        inference.request(
            f"logprob/{row['request_id']}/{row['sample']}",
            messages=json.loads(messages[row["request_id"]]),
            temperature=0.0,
            max_tokens=0,
            seed=seed,
            choices=[row["text"]],
            row=number,
        )
        for number, row in zip(wanted.index, records(wanted), strict=True)
    ]
    return inference.table(rows) if rows else None


def with_logprobs(
    frame: pd.DataFrame, requests: pd.DataFrame, responses: pd.DataFrame
) -> pd.DataFrame:
    """The rows with the mean log-probability of a reply's tokens, its end not counted."""
    means: dict[int, float | None] = {}
    for row, found in zip(requests["row"], responses["choice_logprobs"], strict=True):
        total = json.loads(found)[0]
        reply = frame.loc[row]
        tokens = max(1, int(reply["completion_tokens"]) - (reply["finish_reason"] == "stop"))
        means[row] = None if total is None else total / tokens
    return frame.assign(mean_logprob=pd.Series(means, dtype=float).reindex(frame.index))


def ks(attempts: int) -> list[int]:
    """From how many attempts the model chooses: 2, 4, 8, … and all of them."""
    return sorted({2**power for power in range(1, 12) if 2**power <= attempts} | {attempts})


def choosing(
    frame: pd.DataFrame, questions: pd.DataFrame, plan: Rounds
) -> tuple[pd.DataFrame | None, list[dict[str, Any]]]:
    """Requests in which the model chooses among its different answers (mathematics), and the
    choices that need none because there is at most one."""
    texts = questions.set_index(["domain", "question"])["text"]
    rows: list[dict[str, Any]] = []
    settled: list[dict[str, Any]] = []
    main = frame[frame["arm"].isin([PARALLEL, SEQUENTIAL]) & (frame["domain"] == MATH)]
    for key, own in main.groupby(KEY):
        own = own.sort_values("attempt")
        place: dict[str, Any] = dict(zip(KEY, key, strict=True))
        for k in ks(plan.attempts) if own["attempt"].max() == plan.attempts else []:
            named_here = own["answer"].head(k)
            candidates = list(dict.fromkeys(filter(None, named_here)))
            if len(candidates) < 2:
                right = bool(candidates) and bool(
                    own.loc[own["answer"] == candidates[0], "correct"].iloc[0]
                )
                answer = candidates[0] if candidates else ""
                settled.append(place | _choice(k, "", "", answer, right))
                continue
            rows.append(
                inference.request(
                    f"choose/{'/'.join(map(str, key))}/{k}",
                    messages=plan.dialogues[MATH].choosing(
                        texts[MATH, place["question"]], candidates
                    ),
                    temperature=0.0,
                    max_tokens=plan.sampling[MATH].max_tokens,
                    seed=plan.sampling[MATH].seed,
                    k=k,
                    candidates=json.dumps(candidates),
                    **place,
                )
            )
    return (inference.table(rows) if rows else None), settled


def chosen(
    requests: pd.DataFrame, responses: pd.DataFrame, plan: Rounds
) -> Iterator[dict[str, Any]]:
    """What the model chose; "" and wrong where its reply names none of the candidates."""
    for request, reply in zip(records(requests), records(responses), strict=True):
        graded = plan.grader.grade(request["domain"], request["question"], reply["text"])
        candidates = json.loads(request["candidates"])
        fits = (c for c in candidates if plan.grader.same(MATH, c, graded.answer))
        answer = next(fits, "") if graded.answer else ""
        right = bool(answer) and graded.correct
        place = {name: request[name] for name in KEY}
        yield place | _choice(request["k"], request["request_id"], reply["text"], answer, right)


def _choice(k: int, request_id: str, text: str, answer: str, correct: bool) -> dict[str, Any]:
    own = {"k": k, "request_id": request_id, "text": text}
    return own | {"answer": answer, "correct": correct}


def plan_of(
    spec: dict[str, Any], questions: pd.DataFrame, settings: dict[str, Any], seed: int
) -> Rounds:
    """Dialogues, sampling and grading for one model, from the study's settings."""
    domains = list(dict.fromkeys(questions["domain"]))
    dialogues: dict[str, Dialogue] = {domain: dialogue.of(spec, domain) for domain in domains}
    sampling = {
        domain: Sampling(
            **settings["decoding"], max_tokens=settings[domain]["reply_tokens"], seed=seed
        )
        for domain in domains
    }
    limits = sandbox.Limits(**settings["code"]["limits"])
    grader = Grader(questions, dialogues, limits, settings["weak_reliability"], seed)
    return Rounds(grader, dialogues, sampling, settings["attempts"], settings["tries"])


def levels_of(questions: pd.DataFrame) -> dict[tuple[str, str], str]:
    """The level of difficulty of each (domain, question)."""
    keys = zip(questions["domain"], questions["question"], strict=True)
    return dict(zip(keys, questions["level"], strict=True))


def collect(
    engine: engines.Engine,
    store: Path,
    plan: Rounds,
    questions: pd.DataFrame,
    settings: dict[str, Any],
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The attempts and the choices of one model."""
    levels = levels_of(questions)
    first = plan.first(questions, settings["chains"])
    asked, answered = rounds.converse(first, plan.follow, engine, store)
    rows = list(rows_of(asked, answered, plan, levels))
    messages = dict(zip(asked["request_id"], asked["messages"], strict=True))
    more = padded(settings["padding"], asked, questions, plan)
    if more is not None:
        rows += rows_of(more, runner.generate(more, engine, store), plan, levels)
    frame = named(pd.DataFrame(rows))
    if settings["reply_logprobs"]:
        wanted = scoring(frame, messages, seed)
        if wanted is not None:
            frame = with_logprobs(frame, wanted, runner.generate(wanted, engine, store))
    asking, choices = choosing(frame, questions, plan)
    if asking is not None:
        choices += chosen(asking, runner.generate(asking, engine, store), plan)
    picked = pd.DataFrame(choices).reindex(columns=list(CHOICES.columns)).assign(model=engine.name)
    return frame, picked


def main(
    path: str | Path,
    choices_path: str | Path,
    questions: str | Path,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Run every arm of one model; write its attempts and its choices."""
    engine = engines.load(model, spec, checkpoint, batch_tokens=batch_tokens)
    # A folder of its own: each round reads the whole store, so it holds this study's replies only.
    store = runner.store_of(engine, "attempts")
    asked = tables.read(questions, QUESTIONS)
    plan = plan_of(spec, asked, settings, seed)
    frame, choices = collect(engine, store, plan, asked, settings, seed)
    tables.write(frame, path, ATTEMPTS, provenance)
    tables.write(choices, choices_path, CHOICES, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with job.running(snakemake):
        main(
            snakemake.output.attempts,
            snakemake.output.choices,
            snakemake.input.questions,
            snakemake.wildcards.model,
            snakemake.params.spec,
            snakemake.params.checkpoint,
            snakemake.params.batch_tokens,
            dict(snakemake.params.settings),
            snakemake.params.seed,
            provenance.of(snakemake),
        )

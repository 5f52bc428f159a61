"""All attempts of one model, in every arm that involves no other model.

Answers in mathematics are graded here, programs only as far as later prompts depend on it.

Rounds go through the response store, so a job that was killed resumes in the same round.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.inference import (
    engines,
    forms,
    openai_payload,
    replies,
    rounds,
    runner,
)
from workflow_scripts.inference import requests as inference
from workflow_scripts.parallel_sequential import dialogue, programs
from workflow_scripts.parallel_sequential.arms import (
    CONDITIONED,
    PARALLEL,
    SEQUENTIAL,
    START,
    Rounds,
    Sampling,
    records,
)
from workflow_scripts.parallel_sequential.contracts import CHOICES, KEY, QUESTIONS, UNGRADED
from workflow_scripts.parallel_sequential.dialogue import CUT_OFF, MATH, NO_ANSWER, Dialogue
from workflow_scripts.parallel_sequential.grading import Grader
from workflow_scripts.shared import job, tables

log = logging.getLogger(__name__)

# Columns of the attempts that are copied from the request and from the response.
ASKED = ("domain", "question", "chain", "retry")
COUNTS = ("finish_reason", "prompt_tokens", "completion_tokens")
REPLIED = ("model", "request_id", "sample", "text", *COUNTS)


def rows_of(
    requests: pd.DataFrame, responses: pd.DataFrame, plan: Rounds
) -> Iterator[dict[str, Any]]:
    """One row per reply and arm; first attempts belong to every conditioned arm."""
    able = set(requests.loc[requests["attempt"] > 1, "domain"])
    for request, reply, graded in plan.graded(requests, responses):
        domain, arm, retry = (request[name] for name in ("domain", "arm", "retry"))
        earlier = json.loads(request["earlier"])
        repeats = bool(earlier and graded.answer and earlier[-1]) and plan.grader.same(
            domain, request["question"], earlier[-1], graded.answer
        )
        row = (
            {name: request[name] for name in ASKED}
            | {name: reply[name] for name in REPLIED}
            | {
                "level": plan.grader.level(domain, request["question"]),
                "attempt": request["attempt"] + (0 if arm in CONDITIONED else reply["sample"]),
                "answer": graded.answer,
                "correct": graded.correct,
                "failure": cut_off(graded.failure, reply["finish_reason"]),
                "repeats_shown": repeats if earlier else None,
                "passes_weak": graded.passes_weak,
                "mean_logprob": None,
                "tested": graded.tested,
                "shown": earlier[-1] if earlier else None,
            }
        )
        shared = plan.conditioned if domain in able else plan.conditioned[:1]
        for name in shared if arm == START else [arm]:
            again = name in CONDITIONED and plan.rejected(
                name, (domain, request["question"]), retry, graded.answer, earlier
            )
            yield row | {"arm": name, "accepted": not again}


def cut_off(failure: str, finish_reason: str) -> str:
    """The failure of a reply, told apart for one without an answer that was cut off."""
    cut = replies.LOST.get(finish_reason) == CUT_OFF
    return CUT_OFF if failure == NO_ANSWER and cut else failure


def padded(
    factors: list[float],
    asked: pd.DataFrame,
    answered: pd.DataFrame,
    questions: pd.DataFrame,
    plan: Rounds,
) -> pd.DataFrame | None:
    """Requests for parallel attempts after unrelated exchanges; None if there are none.

    The exchanges are the model's own parallel replies to other questions, those of the same chain,
    so the text differs from chain to chain. They have `factors` times the characters of the history
    that the last sequential attempt of the chain saw; the scores give tokens. `asked` and
    `answered` are the requests and responses of the other arms.
    """
    last = asked[(asked["arm"] == SEQUENTIAL) & (asked["attempt"] == plan.attempts)]
    texts = questions.set_index(["domain", "question"])["text"]
    given = _parallel_replies(asked, answered)
    rows = []
    for request in records(last):
        domain, question, chain = (request[name] for name in ("domain", "question", "chain"))
        speech = plan.dialogues[domain]
        first = speech.question(texts[domain, question])
        length = sum(len(turn["content"]) for turn in json.loads(request["messages"])[len(first) :])
        others = [
            (texts[domain, other], given[domain, other, chain])
            for other in _others(questions, domain, question)
        ]
        for factor in factors:
            unrelated = dialogue.padding(speech, others, round(factor * length))
            if not unrelated:
                continue  # no other question has a finished reply
            turns = [*speech.opening(), *unrelated, *speech.asking(texts[domain, question])]
            place = (domain, question, f"padded-{factor:g}", chain)
            rows.append(plan.sampling[domain].request(*place, turns, n=plan.attempts))
    return inference.table(rows) if rows else None


def _parallel_replies(
    asked: pd.DataFrame, answered: pd.DataFrame
) -> dict[tuple[str, str, int], list[str]]:
    """The finished replies of the parallel arm by domain, question and chain."""
    place = asked[asked["arm"] == PARALLEL].set_index("request_id")
    found: dict[tuple[str, str, int], list[str]] = {
        (row["domain"], row["question"], row["chain"]): [] for row in records(place)
    }
    own = answered[answered["request_id"].isin(place.index)]
    for reply in records(own.sort_values("sample")):
        if reply["finish_reason"] == "stop":
            request: Any = place.loc[reply["request_id"]]
            found[request["domain"], request["question"], request["chain"]].append(reply["text"])
    return found


def _others(questions: pd.DataFrame, domain: str, question: str) -> list[str]:
    """The other questions of a domain, starting after `question`."""
    own = list(questions.loc[questions["domain"] == domain, "question"])
    at = own.index(question)
    return own[at + 1 :] + own[:at]


def logprob_requests(
    frame: pd.DataFrame, messages: dict[str, str], plan: Rounds, seed: int
) -> pd.DataFrame | None:
    """Requests for the log-probability of each reply of the two main arms, given its prompt.

    `messages` maps a request's id to its turns, as JSON. The blank lines before a stop string are
    no part of the reply.
    """
    wanted = frame[frame["arm"].isin([PARALLEL, SEQUENTIAL]) & (frame["text"] != "")]
    stops = {domain: sampling.stop for domain, sampling in plan.sampling.items()}
    rows = [
        inference.request(
            f"logprob/{row['request_id']}/{row['sample']}",
            messages=json.loads(messages[row["request_id"]]),
            temperature=0.0,
            max_tokens=0,
            seed=seed,
            choices=[row["text"].rstrip("\n") if stops[row["domain"]] else row["text"]],
            row=number,
        )
        for number, row in zip(wanted.index, records(wanted), strict=True)
    ]
    return inference.table(rows) if rows else None


def with_logprobs(
    frame: pd.DataFrame, requests: pd.DataFrame, responses: pd.DataFrame
) -> pd.DataFrame:
    """The rows with the mean log-probability per token of each reply (nats), its end excluded.

    A stop string counts with its tokens after the first, which the engine does not report apart.
    """
    means: dict[int, float | None] = {}
    for row, found in zip(requests["row"], responses["choice_logprobs"], strict=True):
        total = json.loads(found)[0]
        reply = frame.loc[row]
        tokens = max(1, int(reply["completion_tokens"]) - (reply["finish_reason"] == "stop"))
        means[row] = None if total is None else total / tokens
    return frame.assign(mean_logprob=pd.Series(means, dtype=float).reindex(frame.index))


def ks(attempts: int) -> list[int]:
    """Numbers of attempts from which the model chooses: 2, 4, 8, … and all of them."""
    return sorted({2**power for power in range(1, 12) if 2**power <= attempts} | {attempts})


def choosing(
    frame: pd.DataFrame, questions: pd.DataFrame, plan: Rounds
) -> tuple[pd.DataFrame | None, list[dict[str, Any]]]:
    """Requests to choose among distinct answers (mathematics), and choices that need no request.

    A set with at most one distinct answer needs none.
    """
    texts = questions.set_index(["domain", "question"])["text"]
    rows: list[dict[str, Any]] = []
    settled: list[dict[str, Any]] = []
    main = frame[frame["arm"].isin([PARALLEL, SEQUENTIAL]) & (frame["domain"] == MATH)]
    for key, own in main.groupby(KEY):
        own = own.sort_values("attempt")
        place: dict[str, Any] = dict(zip(KEY, key, strict=True))
        for k in ks(plan.attempts) if own["attempt"].max() == plan.attempts else []:
            candidates = list(dict.fromkeys(filter(None, own["answer"].head(k))))
            if len(candidates) < 2:
                answer = "".join(candidates)
                right = bool(answer) and bool(own.loc[own["answer"] == answer, "correct"].iloc[0])
                settled.append(place | {"k": k, "answer": answer, "correct": right})
                continue
            rows.append(
                inference.request(
                    f"choose/{'/'.join(map(str, key))}/{k}",
                    messages=plan.dialogues[MATH].choosing(
                        texts[MATH, place["question"]], candidates
                    ),
                    temperature=plan.choosing_at,
                    max_tokens=plan.sampling[MATH].max_tokens,
                    stop=plan.sampling[MATH].stop,
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
    """The model's choices; "" and wrong where its reply names none of the candidates.

    A reply whose answer cannot be read is neither right nor wrong.
    """
    for request, reply in zip(records(requests), records(responses), strict=True):
        graded = plan.grader.grade(
            request["domain"],
            request["question"],
            reply["text"],
            finished=reply["finish_reason"] == "stop",
        )
        candidates = json.loads(request["candidates"])
        fits = (
            each
            for each in candidates
            if plan.grader.same(MATH, request["question"], each, graded.answer)
        )
        answer = next(fits, "") if graded.answer else ""
        right = None if graded.correct is None else bool(answer) and graded.correct
        place = {name: request[name] for name in (*KEY, "k", "request_id")}
        yield place | {"text": reply["text"], "answer": answer, "correct": right}


def budget(asked: dict[str, Any], domain: str, context: int | None) -> int:
    """Most tokens of a reply: at most half of the model's `context`, since the history grows."""
    wanted = forms.budget(asked, asked[f"{domain}_tokens"])
    if context is None or wanted <= context // 2:
        return wanted
    log.warning(
        "%s: replies have at most %d tokens instead of %d: half of the model's context of %d",
        *(domain, context // 2, wanted, context),
    )
    return context // 2


def decoding(asked: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """The settings of sampling, without those that the model's server does not take."""
    wanted = asked["decoding"]
    if openai_payload.fixed(spec):
        log.warning("decoding %s is left out: the model draws at temperature 1 only", wanted)
        return {"temperature": 1.0, "top_p": 1.0, "top_k": 0}
    if not wanted["top_k"] or openai_payload.able(spec).top_k:
        return wanted
    log.warning("top_k %d is left out: the model's server does not take it", wanted["top_k"])
    return wanted | {"top_k": 0}


def plan_of(
    asked: dict[str, Any],
    spec: dict[str, Any],
    questions: pd.DataFrame,
    settings: Mapping[str, Any],
    seed: int,
    context: int | None = None,
    threads: int = 1,
) -> Rounds:
    """Dialogues, sampling and grading for one model with a context of `context` tokens, if known.

    `asked` comes from `kinds.asked`, and `spec` is the model's entry in the config. Programs run
    in `threads` sandboxes.
    """
    domains = list(dict.fromkeys(questions["domain"]))
    dialogues: dict[str, Dialogue] = {domain: dialogue.of(asked, domain) for domain in domains}
    sampled = decoding(asked, spec)
    sampling = {
        domain: Sampling(
            **sampled,
            max_tokens=budget(asked, domain, context),
            seed=seed,
            stop=forms.stop(asked["kind"]),
        )
        for domain in domains
    }
    judge = programs.of(settings["code"], threads)
    grader = Grader(questions, dialogues, judge, settings["weak_reliability"], seed)
    choosing_at = 1.0 if openai_payload.fixed(spec) else 0.0
    return Rounds(grader, dialogues, sampling, settings["attempts"], settings["tries"], choosing_at)


def context_of(engine: engines.Engine, spec: dict[str, Any]) -> int | None:
    """The model's context in tokens, where the engine or the model's entry gives it."""
    return getattr(engine, "context", None) or spec.get("max_context")


def collect(
    engine: engines.Engine,
    store: Path,
    plan: Rounds,
    questions: pd.DataFrame,
    settings: dict[str, Any],
    seed: int,
    logprobs: bool = True,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The attempts and the choices of one model; with the `logprobs` of its replies if asked."""
    first = plan.first(questions, settings["chains"])
    asked, answered = rounds.converse(first, plan.follow, engine, store)
    rows = list(rows_of(asked, answered, plan))
    messages = dict(zip(asked["request_id"], asked["messages"], strict=True))
    more = padded(settings["padding"], asked, answered, questions, plan)
    if more is not None:
        rows += rows_of(more, runner.generate(more, engine, store), plan)
    frame = plan.grader.named(pd.DataFrame(rows))
    if logprobs:
        wanted = logprob_requests(frame, messages, plan, seed)
        if wanted is not None:
            frame = with_logprobs(frame, wanted, runner.generate(wanted, engine, store))
    asking, choices = choosing(frame, questions, plan)
    if asking is not None:
        choices += chosen(asking, runner.generate(asking, engine, store), plan)
    picked = pd.DataFrame(choices).reindex(columns=list(CHOICES.columns)).assign(model=engine.name)
    blank = {"request_id": "", "text": ""}
    return frame, picked.astype(dict.fromkeys(blank, object)).fillna(blank)


def main(
    ungraded: str | Path,
    choices: str | Path,
    questions: str | Path,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    asked: dict[str, Any],
    settings: dict[str, Any],
    seed: int,
    threads: int = 1,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Run every arm on one model; write its attempts and its choices. `grades.py` tests programs.

    `spec` is the model's entry in the config, `checkpoint` the folder of its weights, and `asked`
    what its kind is asked; `settings` is the study's section without `copying` and `embedder`.
    """
    engine = engines.load(model, spec, checkpoint, batch_tokens=batch_tokens)
    # Each round reads the whole store, so the store holds this study's replies only.
    store = runner.store_of(engine, "attempts")
    wanted = tables.read(questions, QUESTIONS)
    plan = plan_of(asked, spec, wanted, settings, seed, context_of(engine, spec), threads)
    logprobs = settings["reply_logprobs"] and openai_payload.able(spec).prompts
    if settings["reply_logprobs"] and not logprobs:
        log.warning("no best of N by log-probability: the server gives none of a whole reply")
    frame, chosen = collect(engine, store, plan, wanted, settings, seed, logprobs)
    tables.write(frame, ungraded, UNGRADED, provenance)
    tables.write(chosen, choices, CHOICES, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)

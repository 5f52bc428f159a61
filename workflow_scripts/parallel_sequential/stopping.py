"""Two arms in rounds of questions: a model is asked only until it is known which arm is better.

Before a model is asked, simulated runs say how many questions would decide (`planned`). Then each
round asks both arms the next questions, of every domain that is still open, with the requests of
`attempts.py` and from the same store. The test may be looked at after every round
(`shared/paired_evalues.py`), unlike a p-value. Off unless the config has
`parallel_sequential.stopping`; then no other arm is asked.

Questions are asked in random order: files may be sorted by difficulty. A question's accuracy under
an arm, the mean over its chains, may lie between 0 and 1. One random number per question makes both
arms right or wrong, so that the difference is right on average and as rarely discordant as can be.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.inference import engines, rounds, runner, sandbox
from workflow_scripts.parallel_sequential import grades
from workflow_scripts.parallel_sequential.arms import EVERY, PARALLEL, Rounds
from workflow_scripts.parallel_sequential.attempts import context_of, plan_of, rows_of
from workflow_scripts.parallel_sequential.contracts import ATTEMPTS, QUESTIONS, UNGRADED
from workflow_scripts.parallel_sequential.dialogue import CODE
from workflow_scripts.parallel_sequential.metrics import AGGREGATORS, primary, sets_of
from workflow_scripts.parallel_sequential.stopping_scores import OPEN, ROUNDS, SILENT
from workflow_scripts.shared import job, paired_evalues, seeds, tables
from workflow_scripts.shared.paired_evalues import Paired
from workflow_scripts.shared.scores import Row

log = logging.getLogger(__name__)


def test_of(settings: Mapping[str, Any]) -> Paired:
    """The test of the two arms, from the config's section `stopping`."""
    return Paired(settings["margin"], settings["level"])


def named(decision: str | None, pair: list[str]) -> str:
    """A test's decision by the names of the arms; `OPEN` if there is none."""
    names = {paired_evalues.FIRST: pair[0], paired_evalues.SECOND: pair[1], None: OPEN}
    return names.get(decision, str(decision))


def planned(settings: Mapping[str, Any], available: Mapping[str, int], seed: int) -> list[Row]:
    """How many questions would decide, at the differences under `plan_for`, in each domain.

    `available` counts the questions of each domain.
    """
    test, rows = test_of(settings), []
    for domain, count in available.items():
        most = min(settings["most"], count)
        limits = settings["discordant"], settings["step"], most, settings["power"]
        for plan in test.plan(settings["plan_for"], *limits, seed):
            decides = named(plan.decides, settings["pair"])
            said = f"at most {plan.n}" if plan.n else f"more than {most}"
            log.info(
                "%s: a difference of %g is decided (%s) by %s questions",
                domain, plan.truth, decides, said,
            )  # fmt: skip
            row = {"domain": domain, "part": "planned", "truth": plan.truth, "available": count}
            rows.append(row | {"questions": plan.n, "decision": decides})
    return rows


def ask(
    questions: pd.DataFrame, chains: int, plan: Rounds, engine: Any, store: Path
) -> pd.DataFrame:
    """The graded attempts of the plan's arms at some questions (`contracts.ATTEMPTS`)."""
    first = plan.first(questions, chains)
    asked, answered = rounds.converse(first, plan.follow, engine, store)
    frame = plan.grader.named(pd.DataFrame(rows_of(asked, answered, plan)))
    graded = grades.graded(UNGRADED.validate(frame), plan.grader)
    return ATTEMPTS.validate(graded[list(ATTEMPTS.columns)])


def outcomes(frame: pd.DataFrame, pair: list[str], attempts: int, seed: int) -> NDArray:
    """Whether each arm is right (1) or wrong (0) at each question of a domain, shape (2, Q).

    NaN where the accuracy of one of the arms is not known. `attempts` is N.
    """
    domain = str(frame["domain"].iloc[0])
    values, chances = [], np.zeros(0)
    for arm in pair:
        sets = sets_of(frame[frame["arm"] == arm], attempts, arm == PARALLEL)
        values.append(AGGREGATORS[primary(domain)](sets, attempts))
        chances = np.array([seeds.derive(seed, "coin", domain, q) for q in sets.questions]) / 2**63
    found = np.array(values)
    return np.where(np.isnan(found).any(0), np.nan, chances < found)


def of_outcomes(found: NDArray, settings: Mapping[str, Any]) -> Row:
    """The row of a domain's outcomes so far, shape (2, Q): e-values, intervals and decision."""
    test = test_of(settings)
    known = found[:, ~np.isnan(found).any(0)]
    a, b, n = int((known[0] > known[1]).sum()), int((known[0] < known[1]).sum()), known.shape[1]
    row: Row = {"questions": found.shape[1], "read": n, "first_only": a, "second_only": b}
    logs = test.log_e(a, b, n)
    row |= {f"log_{name}": value for name, value in logs.items()} | {"border": test.border}
    if a + b:
        low, high = test.share(a, b)
        row |= {"share": a / (a + b), "share_low": low, "share_high": high}
    if n:
        low, high = test.difference(a, b, n)
        row |= {"difference": (a - b) / n, "difference_low": low, "difference_high": high}
    return row | {"decision": named(test.decision(a, b, n), settings["pair"])}


def by_domain(questions: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of each domain, in the order of their first questions."""
    return {str(domain): own for domain, own in questions.groupby("domain", sort=False)}


def in_rounds(
    questions: pd.DataFrame,
    chains: int,
    plan: Rounds,
    settings: Mapping[str, Any],
    engine: Any,
    store: Path,
    seed: int,
) -> tuple[list[Row], pd.DataFrame]:
    """Ask `step` questions of each open domain at a time, `most` at most: rounds and attempts.

    A domain whose first questions get no answer at all is left, as without rounds.
    """
    pair, step = list(settings["pair"]), settings["step"]
    plan = replace(plan, arms=tuple(arm for arm in EVERY if arm in pair))
    waiting = {
        domain: own.iloc[seeds.generator(seed, "order", domain).permutation(len(own))]
        for domain, own in by_domain(questions).items()
    }
    rows: list[Row] = []
    parts: list[pd.DataFrame] = []
    known = {domain: np.zeros((2, 0)) for domain in waiting}
    tokens = dict.fromkeys(waiting, 0.0)
    for start in range(0, settings["most"], step):
        end = min(start + step, settings["most"])
        batch = pd.concat([own.iloc[start:end] for own in waiting.values()])
        able = frozenset(waiting) if start else frozenset[str]()
        frame = ask(batch, chains, replace(plan, able=able), engine, store)
        parts.append(frame)
        for domain, own in list(waiting.items()):
            made = frame[frame["domain"] == domain]
            n = min(end, len(own))
            row: Row = {"domain": domain, "part": "asked", "available": len(own), "questions": n}
            tokens[domain] += cost(made)
            row["tokens"] = None if np.isnan(tokens[domain]) else int(tokens[domain])
            if not start and (made["answer"] == "").all():
                row["decision"] = SILENT
            else:
                new = outcomes(made, pair, plan.attempts, seed)
                known[domain] = np.concatenate([known[domain], new], axis=1)
                row |= of_outcomes(known[domain], settings)
            rows.append(row)
            if row["decision"] != OPEN or n == len(own):
                log.info("%s: %s after %d questions", domain, row["decision"], n)
                del waiting[domain]
        if not waiting:
            break
    return rows, pd.concat(parts, ignore_index=True)


def cost(frame: pd.DataFrame) -> float:
    """Tokens of prompts and replies; NaN where a server does not count them."""
    each = frame.drop_duplicates(["request_id", "sample"])  # arms share first attempts
    spent = (each["prompt_tokens"] + each["completion_tokens"]).where(each["prompt_tokens"] > 0)
    return float(spent.sum(skipna=False))


def main(
    rounds_table: str | Path,
    stopped: str | Path,
    questions: str | Path,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    asked: dict[str, Any],
    settings: dict[str, Any],
    stopping: dict[str, Any],
    seed: int,
    threads: int = 1,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Plan, then ask one model; write the rounds, and the attempts that were made (`stopped`).

    `asked` and `settings` are those of `attempts.py`; `stopping` is the config's section
    `parallel_sequential.stopping`.
    """
    wanted = tables.read(questions, QUESTIONS)
    available = {domain: len(own) for domain, own in by_domain(wanted).items()}
    rows = planned(stopping, available, seed)
    engine = engines.load(model, spec, checkpoint, batch_tokens=batch_tokens)
    store = runner.store_of(engine, "attempts")  # that of `attempts.py`
    plan = plan_of(asked, spec, wanted, settings, seed, context_of(engine, spec), threads)
    made, frame = in_rounds(wanted, settings["chains"], plan, stopping, engine, store, seed)
    names = dict(zip(("first", "second"), stopping["pair"], strict=True))
    found = pd.DataFrame(rows + made).reindex(columns=list(ROUNDS.columns))
    tables.write(found.assign(model=model, **names), rounds_table, ROUNDS, provenance)
    more = {"programs_read": sandbox.reads()} if (frame["domain"] == CODE).any() else {}
    tables.write(frame, stopped, ATTEMPTS, {**(provenance or {}), **more})


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)

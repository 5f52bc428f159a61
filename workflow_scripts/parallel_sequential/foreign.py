"""P9: attempts that see the answers of another chain or another model (the donor).

The answers come from the donor's sequential arm; the prompt does not say whose they are. The
history of another chain of the same model is a control: it differs from its own by chance only.
"""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.inference import engines, runner
from workflow_scripts.inference import requests as inference
from workflow_scripts.parallel_sequential.arms import SEQUENTIAL, Rounds
from workflow_scripts.parallel_sequential.attempts import context_of, plan_of, rows_of
from workflow_scripts.parallel_sequential.contracts import ATTEMPTS, QUESTIONS, UNGRADED
from workflow_scripts.shared import job, tables

SEED, MODEL = "other_seed", "other_model"


def histories(donor: pd.DataFrame, shift: int) -> dict[tuple[str, str, int], pd.DataFrame]:
    """The donor's sequential attempts by domain, question and the chain that is shown them.

    `shift` is 1 for those of the next chain, 0 for those of the chain with the same number.
    """
    own = donor[donor["arm"] == SEQUENTIAL].sort_values("attempt")
    count = int(own["chain"].max()) + 1 if len(own) else 0
    found: dict[tuple[str, str, int], pd.DataFrame] = {}
    key: Any
    for key, rows in own.groupby(["domain", "question", "chain"]):
        domain, question, chain = key
        found[domain, question, (chain - shift) % count] = rows
    return found


def after_donor(
    arm: str, donor: pd.DataFrame, shift: int, questions: pd.DataFrame, plan: Rounds
) -> pd.DataFrame | None:
    """Requests for attempt 2, 3, … after the donor's first 1, 2, … answers."""
    texts = questions.set_index(["domain", "question"])["text"]
    rows = []
    for (domain, question, chain), given in histories(donor, shift).items():
        speech, sampling = plan.dialogues[domain], plan.sampling[domain]
        turns = speech.question(texts[domain, question])
        answers = list(given["answer"])
        replies = zip(given["text"], given["finish_reason"], strict=True)
        for attempt, (text, reason) in enumerate(replies, start=2):
            if attempt > plan.attempts:
                break
            turns = speech.again(turns, speech.shown(text, reason == "stop"), "plain")
            earlier = answers[: attempt - 1]
            rows.append(
                sampling.request(domain, question, arm, chain, turns, attempt, earlier=earlier)
            )
    return inference.table(rows) if rows else None


def main(
    ungraded: str | Path,
    questions: str | Path,
    attempts: str | Path,
    donor: str | Path,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    asked: dict[str, Any],
    settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Run both arms on one model and write its attempts.

    `asked` is what the model's kind is asked. `donor` is the table of the model whose answers are
    shown; it equals `attempts` if the study has no other model.
    """
    engine = engines.load(model, spec, checkpoint, batch_tokens=batch_tokens)
    store = runner.store_of(engine, "attempts")
    wanted = tables.read(questions, QUESTIONS)
    plan = plan_of(asked, spec, wanted, settings, seed, context_of(engine, spec))
    own = tables.read(attempts, ATTEMPTS)
    able = set(own.loc[(own["arm"] == SEQUENTIAL) & (own["attempt"] > 1), "domain"])
    givers = {SEED: (own, 1)} if own["chain"].max() else {}
    if donor != attempts:
        givers[MODEL] = (tables.read(donor, ATTEMPTS), 0)
    rows: list[dict[str, Any]] = []
    for arm, (given, shift) in givers.items():
        given = given[given["domain"].isin(able)]
        requests = after_donor(arm, given, shift, wanted, plan)
        if requests is not None:
            rows += rows_of(requests, runner.generate(requests, engine, store), plan)
    frame = pd.DataFrame(rows).reindex(columns=list(UNGRADED.columns))
    # Named together with the model's own answers, so that a repeat gets the same name.
    both = plan.grader.named(pd.concat([own, frame], ignore_index=True)) if rows else frame
    tables.write(both.iloc[len(own) :] if rows else frame, ungraded, UNGRADED, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)

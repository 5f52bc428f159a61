"""S5 and S6: chains of draws, one after another, with all earlier draws in view or only the last.

Many chains go side by side, a round of all of them at a time, through the response store: a job
that was killed goes on in the round it was in.
"""

import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.inference import engines, rounds, runner
from workflow_scripts.inference import requests as inference
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.shared import job, provenance, tables
from workflow_scripts.stochasticity import parsing, targets
from workflow_scripts.stochasticity.draws import DRAWS
from workflow_scripts.stochasticity.requests import direct


def start(settings: dict[str, Any], tokens: int, seed: int) -> pd.DataFrame:
    """The first round: the plain prompt, for every experiment, target and chain."""
    return inference.table(
        _turn(experiment, target, chain, 0, settings["rounds"], "", None, tokens, seed)
        for experiment in ("S5", "S6")
        for target in settings["targets"]
        for chain in range(settings["chains"])
    )


def follow(number: int, requests: pd.DataFrame, responses: pd.DataFrame) -> pd.DataFrame | None:
    """The round after round `number`, or None when the chains have their length.

    S5 appends the reply, whatever it says, and asks for another draw. S6 names the last draw that
    could be read; before there is one, it asks plainly.
    """
    asked = requests.to_dict("records")
    if number + 1 >= asked[0]["batch"]:
        return None
    rows = []
    for request, reply in zip(asked, responses["text"], strict=True):
        history, last = None, request["given"]
        if request["experiment"] == "S5":
            history = json.loads(request["messages"])
            history += [
                {"role": "assistant", "content": reply},
                {"role": "user", "content": words.AGAIN},
            ]
        else:
            parsed = parsing.value(reply, targets.of(request["target"]))
            if parsed.value is not None:
                last = words.written(parsed.value, request["target"])
        rows.append(
            _turn(
                request["experiment"],
                request["target"],
                request["chain"],
                number + 1,
                request["batch"],
                last,
                history,
                request["max_tokens"],
                request["seed"],
            )
        )
    return inference.table(rows)


def _turn(
    experiment: str,
    target: str,
    chain: int,
    number: int,
    length: int,
    last: str,
    history: list[dict[str, str]] | None,
    tokens: int,
    seed: int,
) -> dict[str, Any]:
    plain = words.PROMPTS[target]["plain"]
    return direct(
        experiment,
        target,
        "plain",
        words.last_only(target, last) if last else plain,
        key=f"{chain}/{number}",
        chain=chain,
        batch=length,
        given=last,
        max_tokens=tokens,
        seed=seed,
        **({"messages": history} if history else {}),
    )


def read(requests: pd.DataFrame, responses: pd.DataFrame) -> pd.DataFrame:
    """Draws of the chains: `unit` numbers the chain, `position` the round."""
    parsed = [
        parsing.value(text, targets.of(target))
        for text, target in zip(responses["text"], requests["target"], strict=True)
    ]
    frame = requests.assign(
        model=responses["model"],
        part="draw",
        unit=requests["chain"],
        position=requests["round"],
        value=pd.Series([p.value for p in parsed], index=requests.index, dtype=float),
        failure=pd.Series([p.failure for p in parsed], index=requests.index, dtype=object),
        tokens=responses["completion_tokens"],
    )
    return DRAWS.validate(frame[list(DRAWS.columns)])


def main(
    path: str | Path,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    settings: dict[str, Any],
    tokens: int,
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Run all chains of one model and write their draws."""
    engine = engines.load(model, spec, checkpoint, batch_tokens=batch_tokens)
    # A folder of its own: each round reads the whole store, so it holds the chains only.
    store = runner.store_of(engine, "chains")
    first = start(settings, tokens, seed)
    tables.write(read(*rounds.converse(first, follow, engine, store)), path, DRAWS, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with job.running(snakemake):
        main(
            snakemake.output.draws,
            snakemake.wildcards.model,
            snakemake.params.spec,
            snakemake.params.checkpoint,
            snakemake.params.batch_tokens,
            dict(snakemake.params.settings),
            snakemake.params.reply_tokens,
            snakemake.params.seed,
            provenance.of(snakemake),
        )

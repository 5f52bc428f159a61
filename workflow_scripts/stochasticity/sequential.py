"""S5 to S8: chains of draws, one after another, and replies that hold many numbers (S7, S8).

A chain has all earlier draws in view (S5) or only the last (S6). All chains advance together, one
round at a time, through the response store: a job that was killed resumes in the same round.
"""

import json
import logging
from functools import partial
from typing import Any

import pandas as pd

from workflow_scripts.inference import engines, replies, rounds, runner
from workflow_scripts.inference import requests as inference
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.shared import job, tables
from workflow_scripts.stochasticity import asking, long_replies, parsing, targets
from workflow_scripts.stochasticity.asking import Manner, Request, direct
from workflow_scripts.stochasticity.draw_table import DRAWS


def start(manner: Manner, settings: dict[str, Any], seed: int) -> pd.DataFrame:
    """Requests of the first round: the plain prompt for every experiment, target and chain."""
    fields = {"batch": settings["rounds"], "seed": seed}
    return inference.table(
        _turn(manner, experiment, target, words.PROMPTS[target]["plain"], chain, 0, fields)
        for experiment in ("S5", "S6")
        for target in settings["targets"]
        for chain in range(settings["chains"])
    )


def follow(
    manner: Manner, number: int, requests: pd.DataFrame, responses: pd.DataFrame
) -> pd.DataFrame | None:
    """Requests of the round after round `number`, or None when the chains are complete.

    S5 appends the reply, whatever it says, without its thoughts, and asks for another draw. S6
    names the last readable draw; before there is one, it repeats the plain prompt.
    """
    asked = requests.to_dict("records")
    if number + 1 >= asked[0]["batch"]:
        return None
    rows = []
    given = zip(asked, responses["text"], responses["finish_reason"], strict=True)
    for request, reply, finish in given:
        target, last = request["target"], request["given"]
        fields = {key: request[key] for key in ("batch", "seed")}
        if request["experiment"] == "S5":
            fields["messages"] = [
                *json.loads(request["messages"]),
                {"role": "assistant", "content": replies.history(reply)},
                {"role": "user", "content": words.AGAIN},
            ]
        else:
            parsed = parsing.single(reply, finish, targets.of(target))
            if parsed.value is not None:
                last = words.written(parsed.value, target)
        prompt = words.last_only(target, last) if last else words.PROMPTS[target]["plain"]
        fields["given"] = last
        chain = request["experiment"], target, prompt, request["chain"]
        rows.append(_turn(manner, *chain, number + 1, fields))
    return inference.table(rows)


def _turn(
    manner: Manner,
    experiment: str,
    target: str,
    prompt: str,
    chain: int,
    number: int,
    fields: dict[str, Any],
) -> Request:
    fields = fields | {"key": f"{chain}/{number}", "chain": chain, "tokens": manner.short}
    return direct(manner, experiment, target, "plain", prompt, **fields)


def read(requests: pd.DataFrame, responses: pd.DataFrame) -> pd.DataFrame:
    """Draws of the chains: `unit` numbers the chain, `position` the round."""
    ended = responses["text"], responses["finish_reason"], requests["target"]
    parsed = [
        parsing.single(text, finish, targets.of(target))
        for text, finish, target in zip(*ended, strict=True)
    ]
    frame = requests.assign(
        model=responses["model"],
        part="draw",
        unit=requests["chain"],
        position=requests["round"],
        value=pd.Series([p.value for p in parsed], index=requests.index, dtype=float),
        failure=pd.Series([p.failure for p in parsed], index=requests.index, dtype=object),
        tokens=responses["completion_tokens"],
        finish_reason=responses["finish_reason"],
    )
    return DRAWS.validate(frame[list(DRAWS.columns)])


def main(
    draw_table: str,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    settings: dict[str, Any],
    long: dict[str, Any],
    draws: int,
    asked: dict[str, Any],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Run the chains of one model (`settings`) and its long replies (`long`); write their draws.

    `long` has the config's sections `batched` and `generators`; `asked` is what the model's kind
    says (`kinds.asked`).
    """
    engine = engines.load(model, spec, checkpoint, batch_tokens=batch_tokens)
    # A separate folder, because each round reads the whole store: it holds only the chains.
    store = runner.store_of(engine, "chains")
    manner = asking.of(model, asked, spec, checkpoint)
    first = start(manner, settings, seed)
    chains = read(*rounds.converse(first, partial(follow, manner), engine, store))
    lists = long_replies.table(manner, long, draws, seed)
    listed = runner.generate(lists, engine, runner.store_of(engine))
    drawn = pd.concat([chains, parsing.draws(lists, listed)], ignore_index=True)
    tables.write(drawn, draw_table, DRAWS, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)

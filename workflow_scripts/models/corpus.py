"""The corpus of the embedded models: training and test conversations of each skill."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandera.pandas import Check, Column, DataFrameSchema

from workflow_scripts.models.corpora import arithmetic, choices, copying, facts, sampling, world
from workflow_scripts.shared import job, progress, seeds, tables

CORPUS = DataFrameSchema(
    {
        "skill": Column(str),
        "form": Column(str),
        "level": Column(str),  # difficulty, or how often the fact was seen; "" if there is none
        "messages": Column(str),  # chat turns as JSON
        "place": Column(str, nullable=True),  # of skill facts
        "seen": Column("Int64", Check.ge(0), nullable=True),  # how often training states the fact
    },
    coerce=True,
    name="corpus",
)

Make = Callable[[np.random.Generator, str], dict[str, Any]]


def skills(settings: dict[str, Any], lands: world.World) -> dict[str, Make]:
    """For each skill the function that generates one conversation of a split."""
    return {
        "facts": lambda rng, split: facts.conversation(
            rng, split, lands, settings["earlier_right_rate"]
        ),
        "arithmetic": lambda rng, split: arithmetic.conversation(
            rng,
            split,
            settings["most_steps"],
            settings["most_attempts"],
            settings["earlier_right_rate"],
        ),
        "sampling": sampling.conversation,
        "copying": lambda rng, split: copying.conversation(rng, split, settings["longest"]),
        "choices": lambda rng, split: choices.conversation(rng, split, settings["longest"]),
    }


def table(makers: dict[str, Make], counts: dict[str, int], split: str, seed: int) -> pd.DataFrame:
    """`counts[skill]` conversations of each skill, one per row; every skill has its own seed."""
    rows = []
    for skill, count in counts.items():
        rng = seeds.generator(seed, "corpus", split, skill)
        make = makers[skill]
        for _ in progress.track(range(count), description=f"{split} {skill}"):
            made = make(rng, split)
            rows.append(made | {"skill": skill, "messages": json.dumps(made["messages"])})
    return pd.DataFrame(rows).reindex(columns=list(CORPUS.columns))


def world_of(seed: int, places: int, zipf_exponent: float) -> world.World:
    """The synthetic world of a seed."""
    return world.make(seeds.generator(seed, "world"), places, zipf_exponent)


def count_facts(train: pd.DataFrame, lands: world.World) -> dict[str, int]:
    """Number of training conversations about each place's latitude."""
    seen = Counter(train.loc[train["skill"] == "facts", "place"])
    return {place: seen[place] for place in lands.places}


def main(
    train: str | Path,
    held_out: str | Path,
    places: str | Path,
    seed: int,
    settings: dict[str, Any],
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write the training and test conversations, and the world's places."""
    lands = world_of(seed, settings["places"], settings["zipf_exponent"])
    makers = skills(settings, lands)
    counts = settings["conversations"]
    tests = dict.fromkeys(counts, settings["held_out"])
    taught = table(makers, counts, "train", seed)
    seen = count_facts(taught, lands)
    for frame, path in ((taught, train), (table(makers, tests, "held_out", seed), held_out)):
        frame["seen"] = frame["place"].map(seen).astype("Int64")
        tables.write(frame, path, CORPUS, provenance)
    atlas = pd.DataFrame(
        {
            "place": lands.places,
            "latitude": lands.latitudes,
            "frequency": lands.frequencies,
            "seen": [seen[place] for place in lands.places],
        }
    )
    tables.write(atlas, places, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)

"""The questions of every experiment, worded for one world, with their right options.

Worlds: `embedded`, the places and forms that the embedded models were trained on; `cities`, real
cities in English; `cities-difficult`, the same with foils so close that strong models err too.
Tasks: `latitude` (two options), `four_options`, `transfer` and `sanity`. The places of
`calibration` questions appear in no other question.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandera.pandas import Check, Column, DataFrameSchema

from workflow_scripts.change_of_mind import choice_files
from workflow_scripts.change_of_mind.wording import listed
from workflow_scripts.models.corpora import choices, world
from workflow_scripts.models.corpora.split import belongs
from workflow_scripts.shared import job, seeds, tables

QUESTIONS = DataFrameSchema(
    {
        "question": Column(str, unique=True),
        "task": Column(str, Check.isin(["latitude", "four_options", "transfer", "sanity"])),
        "part": Column(str, Check.isin(["calibration", "main"])),
        "cluster": Column(str),  # questions of one cluster share their place
        "text": Column(str),  # the question with its lettered options
        "options": Column(int, Check.in_range(2, 4)),
        "right": Column(int, Check.ge(0)),  # index of the right option
    },
    coerce=True,
    name="questions",
)
LEAST_LATITUDE = 5.0  # degrees; closer to the equator a 50 % offset would be too small to see

Question = dict[str, Any]  # a row of `QUESTIONS` without its name, task and part


class Place(NamedTuple):
    """A place of the atlas."""

    name: str
    latitude: float  # degrees, north positive


class Atlas(NamedTuple):
    """Places and how they are asked about."""

    places: list[Place]
    foils: Callable[[float], list[float]]  # the possible foils of a two-option question
    three_foils: Callable[[np.random.Generator, float], list[float]]
    ask: Callable[[str, list[float]], str]  # name and latitudes in the options' order -> question


def latitude(
    atlas: Atlas, places: Sequence[Place], count: int, rng: np.random.Generator
) -> list[Question]:
    """Up to `count` two-option questions: each place once, then its other foils and orders."""
    rounds: list[list[Question]] = [[], [], [], []]
    for index in rng.permutation(len(places)):
        place = places[index]
        forms = [(foil, right) for foil in atlas.foils(place.latitude) for right in (0, 1)]
        for number, chosen in enumerate(rng.permutation(len(forms))):
            foil, right = forms[chosen]
            values = [foil, foil]
            values[right] = place.latitude
            rounds[number].append(_row(place.name, atlas.ask(place.name, values), 2, right))
    return [row for each in rounds for row in each][:count]


def four_options(
    atlas: Atlas, places: Sequence[Place], count: int, rng: np.random.Generator
) -> list[Question]:
    """Up to `count` questions with three foils, at most one per place."""
    rows = []
    for index in rng.permutation(len(places))[:count]:
        place = places[index]
        values = [place.latitude, *atlas.three_foils(rng, place.latitude)]
        order = rng.permutation(len(values)).tolist()
        text = atlas.ask(place.name, [values[i] for i in order])
        rows.append(_row(place.name, text, len(values), order.index(0)))
    return rows


def comparisons(options: int, count: int, rng: np.random.Generator) -> list[Question]:
    """Which number is largest or smallest, as in the embedded models' training; held-out lists."""
    rows: dict[str, Question] = {}
    while len(rows) < count:
        numbers = rng.choice(100, size=options, replace=False).tolist()
        if belongs(str(sorted(numbers)), "held_out"):
            criterion = ("largest", "smallest")[int(rng.integers(2))]
            best = max(numbers) if criterion == "largest" else min(numbers)
            text = choices.lettered(criterion, numbers)
            rows[text] = _row(text, text, options, numbers.index(best))
    return list(rows.values())


def word_problems(count: int, rng: np.random.Generator) -> list[Question]:
    """Two-step grade-school sums with three near misses as foils."""
    rows: dict[str, Question] = {}
    while len(rows) < count:
        boxes, each, sold = (int(x) for x in rng.integers([3, 4, 2], [20, 25, 12]))
        answer = boxes * each - sold
        foils = rng.permutation([answer + 2 * sold, answer - each, answer + each, boxes * each])
        values = [answer, *[int(x) for x in dict.fromkeys(foils.tolist()) if x != answer][:3]]
        order = rng.permutation(len(values)).tolist()
        story = (
            f"A shop has {boxes} boxes of {each} pens each and sells {sold} pens. How many pens "
            "are left?"
        )
        if len(values) == 4:
            text = f"{story}\n{listed([str(values[i]) for i in order], chr(10))}"
            rows[story] = _row(story, text, 4, order.index(0))
    return list(rows.values())


def divisible(count: int, rng: np.random.Generator) -> list[Question]:
    """Which of two numbers is divisible by a third (E7)."""
    rows: dict[str, Question] = {}
    while len(rows) < count:
        by, times, rest = (int(x) for x in rng.integers([3, 11, 1], [10, 60, 3]))
        right = int(rng.integers(2))
        values = [by * times, by * times + rest]
        if right:
            values.reverse()
        text = f"Which number is divisible by {by}?\n{listed([str(v) for v in values], chr(10))}"
        rows[text] = _row(text, text, 2, right)
    return list(rows.values())


def embedded_atlas(places: pd.DataFrame) -> Atlas:
    """The embedded models' world: its test foils, and for four options also training foils."""

    def three_foils(rng: np.random.Generator, at: float) -> list[float]:
        here = int(at)
        foils: list[float] = [*world.held_out_foils(here)]
        rest = [f for north in (True, False) for f in world.trained_foils(here, north)]
        return [*foils, *rng.permutation(rest).tolist()][:3]

    return Atlas(
        [Place(str(r.place), float(r.latitude)) for r in places.itertuples()],  # type: ignore
        lambda at: [float(foil) for foil in world.held_out_foils(int(at))],
        three_foils,
        lambda name, values: (
            f"How far north is {name}? {listed([f'{v:.0f}' for v in values], ' ')}"
        ),
    )


def city_atlas(cities: pd.DataFrame, offset: float) -> Atlas:
    """Real cities; a foil differs by the share `offset` of the latitude, in either direction."""
    far = cities[cities["latitude_deg"].abs() > LEAST_LATITUDE]

    def ask(name: str, values: list[float]) -> str:
        shown = [f"{abs(v):.2f} degrees {'north' if v > 0 else 'south'}" for v in values]
        return f"What is the latitude of {name}?\n{listed(shown, chr(10))}"

    return Atlas(
        [
            Place(f"{city}, {country}", float(at))
            for city, country, at in zip(
                far["city"], far["country"], far["latitude_deg"], strict=True
            )
        ],
        lambda at: [at * (1 + offset), at * (1 - offset)],
        lambda rng, at: [
            at * (1 + share * offset) for share in rng.permutation([-1.0, -0.5, 0.5, 1.0])[:3]
        ],
        ask,
    )


def table(
    name: str,
    atlas: Atlas,
    counts: dict[str, int],
    calibration_share: float,
    files: dict[str, str | None],
    seed: int,
) -> pd.DataFrame:
    """All questions of the world `name` (`QUESTIONS`), at most `counts` of each kind.

    `files` may name multiple-choice files that replace the generated questions of `four_options`
    and `transfer` (English worlds only).
    """

    def rng(*names: str) -> np.random.Generator:
        return seeds.generator(seed, "change_of_mind", "questions", *names)

    order = rng("split").permutation(len(atlas.places))
    cut = round(calibration_share * len(order))
    held, main = ([atlas.places[i] for i in part] for part in (order[:cut], order[cut:]))
    taught = name == "embedded"
    parts = {
        ("latitude", "calibration"): latitude(
            atlas, held, counts["calibration"], rng("calibration")
        ),
        ("latitude", "main"): latitude(atlas, main, counts["factorial"], rng("factorial")),
        ("four_options", "main"): four_options(
            atlas, main, counts["four_options"], rng("four_options")
        ),
        ("transfer", "main"): comparisons(4, counts["transfer"], rng("transfer"))
        if taught
        else word_problems(counts["transfer"], rng("transfer")),
        ("sanity", "main"): comparisons(2, counts["sanity"], rng("sanity"))
        if taught
        else divisible(counts["sanity"], rng("sanity")),
    }
    for task, path in files.items():
        if path and not taught:
            parts[task, "main"] = list(_from_file(path, counts[task], rng(task)))
    rows = [
        {"question": f"{task}/{part}/{number}", "task": task, "part": part, **row}
        for (task, part), made in parts.items()
        for number, row in enumerate(made)
    ]
    return pd.DataFrame(rows)


def _from_file(path: str, count: int, rng: np.random.Generator) -> Iterator[Question]:
    items = choice_files.read(path)
    for index in rng.permutation(len(items))[:count]:
        item = items[index]
        text = f"{item.question}\n{listed(list(item.options), chr(10))}"
        yield _row(item.question, text, len(item.options), item.right)


def _row(cluster: str, text: str, options: int, right: int) -> Question:
    return {"cluster": cluster, "text": text, "options": options, "right": right}


def main(
    source: str,
    questions: str,
    world: str,
    counts: dict[str, int],
    calibration_share: float,
    offset: float,
    files: dict[str, str | None],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write the questions of a world; `source` is the table of its places."""
    if world == "embedded":
        atlas = embedded_atlas(tables.read(source))
    else:
        atlas = city_atlas(pd.read_csv(source, comment="#"), offset)
    frame = table(world, atlas, counts, calibration_share, files, seed)
    tables.write(frame, questions, QUESTIONS, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)

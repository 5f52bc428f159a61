"""Artificial answerers and their trials for the tests, from the study's own code."""

from functools import cache

import numpy as np
import pandas as pd

from workflow_scripts.change_of_mind import answerers, questions, turns, wording
from workflow_scripts.change_of_mind.trials import trials_of
from workflow_scripts.shared.fingerprint import ROOT

COUNTS = {
    "calibration": 300,
    "factorial": 150,
    "controls": 60,
    "four_options": 30,
    "transfer": 30,
    "sanity": 20,
}
FILES: dict[str, str | None] = {"four_options": None, "transfer": None}
PLAN = turns.Plan(wording.ENGLISH, (50, 60, 70, 80, 90, 100), COUNTS, 1.0, 5)
BIASED = {"evidence": 1.5, "temperature": 2.0, "shift": 1.2, "noise": 0.3}
BIASED |= {"same_weight": 1.1, "opposite_weight": 2.0}
IDEAL = {"evidence": 1.5, "temperature": 2.0, "shift": 0.0, "noise": 0.0}
IDEAL |= {"same_weight": 1.0, "opposite_weight": 1.0}
CITIES = ROOT / "resources" / "change_of_mind" / "cities.csv"


@cache
def cities() -> pd.DataFrame:
    return pd.read_csv(CITIES, comment="#")


@cache
def asked() -> pd.DataFrame:
    atlas = questions.city_atlas(cities(), 0.5)
    return questions.QUESTIONS.validate(
        questions.table("cities", atlas, COUNTS, 0.4, FILES, PLAN.seed)
    )


@cache
def answered(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Requests and responses of `biased` or `ideal`."""
    return answerers.answers(asked(), {"biased": BIASED, "ideal": IDEAL}[name], name, PLAN)


@cache
def tried(name: str) -> pd.DataFrame:
    return trials_of(asked(), *answered(name), PLAN)


def rows(frame: pd.DataFrame, **wanted: object) -> pd.DataFrame:
    keep = np.ones(len(frame), bool)
    for column, value in wanted.items():
        keep &= (frame[column] == value).to_numpy()
    return frame[keep]

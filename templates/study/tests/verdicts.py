"""Scores under which each claim of `example_study` ends in each verdict."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.example_study import claims, metrics
from workflow_scripts.shared.claims import Claim, Verdict
from workflow_scripts.shared.scores import mean, table

MODELS: Mapping[str, Any] = {}  # the config's `models`: a stand-in, another model, the paper's
EXACT: set[str] = set()  # claims on exact quantities, which are never inconclusive
UNTESTED: dict[str, str] = {}  # claims that nothing here measures, and what they would need

SIZES = np.array([4.0, 16.0, 64.0])
SLOPES = {  # the slope, and its spread over seeds
    Verdict.SUPPORTED: (-0.5, 0.01),
    Verdict.CONTRADICTED: (-1.0, 0.01),
    Verdict.INCONCLUSIVE: (-0.5, 0.5),
}


def all_claims() -> list[Claim]:
    """The study's claims, as its rule builds them."""
    return claims.all_claims()


def world(claim: str, verdict: Verdict) -> pd.DataFrame:
    """Scores that give this claim this verdict: eight seeds whose spread has a known slope."""
    slope, spread = SLOPES[verdict]
    slopes = slope + spread * np.random.default_rng(1).standard_normal((8, 1))
    values = SIZES**slopes
    rows = [mean("E1", "spread", values[:, i], size=int(size)) for i, size in enumerate(SIZES)]
    rows.append(mean("E1", "spread_slope", metrics.log_slope(SIZES, values)))
    return table([rows], ["size"], whole=["size"]).assign(model="theory")

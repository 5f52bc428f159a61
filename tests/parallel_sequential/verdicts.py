"""Scores under which each claim of `parallel_sequential` ends in each verdict."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.parallel_sequential import claims, exploration
from workflow_scripts.parallel_sequential.rows import Rows, table
from workflow_scripts.parallel_sequential.worlds import WORLDS
from workflow_scripts.shared.claims import Claim, Verdict

N, CHAINS, QUESTIONS = 8, 16, {"math": 30, "code": 200}
MODELS: Mapping[str, Any] = {
    "a stand-in": {"source": "train"},
    "another": {"source": "a folder"},
    "the paper's": {"source": "a folder", "paper_model_of": {"parallel_sequential": "Qwen3"}},
    "a closed one": {"source": "a server", "paper_model_of": {"parallel_sequential": "Gemini 2.5"}},
}
EXACT: set[str] = set()
_ACCOUNT = "the paper's own text, or an account of it that the others do not contradict"
UNTESTED = {"6a": _ACCOUNT, "6b": _ACCOUNT, "6c": _ACCOUNT}

# Of each claim: the metric, the other columns of its rows, and the border of its region.
ROWS: dict[str, tuple[str, list[dict[str, Any]], float]] = {
    "1a": ("gap", [{"aggregator": "majority", "k": N}], 0.0),
    "1b": ("gap", [{"aggregator": "any", "k": N}], 0.0),
    "1c": ("gap_equal_tokens", [{"aggregator": "majority", "k": N}], 0.0),
    "2": ("gap", [{"aggregator": name, "k": N} for name in ("majority", "any", "logprob")], 0.0),
    "3a": ("accuracy_change", [{"k": N, "cell": cell} for cell in "124"], -0.0394),
    "3b": ("remaining_gap", [{"k": N, "cell": cell} for cell in "124"], 0.0),
    "3c": ("accuracy_change", [{"k": N, "cell": cell} for cell in "124"], -0.0153),
    "4a": ("similarity_excess", [{"cell": "embedding"}], 0.0),
    "4b": ("repeat_rate_excess", [{"k": N}], 0.0),
    "4d": ("similarity_excess", [{"cell": "lexical"}], 0.0),
    "5a": ("strongest_induction_score", [{"cell": "1.3"}], 0.5),
    "5b": ("copying_gain", [{"cell": "none"}], 0.0),
    "5c": ("copying_lost_beyond_random", [{}], 0.0),
    "6d": ("gain_from_feedback", [{"arm": "oracle", "k": N, "cell": ""}], 0.0),
    "7": ("gain_over_sequential", [{"arm": "resample", "aggregator": "majority", "k": N}], 0.0),
    "8": ("share_at_all_times", [{}], 0.5),
}
DISTANCE = {Verdict.SUPPORTED: 0.1, Verdict.CONTRADICTED: -0.1, Verdict.INCONCLUSIVE: 0.0}
CAUSES = {
    Verdict.SUPPORTED: "copying",
    Verdict.CONTRADICTED: "degradation",
    Verdict.INCONCLUSIVE: "both",
}


def all_claims() -> list[Claim]:
    """The study's claims at the sizes of the paper preset, on questions from files."""
    files = dict.fromkeys(QUESTIONS, True)
    return claims.all_claims(N, CHAINS, QUESTIONS, [1, 2, 4], files)


def world(claim: str, verdict: Verdict, model: str = "the paper's") -> pd.DataFrame:
    """Scores that give this claim this verdict for `model`: as many questions as in the preset."""
    rows = Rows(model, "code" if claim in ("1b", "3c") else "math", 1)
    rows.number("P1", "answered_share", 1.0, 480, "attempts")
    if claim == "4c":
        rng = np.random.default_rng(3)
        questions = 40 if verdict is Verdict.INCONCLUSIVE else 300
        exploration.attribute(rows, *WORLDS[CAUSES[verdict]].sets(questions, 4, N, rng))
    elif verdict in DISTANCE:
        metric, conditions, border = ROWS[claim]
        count = QUESTIONS[rows.domain]
        spread = np.linspace(-1, 1, count) * 0.1  # its mean is 0
        for more in conditions:
            rows.mean(
                "stopping" if claim == "8" else "P",
                metric,
                border + DISTANCE[verdict] + spread,
                **more,
            )
        for cell in "124":
            rows.number("P3", "padding_to_history", float(cell), 480, "attempts", cell=cell)
    return table([rows.made])

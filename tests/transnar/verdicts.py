"""For each claim, scores under which it is supported, contradicted and inconclusive."""

from functools import cache

import numpy as np
import pandas as pd

from workflow_scripts.clrs.specs import ALGORITHMS
from workflow_scripts.shared import scores as shared
from workflow_scripts.shared.claims import Verdict
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.transnar import across, claims, contrasts, protocols, scores
from workflow_scripts.transnar.published import MULTI_TASK, SINGLE_TASK, mean_pct

TABLE_2 = ROOT / "resources/published/transnar_ibarz2022_table2.csv"
FIGURE_3 = ROOT / "resources/published/transnar_ibarz2022_figure3.csv"
SIZES = {"interpolation": 10, "trained": 12, "extrapolation": 14}
ROLES = {size: role for role, size in SIZES.items()}
# All that the papers state, with the reasoner of multi-task training (`R2`).
SETTINGS = {
    "algorithms": list(ALGORITHMS),
    "data": {"text_train": {"sizes": [4, 5, 6, 7, 8, 12], "samples": 7000}},
    "sizes": SIZES,
    "decoder": {"width": 640, "layers": 6, "position_range": 8192, "labels": 0},
    "train": {"steps": 34450, "seeds": 4, "batch": 256, "learning_rate": 1.0e-4},
    "pretrained": {"trained": "all", "every": 1, "positions": "randomised"}
    | {"position_range": 8192, "train": {}},
    "reasoner": "all",
    "reasoners": {
        "all": {"algorithms": list(ALGORITHMS), "steps": 10000},
        "bfs": {"algorithms": ["bfs"], "steps": 10000},
    },
    "reasoner_data": {
        "train": {"sizes": protocols.SIZES},
        "test": {"sizes": [16, 64], "samples": 32},
    },
    "reasoner_train": {"width": 128, "batch": 32, "learning_rate": 1.0e-3, "max_grad_norm": 1.0}
    | {"processor": "triplet_gmpnn", "chunk_steps": 16, "validate_every": 50, "seeds": 10},
}
MODELS = {"theirs": {"source": "owner/theirs", "paper_model_of": {"transnar": claims.CHINCHILLA}}}
EXACT = set()
UNTESTED = {}

NAMES = (*claims.UNHELPED, *claims.NEAR_ZERO)  # of four families
SEEDS, PROMPTS = 4, 12
MIDDLE, STEP, LOUD = 0.5, 0.15, 0.3
SIGNS = {Verdict.SUPPORTED: 1, Verdict.CONTRADICTED: -1, Verdict.INCONCLUSIVE: 0}
FREE, PLAIN = "free", "plain"
# id: metric, first and second (arm, inference), form, border, and the side that supports it.
DIFFERENCES = {
    "N1a": ("clrs_score", ("hybrid", PLAIN), ("text", PLAIN), FREE, 0.0, 1),
    "N1b": ("clrs_score", ("hybrid", PLAIN), ("text", PLAIN), FREE, 0.2, 1),
    "N2": ("clrs_score", ("hybrid", PLAIN), ("text", PLAIN), FREE, 0.0, 1),
    "N6": ("shape_score", ("hybrid", PLAIN), ("text", PLAIN), FREE, 0.0, 1),
    "N7": ("clrs_score", ("hybrid", PLAIN), ("text", PLAIN), FREE, claims.MARGIN, -1),
    "N8b": ("parse_score", ("hybrid", PLAIN), ("text", PLAIN), FREE, 0.0, -1),
    "X1": ("clrs_score", ("hybrid", "shuffled"), ("hybrid", PLAIN), "given", 0.0, -1),
    "X3": ("clrs_score", ("hybrid", "nodes_only"), ("hybrid", PLAIN), "given", 0.0, -1),
    "X4": ("clrs_score", ("text", "adaptive"), ("text", PLAIN), FREE, 0.0, 1),
}
for _id, _pairs, _border, _side in (
    ("N9a", contrasts.RANDOMISED, 0.0, 1),
    ("N9b", contrasts.NOT_RANDOMISED, claims.MARGIN, -1),
    ("N10", contrasts.OTHER_MERGES, claims.MARGIN, -1),
    ("X2", contrasts.REASONER_TRAINED, 0.0, 1),
    ("X5", contrasts.ADAPTIVE, 0.0, 1),
    ("N3", contrasts.pretrained(["hybrid:theirs"]), 0.0, 1),
):
    _first, _second = ((arm, PLAIN) for arm in _pairs[0])
    DIFFERENCES[_id] = ("clrs_score", _first, _second, FREE, _border, _side)


@cache
def all_claims():
    """The published multi-task reasoners have no gates, so no one processor suits R1 and R2."""
    gated, plain = (
        claims.all_claims(
            TABLE_2,
            FIGURE_3,
            SETTINGS | {"reasoner_train": SETTINGS["reasoner_train"] | {"processor": processor}},
        )
        for processor in ("triplet_gmpnn", "triplet_mpnn")
    )
    return [claim for claim in gated if claim.id != "R2"] + [c for c in plain if c.id == "R2"]


def values(level, noise, turn):
    """Shape (seeds, prompts): a level, the luck of the seeds in another order, a prompt's."""
    luck = np.roll(np.linspace(-1, 1, SEEDS), turn)[:, None] * noise
    return np.clip(level + luck + 0.02 * np.cos(np.arange(PROMPTS)), 0, 1)


def answered(levels, noise):
    """Scores of a run; `levels` maps (arm, inference, form, role, metric) to a mean."""
    table = {}
    for turn, ((arm, inference, form, role, metric), level) in enumerate(levels.items()):
        cell = {name: values(level, noise, turn) for name in NAMES}
        table[arm, inference, form, SIZES[role], metric] = cell
    return made([
        *scores.pooled(table, ROLES),
        *scores.compared(table, ROLES),
        *across.rows(table, SIZES),
    ])  # fmt: skip


def made(rows):
    return shared.table([rows], scores.CONDITIONS, whole=["nodes", "steps"])


def pair(metric, first, second, form, gaps, noise):
    """Two (arm, inference) whose difference at each role is in `gaps`."""
    levels = {}
    for role, gap in gaps.items():
        levels[*first, form, role, metric] = MIDDLE + gap / 2
        levels[*second, form, role, metric] = MIDDLE - gap / 2
    return answered(levels, noise)


def reasoner_world(training, sign):
    known = {
        SINGLE_TASK: mean_pct(TABLE_2, SINGLE_TASK),
        MULTI_TASK: mean_pct(FIGURE_3, MULTI_TASK),
    }
    names = ["bfs"] if training == SINGLE_TASK else list(ALGORITHMS)
    centre = {1: 0.0, -1: -0.2, 0: -claims.MARGIN}[sign]
    rows = [
        {"algorithm": name, "nodes": 64, "seed": seed, "output": "score", "samples": 32}
        | {"value": min(max(known[training][name] / 100 + centre + luck, 0.0), 1.0)}
        for name in names
        for seed, luck in enumerate((-0.003, 0.0, 0.003))
    ]
    entry = "bfs" if training == SINGLE_TASK else "all"
    return made(list(scores.reasoner_rows(pd.DataFrame(rows), entry, 10000, known)))


def world(claim_id, verdict):
    """Scores under which the claim gets the verdict."""
    sign = SIGNS.get(verdict, 1)
    noise = LOUD if sign == 0 else 0.01
    gap = STEP * sign
    hybrid, text = ("hybrid", PLAIN), ("text", PLAIN)
    if claim_id in DIFFERENCES:
        metric, first, second, form, border, side = DIFFERENCES[claim_id]
        gaps = dict.fromkeys(SIZES, border + side * gap)
        return pair(metric, first, second, form, gaps, noise)
    if claim_id == "N4a":
        gaps = {"interpolation": 0.3 + gap, "trained": 0.3, "extrapolation": 0.3 + gap}
        return pair("clrs_score", hybrid, text, FREE, gaps, noise)
    if claim_id in ("N4b", "N8a"):
        metric, border, step = {
            "N4b": ("clrs_score", 0.7, STEP),
            "N8a": ("parse_score", 0.95, 0.03),
        }[claim_id]
        levels = {
            (arm, PLAIN, FREE, role, metric): border + sign * step
            for arm in ("text", "hybrid")
            for role in SIZES
        }
        return answered(levels, noise if sign == 0 else 0.005)
    if claim_id == "N5":
        return answered(
            {
                (*text, FREE, "interpolation", "clrs_score"): across.NEAR_ZERO - 0.05 * sign,
                (*hybrid, FREE, "interpolation", "clrs_score"): across.CLEAR + gap,
            },
            noise,
        )
    if claim_id in ("R1", "R2"):
        return reasoner_world(SINGLE_TASK if claim_id == "R1" else MULTI_TASK, sign)
    return pair("clrs_score", hybrid, text, FREE, dict.fromkeys(SIZES, 0.1), 0.01)

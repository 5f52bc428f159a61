"""Scores under which each claim of `glasses` ends in each verdict."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import yaml

from workflow_scripts.glasses import answers, claims, gap_scores, metrics, model_gaps, requests
from workflow_scripts.glasses import scores as study_scores
from workflow_scripts.glasses.sensitivity import profile
from workflow_scripts.shared.claims import Claim, Verdict
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.scores import Row, exact, interval, mean, share, table
from workflow_scripts.shared.statistics import Interval

FOLDER = ROOT / "resources/published"
PUBLISHED = {
    name: str(FOLDER / f"glasses_{file}.csv")
    for name, file in (
        ("thresholds", "thresholds"),
        ("copies", "copy_outcomes"),
        ("errors", "counting_error_digitised"),
        ("gaps", "gap_digitised"),
    )
}
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())["glasses"]
MODELS: Mapping[str, Any] = {
    "embedded-s": {"source": "train"},
    "other": {"source": "owner/other"},
    "gemini": {"source": "owner/gemini", "paper_model_of": {"glasses": "Gemini 1.5"}},
    "gemma": {"source": "owner/gemma", "paper_model_of": {"glasses": "Gemma 7B"}},
}
UNTESTED = {
    "G16b": "a task that asks for an item at each position of a long list, with accuracy by "
    "position",
}
S, C, INC = Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.INCONCLUSIVE
LENGTHS = [5, 10, 50, 100, 500, 1000, 5000, 10_000]
DIGITS = [1, 2, 6, 11, 25, 51, 101, 501, 1001, 2001]
TASKS = {
    "copy_lengths": list(range(100, 501, 50)),
    "order_lengths": list(range(100, 1501, 100)),
}
AS_CHAT = {"kind": "chat", "thinks": False, "wording": "paper", "reply_tokens": 8}
TWO_SEEDS = {"units": "seeds", "precision": "float64"}


# The paper's lengths.
ASKED: dict[str, Any] = {
    "copy_lengths": TASKS["copy_lengths"],
    "order_lengths": TASKS["order_lengths"],
    "count_lengths": list(range(5, 196, 10)),
    "gap_lengths": DIGITS,
}


def all_claims(wordings: Mapping[str, str] | None = None, **asked: Any) -> list[Claim]:
    """The study's claims, as its rule builds them, for models asked as in the paper.

    Except for the lengths in `asked`, and the models in `wordings`.
    """
    return claims.all_claims(
        **PUBLISHED,
        stack=CONFIG["stack"],
        variation=CONFIG["theory"]["variation"],
        asked=ASKED | asked,
        wordings=dict.fromkeys([*MODELS, "made"], "paper") | dict(wordings or {}),
    )


def rng() -> np.random.Generator:
    """The same generator for each world."""
    return np.random.default_rng(1)


def curves(limit: float, noise: float, seeds: int = 6) -> np.ndarray:
    """Gaps (seeds, lengths) that fall as 1/n towards a limit."""
    clean = limit + np.array(LENGTHS, float) ** -1.0
    return clean * np.exp(noise * rng().standard_normal((seeds, len(LENGTHS))))


def gaps(values: np.ndarray) -> dict[str, np.ndarray]:
    """What `metrics.gaps` gives for gaps (seeds, lengths) at magnitudes between 1 and 2."""
    return {
        "gap_l1": values,
        "gap_linf": values,
        "ulps": values / metrics.BFLOAT16_LINE,
        "equal": 1.0 * (values == 0),
    }


FALLS = {S: (0.0, 0.1), C: (0.2, 0.05), INC: (0.008, 1.0)}  # limit and noise of a fall


def of_limit(experiment: str, part: str, encoding: str, verdict: Verdict) -> list[Row]:
    """Rows of gaps and their limits."""
    where = {**TWO_SEEDS, "part": part, "encoding": encoding}
    found = gaps(curves(*FALLS[verdict]))
    rows = gap_scores.gap_rows(experiment, LENGTHS, found, **where)
    return rows + gap_scores.limit_rows(experiment, LENGTHS, found, **where)


def of_crossings(verdict: Verdict) -> list[Row]:
    """Four encodings that pass the line together, one ten times later, or late in some seeds."""
    late = {S: np.full(6, 1.1), C: np.full(6, 10.0), INC: np.array([1, 1, 1, 6, 6, 6.0])}[verdict]
    rows = []
    for encoding in ("none", "sinusoidal", "alibi", "rotary"):
        factor = late if encoding == "alibi" else np.ones(6)
        found = gaps(curves(0.0, 0.05) * factor[:, None])
        where = {**TWO_SEEDS, "part": "attention", "encoding": encoding}
        rows += gap_scores.gap_rows("E8", LENGTHS, found, **where)
        rows += gap_scores.limit_rows("E8", LENGTHS, found, **where)
    return rows


def of_collapse(onsets: Mapping[tuple[str, str], list[float]]) -> list[Row]:
    """One whole layer whose seeds collapse at these lengths, by encoding and precision."""
    lengths = [10, 30, 100, 300, 1000, 3000, 10_000, 30_000]
    rows = []
    for (encoding, precision), each in onsets.items():
        values = np.array([[1e-3 if n >= onset else 1.0 for n in lengths] for onset in each])
        where = {"units": "seeds", "part": "layer", "encoding": encoding, "precision": precision}
        rows += gap_scores.gap_rows("layer", lengths, gaps(values), **where)
    return rows


def of_encodings(verdict: Verdict) -> list[Row]:
    """Four encodings that collapse together, or one that does so later, or not at all."""
    last = {S: [100.0] * 6, C: [10_000.0] * 6, INC: [np.inf] * 6}[verdict]
    early = [100.0] * 6 if verdict != INC else [30.0, 100.0, 1000.0, 1000.0, 3000.0, 3000.0]
    names = ("none", "sinusoidal", "alibi")
    return of_collapse(
        {(name, "bfloat16"): early for name in names} | {("rotary", "bfloat16"): last}
    )


def of_precisions(verdict: Verdict) -> list[Row]:
    """Seeds that collapse in float16 later, earlier, or some later and some earlier."""
    late = {S: [1000, 1000, 3000] * 2, C: [30, 30, 10] * 2, INC: [1000, 30, 100] * 2}[verdict]
    return of_collapse({("none", "bfloat16"): [100.0] * 6, ("none", "float16"): late})


def of_window(family: str, verdict: Verdict) -> list[Row]:
    """Six random layers with a window, and without."""
    hits = {S: 6, C: 0, INC: 3}[verdict]
    rows = []
    for cure, count in (("window", hits), ("none", 6)):
        where = {"family": family, "encoding": "none", "cure": cure, "precision": "float64"}
        where |= {"length": 4096, "units": "seeds"}
        rows += [
            share("cures", "apart_share", count, 6, **where),
            mean("cures", "gap_linf", np.linspace(0.1, 0.2, 6), **where),
        ]
    return rows


def of_paths(verdict: Verdict) -> list[Row]:
    """Paths to the last token that fall or rise with the position."""
    counts = [100, 50, 10, 1] if verdict == S else [1, 10, 50, 100]
    return [
        exact("paths", "path_count", count, 1, units="cases", depth=8, position=place)
        for place, count in enumerate(counts, 1)
    ]


def of_u(kind: str, verdict: Verdict) -> list[Row]:
    """Norms by position of eight random decoders: a U, an arch, or either."""
    place = np.linspace(-1, 1, 12)
    shapes = {S: (0.2 + place**2, 0.05), C: (1.2 - place**2, 0.05), INC: (np.ones(12), 0.3)}
    shape, noise = shapes[verdict]
    norms = {
        name: shape * np.exp(noise * rng().standard_normal((8, 12))) for name in ("bound", kind)
    }
    return profile("G5", norms, "seeds", encoding="alibi", depth=8)


Answerer = Callable[[dict[str, Any], int], bool]


def replies(right: Answerer, model: str) -> list[Row]:
    """Scores of replies to the study's copying prompts, right where `right` says."""
    asked = pd.DataFrame(requests.copies(TASKS, AS_CHAT, 0))
    # Each prompt has its place among those of its kind, so that an answerer can alternate.
    kinds = ["experiment", "task", "prompting", "family"]
    asked["place"] = asked.groupby(kinds).cumcount()
    texts = [
        "Answer: 0" if right(row, row["place"]) else "Answer: 1" for row in asked.to_dict("records")
    ]
    told = pd.DataFrame({"request_id": asked["request_id"], "model": model, "text": texts})
    told["finish_reason"] = "stop"
    return answers.copying(answers.read(asked, told, {model: False}), 0)


def plain(row: dict[str, Any]) -> bool:
    """Whether a request shows 1...10 and asks for the last digit, without a hint."""
    return row["experiment"] == "E1a" and row["task"] == "last"


def of_arms(arm: Answerer, verdict: Verdict) -> list[Row]:
    """An arm that is better than 1...10, worse, or different in a single reply."""

    def right(row: dict[str, Any], place: int) -> bool:
        late = row["length"] >= 300
        if verdict == INC:
            return not (plain(row) and place == 0)
        loses = plain(row) if verdict == S else arm(row, place)
        return not (loses and late)

    return replies(right, "gemini")


def of_last(verdict: Verdict) -> list[Row]:
    """Copies of the last element that fail from 300 on, hardly ever, or half of the time."""
    fails = {
        S: lambda row, place: row["length"] >= 300,
        C: lambda row, place: place == 0,
        INC: lambda row, place: row["length"] >= 300 and place % 2 == 0,
    }[verdict]
    return replies(lambda row, place: not (plain(row) and fails(row, place)), "gemini")


def of_orders(verdict: Verdict) -> list[Row]:
    """Type 2 better than type 1, worse, or different in a single reply."""
    fails = {
        S: lambda row, place: row["task"] == "type1" and row["length"] >= 900,
        C: lambda row, place: row["task"] == "type2" and row["length"] >= 900,
        INC: lambda row, place: row["task"] == "type1" and place == 0,
    }[verdict]
    return replies(lambda row, place: not fails(row, place), "gemini")


def of_ends(verdict: Verdict) -> list[Row]:
    """Both orders fail from 1,200 on, never, or half of the time."""
    fails = {
        S: lambda row, place: row["length"] >= 1200,
        C: lambda row, place: False,
        INC: lambda row, place: place % 2 == 0,
    }[verdict]
    return replies(lambda row, place: not fails(row, place), "gemini")


def of_trend(model: str, verdict: Verdict) -> list[Row]:
    """Errors that grow with the length, shrink, or do neither."""
    lengths = pd.Series(np.repeat(np.arange(5, 196, 10), 3))
    noise = rng().permutation(len(lengths))
    errors = {S: lengths + 0.1 * noise, C: 200 - lengths + 0.1 * noise, INC: pd.Series(noise)}
    rows = []
    for task in requests.COUNTING:
        where = {"task": task, "prompting": "plain"}
        rows += answers.trend(lengths, errors[verdict].astype(float), 0, where)
    return [row | {"model": model} for row in rows]


def of_hundreds(verdict: Verdict) -> list[Row]:
    """Thirty answers to long sequences: mostly 100, never, or half of them."""
    often = {S: 30, C: 1, INC: 16}[verdict]
    lengths = np.tile(np.arange(105, 196, 10), 3)
    given = np.where(np.arange(30) < often, 100.0, 150.0)
    frame = pd.DataFrame({"given": given, "truth": lengths, "length": lengths})
    return answers.pile(frame, None, {"task": "all", "prompting": "plain"})


def of_gaps(panels: Mapping[str, np.ndarray]) -> list[Row]:
    """A model's gaps by panel, (heads, lengths), read at `DIGITS`."""
    rows = []
    for panel, values in panels.items():
        heads, width = len(values), 2
        sides = np.ones((1, len(DIGITS), 2, 2, 2, heads * width))
        sides[0, :, 1] += np.repeat(values, width, axis=0).T[:, None, None]
        where = {"precision": "float32", "panel": panel}
        rows += model_gaps.panel_rows("E4", DIGITS, heads, sides, **where)
    return rows


def falling(onset: int, low: float = 0.004) -> np.ndarray:
    """Gaps of a head, (lengths,): `low` from a length on."""
    return np.array([low if n >= onset else 0.3 for n in DIGITS])


def of_onset(heads: str, verdict: Verdict) -> list[Row]:
    """One of four heads, or all, near the line from a length on; or not by 51 digits."""
    at = {("lowest", S): 51, ("lowest", C): 1001, ("all", S): 2001, ("all", C): 51}
    onset = at.get((heads, verdict), 101)
    other = 2001 if heads == "lowest" else onset
    values = np.stack([falling(onset), *(falling(other) for _ in range(3))])
    if verdict == INC:
        # The last tested length is in the region, and the gap is still above the line.
        values = np.full((4, len(DIGITS)), 0.3)
    rows = of_gaps({"count_ones": values})
    if verdict == INC and heads == "lowest":
        rows = [row for row in rows if row.get("length", 0) <= 51]
    return rows


def of_ratio(over: str, under: str, verdict: Verdict) -> list[Row]:
    """One panel's gap above another's, below it, or above and below by turns."""
    turns = np.where(np.arange(len(DIGITS)) % 2, 10.0, 0.1)
    factor = {S: 10.0, C: 0.1, INC: turns}[verdict] * np.exp(
        0.1 * rng().standard_normal(len(DIGITS))
    )
    base = 0.03 * np.ones((4, len(DIGITS)))
    return of_gaps({over: base * factor, under: base})


def of_share(hits: int, n: int, experiment: str, metric: str, **where: Any) -> list[Row]:
    """A share over seeds."""
    return [share(experiment, metric, hits, n, units="seeds", **where)]


def of_fit(experiment: str, metric: str, verdict: Verdict) -> list[Row]:
    """A fitted limit of 0, of 0.2, or of an unknown size."""
    low, high = {S: (-1e-5, 1e-5), C: (0.19, 0.21), INC: (-0.1, 0.1)}[verdict]
    found = Interval((low + high) / 2, low, high, 6)
    return [interval(experiment, metric, found, units="seeds")]


def of_budget(verdict: Verdict) -> list[Row]:
    """Twelve formats that lose a count at 10, whose intervals hold that length or do not.

    Each also loses a safe reply if the verdict is `C`.
    """
    hits = {S: 12, C: 0, INC: 6}[verdict]
    rows = []
    for number in range(12):
        where = {"task": "count", "precision": "float32", "cache": f"format {number}"}
        where |= {"units": "replies"}
        ends = (10.0, 8.0, 12.0) if number < hits else (20.0, 15.0, 25.0)
        rows += [
            interval("budget", "predicted_length", Interval(*ends, 24), **where),
            exact("budget", "lost_length", 10, 24, **where),
            exact("budget", "safe_replies", 4, 24, **where),
            exact("budget", "safe_lost", int(verdict == C), 4, **where),
            exact("budget", "losses", 2, 24, **where),
            exact("budget", "expected_losses", 1.5, 24, **where),
        ]
    return rows


THEOREMS: dict[str, tuple[str, str, dict[str, Any], float, float]] = {
    # claim: experiment, metric, conditions, a value that supports it, one that contradicts it
    "G1a": ("G1", "violations", {}, 0, 1),
    "G3a": ("G3", "chain_violations", {}, 0, 1),
    "G4": ("G4", "closed_form_error", {}, 1e-15, 0.1),
    "G5a": ("G5", "bound_violations_fixed", {}, 0, 1),
    "G5c": ("G5", "bound_violations_varying", {}, 0, 1),
    "G6": ("B8", "least_first_weight", {}, 0.9999, 0.5),
    "G7a": ("G7", "ratio_gap_linf", {"encoding": "bidirectional"}, 1e-15, 0.1),
    "G7b": ("G7", "ratio_gap_linf", {"encoding": "causal"}, 1e-15, 0.1),
}
EXACT = {*THEOREMS, "G5b", "G5d", "G17a"}
ARMS: dict[str, Answerer] = {
    "G9a": lambda row, _: row["experiment"] == "E1a" and row["task"] == "first",
    "G9c": lambda row, _: row["experiment"] == "E1b" and row["task"] == "last",
    "G9d": lambda row, _: row["family"] == "zero_first",
    "G9e": lambda row, _: row["family"] == "one_first",
}
MADE: dict[str, tuple[str, Callable[[Verdict], list[Row]]]] = {
    # claim: the model of its rows, and the rows for a verdict
    "G1b": ("theory", lambda v: of_fit("G1", "last_weight_limit", v)),
    "G2": ("theory", lambda v: of_fit("E7", "variation_limit", v)),
    "G3b": ("random stack", lambda v: of_limit("layer", "layer", "none", v)),
    "G3c": ("random stack", lambda v: of_limit("E6", "attention", "sinusoidal", v)),
    "G3d": ("random stack", lambda v: of_limit("E6", "values", "sinusoidal", v)),
    "G5b": (
        "embedded-s",
        lambda v: [
            exact("model_sensitivity", "bound_violations_fixed", int(v == C), 96, units="tokens")
        ],
    ),
    "G5d": ("theory", of_paths),
    "G8": (
        "random stack",
        lambda v: [
            *(
                row
                for row in of_collapse({("none", "bfloat16"): [100.0] * 6})
                if row["metric"] != "equal_share"
            ),
            *of_share(
                {S: 6, C: 0, INC: 3}[v], 6, "layer", "equal_share",
                part="layer", encoding="none", precision="bfloat16",
            ),
        ],
    ),
    "G9b": ("gemini", of_last),
    "G10a": ("gemini", lambda v: of_trend("gemini", v)),
    "G10b": ("gemini", of_hundreds),
    "G10c": ("gemma", lambda v: of_trend("gemma", v)),
    "G11a": ("gemma", lambda v: of_onset("lowest", v)),
    "G11b": ("gemma", lambda v: of_ratio("count_digits", "count_ones", v)),
    "G11c": ("random stack", of_precisions),
    "G11d": ("gemma", lambda v: of_onset("all", v)),
    "G12": ("gemma", lambda v: of_ratio("copy_separated", "copy_ones", v)),
    "G13a": ("random stack", lambda v: of_limit("E8", "attention", "alibi", v)),
    "G13b": ("random stack", of_crossings),
    "G13c": ("random stack", of_encodings),
    "G14a": ("gemini", of_orders),
    "G14b": ("gemini", of_ends),
    "G15a": ("random stack", lambda v: of_window("ones", v)),
    "G15b": ("random stack", lambda v: of_window("digits", v)),
    "G16a": ("theory", lambda v: of_u("varying", v)),
    "G16c": ("theory", lambda v: of_u("bound", v)),
    "G17a": ("embedded-s", of_budget),
    "G17b": ("embedded-s", of_budget),
}  # fmt: skip


def world(claim: str, verdict: Verdict) -> pd.DataFrame:
    """Scores that give this claim this verdict."""
    if claim in THEOREMS:
        experiment, metric, where, holds, fails = THEOREMS[claim]
        value = holds if verdict == S else fails
        rows, model = [exact(experiment, metric, value, 100, units="cases", **where)], "theory"
    elif claim in ARMS:
        rows, model = of_arms(ARMS[claim], verdict), "gemini"
    elif claim in MADE:
        model, rows = MADE[claim][0], MADE[claim][1](verdict)
    else:  # claims that nothing measures
        rows, model = of_fit("E7", "variation_limit", S), "theory"
    frame = pd.DataFrame(rows).assign(model=model)
    return table([frame], study_scores.CONDITIONS, study_scores.WHOLE, study_scores.TEXTS)

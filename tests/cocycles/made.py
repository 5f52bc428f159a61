"""Synthetic scores of trained processors, as from a training run of a given length."""

import numpy as np
import pandas as pd

MEANS = {"L1": 0.5, "L2": 0.7, "L3": 0.8}
PAIRS = (("L3", "L2"), ("L3", "L1"), ("L2", "L1"), ("L1", "L2"), ("L1", "L3"))


def row(value, half, **conditions):
    ends = {"value": value, "ci_low": value - half, "ci_high": value + half, "n": 6}
    return conditions | ends


def trained(algorithms, steps, half=0.05):
    """Rows of the study's scores: level 3 best everywhere, each mean ± `half`."""
    rows = []
    for algorithm in [*algorithms, "all"]:
        base = {"experiment": "training", "algorithm": algorithm}
        for model, mean in MEANS.items():
            rows.append(row(mean, half, metric="ood_score", model=model, **base))
            rows.append(row(steps, 0, metric="training_steps", model=model, **base))
        for model, other in PAIRS:
            gap = MEANS[model] - MEANS[other]
            place = {"metric": "ood_difference", "model": model, "other": other}
            rows.append(row(gap, half, **place, **base))
    for number, algorithm in enumerate(algorithms):
        base = {"experiment": "trained", "algorithm": algorithm, "model": "L3"}
        for aggregator, gap in (("max", 0.4), ("logsumexp", 1e-6)):
            place = base | {"aggregator": aggregator}
            rows.append(row(gap * (1 + number), 0, metric="map_largest_gap", **place))
            rows.append(row(gap / 10, 0, metric="map_mean_gap", **place))
        bound = float(np.log(256))
        rows.append(row(bound, 0, metric="map_gap_bound", aggregator="max", **base))
        for model in MEANS:
            for kind, error in (("updates", 0.0), ("duplicates", 1e-7), ("increments", 0.02)):
                place = base | {"model": model, "kind": kind, "degree": 1.0}
                size = 0.6 if model == "L1" else error
                rows.append(row(size, size / 3, metric="relative_error", **place))
    return pd.DataFrame(rows).assign(seed=pd.array([pd.NA] * len(rows), dtype="Int64"))

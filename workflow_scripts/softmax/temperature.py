"""E3: the temperature fit repeated on our own heads.

The paper fits a degree-4 polynomial of the attention entropy H to the best inverse temperature
(figure 4; how the best was chosen is not known). Here, for every seed and many validation sizes,
1/theta is chosen on a grid to maximise accuracy, or the log-likelihood of the labels, and is
regressed on the mean entropy at theta = 1. Test sets are not used.
"""

from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.shared import adaptive_temperature, files, job, progress, tables, weights
from workflow_scripts.softmax import blockwise, retrieval
from workflow_scripts.softmax.blockwise import Weighting
from workflow_scripts.softmax.evaluate import set_count
from workflow_scripts.softmax.retrieval import Parameters, Sampler

CRITERIA = ("log_likelihood", "accuracy")


def tempered(beta: float) -> Weighting:
    """Softmax at inverse temperature `beta`."""
    return lambda logits: (logits * beta).softmax(-1)


def criteria(
    head: Parameters,
    sampler: Sampler,
    count: int,
    items: int,
    betas: np.ndarray,
    block: int,
) -> tuple[dict[str, np.ndarray], float]:
    """Accuracy and mean log-likelihood in nats at every beta, (T,) each; mean entropy at beta 1."""
    categories = head["item1.weight"].shape[1] - 1
    ways = [tempered(1.0), *(tempered(float(beta)) for beta in betas)]
    right, likelihood, entropy = np.zeros(len(betas)), np.zeros(len(betas)), 0.0
    for sets in blockwise.batches(sampler, count, items, categories, block):
        seen = blockwise.run(head, sets, ways, block)
        entropy += float(adaptive_temperature.entropy_nats(seen.weights[0]).double().sum())
        right += (seen.class_logits[1:].argmax(-1) == sets.label).double().sum(-1).numpy()
        logs = seen.class_logits[1:].double().log_softmax(-1)
        label = sets.label[0].expand(len(betas), -1)[..., None]
        likelihood += logs.gather(-1, label)[..., 0].sum(-1).numpy()
    return {"accuracy": right / count, "log_likelihood": likelihood / count}, entropy / count


def best(betas: np.ndarray, values: np.ndarray) -> float:
    """The beta with the largest value, (T,) each; ties give their geometric mean."""
    return float(np.exp(np.log(betas[values == values.max()]).mean()))


def points(
    stack: Parameters, settings: dict[str, Any], betas: np.ndarray, seed: int, block: int
) -> pd.DataFrame:
    """The best of the betas, shape (T,), by each criterion: one row per seed and size."""
    rows = []
    tasks = [
        (index, items) for index in range(retrieval.count(stack)) for items in settings["sizes"]
    ]
    for index, items in progress.track(tasks, description="validation sets", unit="size"):
        count = set_count(items, settings["sets"], settings["total_items"])
        sampler = Sampler(seed, "softmax", "validation", index, items)
        head = retrieval.head_of(stack, index)
        values, entropy = criteria(head, sampler, count, items, betas, block)
        row = {"seed": index, "items": items, "entropy_nats": entropy, "sets": count}
        for criterion, curve in values.items():
            row[f"best_beta_{criterion}"] = best(betas, curve)
        rows.append(row)
    return pd.DataFrame(rows)


def fit_polynomial(table: pd.DataFrame, criterion: str, degree: int) -> dict[str, Any]:
    """Least-squares polynomial of the best beta in the entropy.

    Points at or below `LEAST_ENTROPY_NATS` are left out: beta is 1 there by definition. Raises
    `ValueError` when fewer points are left than the polynomial has coefficients.
    """
    used = table[table["entropy_nats"] > adaptive_temperature.LEAST_ENTROPY_NATS]
    if len(used) <= degree:
        raise ValueError(
            f"a fit of degree {degree} needs {degree + 1} points above "
            f"{adaptive_temperature.LEAST_ENTROPY_NATS} nats, found {len(used)}; add sizes to "
            "softmax.temperature.sizes or train more heads (softmax.retrieval.seeds)"
        )
    entropy, beta = used["entropy_nats"].to_numpy(), used[f"best_beta_{criterion}"].to_numpy()
    coefficients = np.polyfit(entropy, beta, degree)
    residual = beta - np.polyval(coefficients, entropy)
    return {
        "coefficients": coefficients.tolist(),
        "entropy_range_nats": [float(entropy.min()), float(entropy.max())],
        "explained_variance": float(1.0 - residual.var() / beta.var()) if beta.var() else 0.0,
        "points": len(used),
    }


def main(
    heads: str,
    table: str,
    fit: str,
    settings: dict[str, Any],
    block_items: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write the best inverse temperatures of `heads` to `table`, their polynomials to `fit`."""
    betas = settings["betas"]
    grid = np.geomspace(betas["least"], betas["most"], int(betas["count"]))
    frame = points(weights.read(heads, "heads")[0], settings, grid, seed, block_items)
    tables.write(frame, table, provenance=provenance)
    degree = settings["degree"]
    files.write_json(fit, {name: fit_polynomial(frame, name, degree) for name in CRITERIA})


if __name__ == "__main__":
    job.run(snakemake, main)

"""Adaptive temperature in a language model at inference: retrieval, and an atlas of dispersion.

The model reads lists of numbers with letters (`lists.py`) and is asked for the letter of the
largest number, or of a given one. Its attention is plain, or at a temperature that adapts to the
entropy of each row: by the published polynomial (also in one layer alone, also with sinks counted
apart), by the paper's fit repeated on this model, and by a polynomial per head. Every way answers
the same lists. No paper has these numbers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.inference import agreement, engines
from workflow_scripts.shared import (
    adaptive_temperature,
    files,
    job,
    progress,
    scores,
    seeds,
    tables,
)
from workflow_scripts.shared.scores import Row
from workflow_scripts.softmax import adaptive_fits, asked_lists, lists, probe, tempering
from workflow_scripts.softmax.adaptive_fits import Place
from workflow_scripts.softmax.lists import Prompt

Sets = dict[Place, list[Prompt]]
Seen = Mapping[Place, NDArray[np.float64]]  # (prompts, layers, heads, measures)
GAIN = (-1.0, 1.0)  # range of the difference of two right or wrong answers


def sets(
    engine: Any, names: Sequence[str], sizes: Sequence[int], count: int, role: str, seed: int
) -> Sets:
    """Lists of every task and number of items that fit the context, with the letters `names`.

    Each `role` has numbers of its own.
    """
    found: Sets = {}
    for task in lists.QUESTIONS:
        for items in sizes:
            rng = seeds.generator(seed, "softmax", "adaptive", role, task, items)
            prompts = lists.prompts(engine, task, items, count, names, rng)
            if max(len(prompt.ids) for prompt in prompts) <= engine.context:
                found[task, items] = prompts
    return found


def observed(model: Any, asked: Sets, count: int, first: int) -> dict[Place, NDArray[np.float64]]:
    """Attention at the last token of `count` lists of each place; the `first` keys are sinks."""
    return {
        place: np.stack([asked_lists.attention(model, each, first) for each in prompts[:count]])
        for place, prompts in progress.track(asked.items(), description="atlas", unit="list")
    }


def atlas(seen: Seen, asked: Sets) -> pd.DataFrame:
    """One row per task, number of items, layer and head: means over lists of each measure."""
    frames = []
    for (task, items), values in seen.items():
        means = values.mean(0)
        index = pd.MultiIndex.from_product([*map(range, means.shape[:2])], names=["layer", "head"])
        frame = pd.DataFrame(
            means.reshape(len(index), -1), index, list(asked_lists.MEASURES)
        ).reset_index()
        keys = np.mean([len(prompt.ids) for prompt in asked[task, items][: len(values)]])
        frames.append(frame.assign(task=task, items=items, keys=keys, prompts=len(values)))
    return pd.concat(frames, ignore_index=True)


def layer_rows(seen: Seen) -> list[Row]:
    """Score rows per task, items and layer: means over heads, with intervals over lists."""
    rows = []
    for (task, items), values in seen.items():
        for layer in range(values.shape[1]):
            place: Row = {"task": task, "items": items, "layer": layer, "units": "prompts"}
            for at, measure in enumerate(asked_lists.MEASURES):
                each = values[:, layer, :, at].mean(-1)
                rows.append(scores.mean("atlas", measure, each, **place))
    return rows


def slopes(table: pd.DataFrame) -> list[Row]:
    """Log-log slope of the largest content weight against keys, -1 where a head disperses.

    Mean over heads, with Student's interval over them, per task; for all layers and for each.
    """
    rows = []
    for task, own in table.groupby("task", sort=False):
        if own["items"].nunique() < 2:
            continue
        wide = own.pivot(index="keys", columns=["layer", "head"], values="largest_content_weight")
        x = np.log(wide.index.to_numpy(float))
        fit = np.polyfit(x, np.log(wide.to_numpy().clip(1e-30)), 1)[0]
        layers = wide.columns.get_level_values("layer").to_numpy()
        place: Row = {"task": task, "units": "heads"}
        name = "largest_content_weight_slope"
        rows.append(scores.mean("atlas", name, fit, **place))
        rows += [
            scores.mean("atlas", name, fit[layers == layer], layer=layer, **place)
            for layer in np.unique(layers)
        ]
    return rows


def compared(
    model: Any, asked: Sets, candidates: Sequence[int], ways: Mapping[str, probe.Weigh]
) -> list[Row]:
    """Accuracy and likelihood of each way, and their gains over the first one, list by list."""
    rows = []
    for (task, items), prompts in progress.track(asked.items(), description="lists", unit="list"):
        base: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        for name, weigh in ways.items():
            right, likelihood = asked_lists.answered(model, prompts, candidates, weigh)
            place: Row = {"task": task, "items": items, "inference": name, "units": "prompts"}
            hits = int(right.sum())
            rows.append(scores.share("adaptive", "accuracy", hits, len(right), **place))
            rows.append(scores.mean("adaptive", "log_likelihood", likelihood, **place))
            if base is None:
                base = right, likelihood
            else:
                rows += gains(right - base[0], likelihood - base[1], place)
    return rows


def gains(right: NDArray[np.float64], likelihood: NDArray[np.float64], place: Row) -> list[Row]:
    """Mean gains over plain softmax, with Student's interval over lists, (n,) each."""
    return [
        scores.mean("adaptive", "accuracy_gain_over_plain", right, bounds=GAIN, **place),
        scores.mean("adaptive", "log_likelihood_gain_over_plain", likelihood, **place),
    ]


def single_layers(
    model: Any, asked: Sets, candidates: Sequence[int], beta: tempering.Beta, layers: int
) -> list[Row]:
    """Gains of the adaptive temperature in one layer alone, on the lists of each place."""
    rows = []
    for (task, items), prompts in asked.items():
        right, likelihood = asked_lists.answered_by_layer(
            model, prompts, candidates, tempering.tempered(beta), layers, task
        )
        for layer in range(layers):
            place: Row = {"task": task, "items": items, "layer": layer, "units": "prompts"}
            place |= {"inference": "published_in_one_layer"}
            rows += gains(right[layer + 1] - right[0], likelihood[layer + 1] - likelihood[0], place)
    return rows


def main(
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    published: str,
    table: str,
    atlas_file: str,
    fits: str,
    settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write score rows to `table`, heads to `atlas_file` and fitted temperatures to `fits`.

    `published` is the file of the paper's coefficients. Raises `ValueError` where no list fits the
    model's context.
    """
    engine: Any = engines.load(model, spec, checkpoint)
    net = engine.model
    agreement.reproduces(engine, "softmax", probe.watching(net, [0], lambda *_: None))
    letters = lists.letters(engine)
    names, candidates = list(letters), list(letters.values())
    asked = sets(engine, names, settings["items"], settings["prompts"], "test", seed)
    fitted = sets(engine, names, settings["fit_items"], settings["fit_prompts"], "fit", seed)
    if not asked or not fitted:
        raise ValueError(
            f"{model}: expected lists that fit its context of {engine.context} tokens, found none; "
            "add shorter ones to softmax.adaptive.items and fit_items"
        )
    first = settings["sinks"]
    seen = observed(net, asked, settings["atlas_prompts"], first)
    heads = atlas(seen, asked)
    rows = [*layer_rows(seen), *slopes(heads)]

    beta = tempering.polynomial(adaptive_temperature.published(published))
    ways = {
        "plain": probe.plain,
        "published": tempering.tempered(beta),
        "published_content": tempering.content_tempered(beta, first),
    }
    layers, width = next(iter(seen.values())).shape[1:3]
    entropies = {
        key: float(values[..., 0].mean())
        for key, values in observed(net, fitted, settings["fit_prompts"], first).items()
    }
    grid = np.geomspace(*(settings["betas"][key] for key in ("least", "most", "count")))
    points = adaptive_fits.points(net, fitted, candidates, entropies, grid)
    for each in points.to_dict("records"):
        place: Row = {key: each[key] for key in ("task", "items", "entropy_nats")}
        place |= {"units": "prompts"}
        best, n = each[adaptive_fits.BEST], each["prompts"]
        rows.append(scores.number("adaptive", "best_beta", best, n, **place))
    fit = adaptive_fits.polynomial(points, settings["degree"])
    if fit:
        low, high = fit["entropy_range_nats"]
        refit = tempering.polynomial(fit["coefficients"], (low, high))
        ways["refit"] = tempering.tempered(refit)
    coefficients = adaptive_fits.heads(net, fitted, candidates, (layers, width), settings)
    ways["per_head"] = tempering.tempered(tempering.per_head(coefficients))
    rows += compared(net, asked, candidates, ways)
    alone = sets(engine, names, [settings["layer_items"]], settings["prompts"], "layer", seed)
    rows += single_layers(net, alone, candidates, beta, layers)
    files.write_json(fits, {"refit": fit, "per_head": coefficients.cpu().tolist()})
    tables.write(heads.assign(model=model), atlas_file, provenance=provenance)
    tables.write(pd.DataFrame(rows).assign(model=model), table, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)

"""Scores of the streams (E1 to E3): forgetting at equal steps, loss and distance."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.optimizers.pooling import difference_bounds, lost, paired, pooled
from workflow_scripts.shared.scores import Row

RIVALS = ("sgd", "adam", "adamw", "adagrad")  # every optimiser is compared with these, by seed
COMPARED = (  # after the last task
    *("average_accuracy", "learned_accuracy", "forgetting", "backward_transfer"),
    *("forward_transfer", "activation_effective_rank", "weight_effective_rank"),
    *("class_cosine_mean", "class_cosine_sd", "earlier_accuracy"),
)
CONDITION = ("optimizer", "stream", "protocol", "state", "rate")


def first_reached(distances: NDArray, values: NDArray, wanted: float) -> float:
    """The value at which a path first has the `wanted` distance, linear between two points.

    `distances` and `values` have shape (points,) and start at distance 0. Raises `ValueError` if
    the path ends earlier.
    """
    at = int(np.argmax(distances >= wanted))
    if distances[at] < wanted:
        raise ValueError(
            f"expected a path as long as {wanted:g}, found one that ends at {distances.max():g}"
        )
    if at == 0:
        return float(values[0])
    share = (wanted - distances[at - 1]) / (distances[at] - distances[at - 1])
    return float(values[at - 1] + share * (values[at] - values[at - 1]))


def at_equal_distance(frame: pd.DataFrame) -> pd.DataFrame:
    """Accuracy lost on the first task after the same distance moved on the second, by run.

    The distance is the largest that all runs of all optimisers reach, so no run is extrapolated.
    `learned_first` is the accuracy from which a run starts to lose.
    """
    plain = frame[(frame["stream"] == "permuted") & (frame["rate"] == "tuned")]
    plain = plain[(plain["protocol"] == "steps") & (plain["state"] == "kept")]
    far = plain[plain["metric"] == "probe_distance"].sort_values("index")
    if far.empty:
        return frame.iloc[:0]
    keys = ["optimizer", "seed"]
    common = float(far.groupby(keys)["value"].max().min())
    old = plain[(plain["metric"] == "probe_accuracy") & (plain["of_task"] == 1)]
    kept = {tuple(row[:-1]): row[-1] for row in old[[*keys, "index", "value"]].to_numpy()}
    first = plain[(plain["metric"] == "task_accuracy") & (plain["of_task"] == 1)]
    first = first[first["task"] == 1]
    learned = {tuple(row[:-1]): row[-1] for row in first[[*keys, "value"]].to_numpy()}
    rows = []
    for (name, seed), walked in far.groupby(keys):
        start = float(learned[name, seed])
        accuracy = [float(kept[name, seed, index]) for index in walked["index"]]
        distances = np.array([0.0, *walked["value"]])
        lost_there = start - first_reached(distances, np.array([start, *accuracy]), common)
        base = walked.iloc[0][[*CONDITION, "seed"]].to_dict() | {"index": None, "time": common}
        rows.append(base | {"metric": "forgetting_at_distance", "value": lost_there})
        rows.append(base | {"metric": "learned_first", "value": start})
    return pd.DataFrame(rows)


def missed(frame: pd.DataFrame) -> pd.Series:
    """Whether a row's run, of the matched protocol, did not reach the loss on every task."""
    place = [*CONDITION, "seed"]
    reached = frame[frame["metric"] == "reached"].groupby(place)["value"].min()
    index = pd.MultiIndex.from_frame(frame[place])
    found = pd.Series(reached.reindex(index).to_numpy(), frame.index)
    return (found < 1) & ~frame["diverged"]


def continual_scores(frame: pd.DataFrame) -> list[Row]:
    """E1 to E3: means, counts of excluded runs, and differences between optimisers.

    Runs that diverged are excluded, and so are runs that should end at a training loss and did not
    reach it on every task.
    """
    frame = frame.assign(run=frame["seed"], missed=missed(frame))
    rows = lost("continual", "diverged_runs", frame, CONDITION, "diverged")
    matched = frame[frame["protocol"] == "matched"]
    rows += lost("continual", "missed_runs", matched, CONDITION, "missed")
    sound = frame[~frame["diverged"] & ~frame["missed"]]
    sound = pd.concat([sound, at_equal_distance(sound)], ignore_index=True)
    sound["other"] = sound["other"].astype("Int64").astype("string")  # a class, of cosines
    keys = [*CONDITION, "other", "task", "of_task", "layer", "index", "time"]
    rows += pooled("continual", sound, keys)
    final = sound[sound["task"] == sound.groupby("stream")["task"].transform("max")]
    without_task = sound["metric"].isin(["forgetting_at_distance", "learned_first"])
    single = pd.concat([final[final["metric"].isin(COMPARED)], sound[without_task]])
    single = single[single["layer"].isna() | single["layer"].isin(["layer1", "hidden1"])]
    keys = ["stream", "protocol", "state", "layer"]
    for (metric, *place), group in single.groupby(["metric", *keys], dropna=False, sort=False):
        columns = {
            key: values.set_index("seed")["value"]
            for key, values in group.groupby(["optimizer", "rate"], sort=False)
        }
        for (name, rate), values in columns.items():
            for (rival, other_rate), others in columns.items():
                if rate == "tuned" and rival in RIVALS and rival != name:
                    label = rival if other_rate == "tuned" else f"{rival} {other_rate}"
                    named: Row = dict(zip(keys, place, strict=True), optimizer=name, other=label)
                    # Of learned accuracies, seeds that all agree have no interval (`unequal`).
                    learned = str(metric).startswith("learned")
                    named["bounds"] = None if learned else difference_bounds(str(metric))
                    rows += paired("continual", f"{metric}_difference", values, others, **named)
    return rows

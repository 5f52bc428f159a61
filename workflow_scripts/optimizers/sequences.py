"""Scores of the streams (E1 to E3): forgetting at equal steps, loss and distance."""

import numpy as np
import pandas as pd

from workflow_scripts.optimizers.pooling import lost, paired, pooled
from workflow_scripts.shared.scores import Row

RIVALS = ("sgd", "adam", "adamw")  # every optimiser is compared with these, seed by seed
COMPARED = (  # after the last task
    *("average_accuracy", "learned_accuracy", "forgetting", "backward_transfer"),
    *("forward_transfer", "activation_effective_rank", "weight_effective_rank"),
    *("class_cosine_mean", "class_cosine_sd"),
)


def at_equal_distance(frame: pd.DataFrame) -> pd.DataFrame:
    """Accuracy lost on the first task after the same distance moved on the second.

    The distance is the largest that every optimiser reaches: the least, over optimisers, of the
    mean distance at the last evaluation.
    """
    keys = ["optimizer", "seed"]
    plain = frame[(frame["stream"] == "permuted") & (frame["rate"] == "tuned")]
    plain = plain[(plain["protocol"] == "steps") & (plain["state"] == "kept")]
    far = plain[plain["metric"] == "probe_distance"].sort_values("index")
    if far.empty:
        return frame.iloc[:0]
    last = far[far["index"] == far["index"].max()]
    common = float(last.groupby("optimizer")["value"].mean().min())
    old = plain[(plain["metric"] == "probe_accuracy") & (plain["of_task"] == 1)]
    first = plain[(plain["metric"] == "task_accuracy") & (plain["of_task"] == 1)]
    first = first[first["task"] == 1]
    learned = {
        (n, s): v for n, s, v in zip(first["optimizer"], first["seed"], first["value"], strict=True)
    }
    rows = []
    for (name, seed), walked in far.groupby(keys):
        accuracy = old[(old["optimizer"] == name) & (old["seed"] == seed)].sort_values("index")
        start = float(learned[name, seed])
        distance = np.maximum.accumulate([0.0, *walked["value"]])
        at = np.interp(common, distance, [start, *accuracy["value"]])
        base = walked.iloc[0][[*keys, "stream", "protocol", "state", "rate"]].to_dict()
        place = {"metric": "forgetting_at_distance", "index": None, "time": common}
        rows.append(base | place | {"value": start - float(at)})
    return pd.DataFrame(rows)


def continual_scores(frame: pd.DataFrame) -> list[Row]:
    """E1 to E3: means, counts of diverged runs, and differences between optimisers."""
    frame = frame.assign(run=frame["seed"])
    condition = ["optimizer", "stream", "protocol", "state", "rate"]
    rows = lost("continual", "diverged_runs", frame, condition, "diverged")
    sound = frame[~frame["diverged"]]
    sound = pd.concat([sound, at_equal_distance(sound)], ignore_index=True)
    sound["other"] = sound["other"].astype("Int64").astype("string")  # a class, of cosines
    keys = [*condition, "other", "task", "of_task", "layer", "index", "time"]
    rows += pooled("continual", sound, keys)
    final = sound[sound["task"] == sound.groupby("stream")["task"].transform("max")]
    single = pd.concat(
        [
            final[final["metric"].isin(COMPARED)],
            sound[sound["metric"] == "forgetting_at_distance"],
        ]
    )
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
                    named = dict(zip(keys, place, strict=True), optimizer=name, other=label)
                    rows += paired("continual", f"{metric}_difference", values, others, **named)
    return rows

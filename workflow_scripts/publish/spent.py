"""What a model's replies cost and how many could not be used, by study and experiment.

Read from the tables that a run has: requests and responses, attempts, tables of draws, scores, and
Snakemake's benchmarks.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from workflow_scripts.inference.replies import LOST
from workflow_scripts.shared import tables

BENCHMARKS = Path("logs/benchmarks")
CUT_OFF = [reason for reason, failure in LOST.items() if failure == "cut off"]
CHAINS = ("S5", "S6")  # one reply per row of a table of draws; elsewhere a reply has many rows
# Metrics of scores: the share of a condition's replies that could not be read.
UNREAD = ("failure_rate", "unreadable", "free_unread_alpha", "free_unread_beta")
COLUMNS = [
    "study",
    "experiment",
    "prompts",
    "replies",
    "prompt_tokens",
    "completion_tokens",
    "cut_off",
    "unread",
]


def table(
    model: str, asked: Mapping[str, Sequence[str]], scores: Mapping[str, str]
) -> pd.DataFrame:
    """One row per study and experiment: what was asked, what it cost, what could not be used.

    `asked` maps each study to its tables with the model's requests and replies, `scores` to its
    scores. Columns: study, experiment; prompts (different ones) and replies; prompt_tokens, with
    each prompt counted once per reply, and completion_tokens, missing where a table does not state
    them; cut_off and unread, shares of the replies; a reply that was cut off is unread as well. A
    share is missing where nothing is read, as for log-probabilities of options.
    """
    found = []
    for study, paths in asked.items():
        own = _study(paths)
        shares = _unread(tables.read(scores[study]), model)
        own["unread"] = own["unread"].fillna(shares)
        only = shares.index.difference(own.index)
        rest = pd.DataFrame({"unread": shares[only]}, index=only)
        rows = pd.concat([own, rest]).rename_axis("experiment").reset_index()
        rows = rows.sort_values("experiment", key=lambda names: names.map(_numbered))
        found.append(rows.assign(study=study))
    if not found:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(found, ignore_index=True)[COLUMNS]


def _numbered(name: str) -> list[tuple[str, int]]:
    """A key that sorts S2 before S10."""
    return [(text, int(part or -1)) for text, part in re.findall(r"(\D*)(\d*)", name)]


def _study(paths: Iterable[str]) -> pd.DataFrame:
    """Sums and shares of one study's replies, by experiment (the index)."""
    known = [(path, set(pq.read_schema(path).names)) for path in paths]
    requests = [
        pd.read_parquet(path, columns=["request_id", "experiment", "max_tokens"])
        for path, names in known
        if {"request_id", "experiment", "max_tokens"} <= names
    ]
    replies = [found for path, names in known for found in [_replies(path, names)] if len(found)]
    columns = ["prompts", "replies", "prompt_tokens", "completion_tokens", "cut_off", "unread"]
    if not replies:
        return pd.DataFrame(columns=columns, dtype=float)
    every = pd.concat(replies, ignore_index=True)
    # Arms of a study share replies.
    every = every.drop_duplicates(["request_id", "sample"])
    if requests:
        of = pd.concat(requests).drop_duplicates("request_id").set_index("request_id")
        every["experiment"] = every["experiment"].fillna(every["request_id"].map(of["experiment"]))
        # Requests for log-probabilities have no reply that could be cut off.
        scored = every["request_id"].map(of["max_tokens"]) == 0
        every["cut_off"] = every["cut_off"].mask(scored)
    groups = every.groupby("experiment")
    sums = groups[["prompt_tokens", "completion_tokens"]].sum(min_count=1)
    means = groups[["cut_off", "unread"]].mean()
    counts = groups["request_id"].agg(prompts="nunique", replies="size")
    return pd.concat([counts, sums, means], axis=1)[columns].astype(float)


def _replies(path: str, names: set[str]) -> pd.DataFrame:
    """One row per reply of a table, with its request, sample, experiment, tokens and failures.

    Empty for a table without replies.
    """
    if {"tokens", "unit", "position"} <= names:
        return _draws(pd.read_parquet(path))
    if not {"request_id", "text"} <= names:
        return pd.DataFrame()
    wanted = {"request_id", "sample", "domain", "arm", "k", "chain", "failure", "finish_reason"}
    wanted |= {"prompt_tokens", "completion_tokens"}
    frame = pd.read_parquet(path, columns=sorted(wanted & names))
    finish = frame.get("finish_reason")
    failure = frame.get("failure")
    return pd.DataFrame(
        {
            "request_id": frame["request_id"],
            "sample": frame.get("sample", 0),
            "experiment": _arm(frame),
            "prompt_tokens": frame.get("prompt_tokens", float("nan")),
            "completion_tokens": frame.get("completion_tokens", float("nan")),
            "cut_off": float("nan") if finish is None else finish.isin(CUT_OFF).astype(float),
            "unread": float("nan") if failure is None else failure.fillna("").ne("").astype(float),
        }
    )


def _arm(frame: pd.DataFrame) -> "pd.Series[str] | None":
    """The experiment of attempts: domain and arm, or that replies choose among attempts."""
    if "arm" not in frame:
        return None
    return frame["domain"] + (", choices" if "k" in frame else ", " + frame["arm"])


def _draws(frame: pd.DataFrame) -> pd.DataFrame:
    """The replies of a table of draws; which of them could be read is in the scores."""
    sampled = ["experiment", "target", "style", "temperature", "top_p", "top_k", "batch"]
    same_prompt = _joined(frame[sampled])
    turn = frame["position"].where(frame["experiment"].isin(CHAINS), 0)
    name = _joined(pd.DataFrame({"prompt": same_prompt, "unit": frame["unit"], "turn": turn}))
    once = ~name.duplicated()
    return pd.DataFrame(
        {
            # A chain has a prompt per turn; other replies of one condition share theirs.
            "request_id": name.where(frame["experiment"].isin(CHAINS), same_prompt),
            "sample": name,
            "experiment": frame["experiment"],
            "prompt_tokens": frame.get("prompt_tokens", float("nan")),
            "completion_tokens": frame["tokens"],
            "cut_off": frame["finish_reason"].isin(CUT_OFF).astype(float),
            "unread": float("nan"),
        }
    )[once]


def _joined(frame: pd.DataFrame) -> "pd.Series[str]":
    """Each row's texts with slashes between them, column by column: tables have many rows."""
    text = frame.astype(str)
    return text.iloc[:, 0].str.cat(text.iloc[:, 1:], sep="/", na_rep="")


def _unread(scores: pd.DataFrame, model: str) -> "pd.Series[float]":
    """Share of the replies that could not be read, by experiment, over all conditions."""
    own = scores[(scores["model"] == model) & scores["metric"].isin(UNREAD) & (scores["n"] > 0)]
    weighted = own.assign(unread=own["value"] * own["n"]).groupby("experiment")
    return weighted["unread"].sum() / weighted["n"].sum()


def wall_s(model: str, study: str, folder: Path = BENCHMARKS) -> float | None:
    """Wall time, in seconds, of the last run of the study's jobs for one model; None if unknown."""
    paths = [
        folder / "inference_generate" / f"{study}-{model}.tsv",
        *(rule / f"{model}.tsv" for rule in sorted(folder.glob(f"{study}_*"))),
    ]
    times = [time for path in paths if (time := job_s(path)) is not None]
    return sum(times) if times else None


def job_s(path: Path) -> float | None:
    """Wall time, in seconds, of a job's last run, from its benchmark file; None if unknown."""
    # A job that was too short or was killed may leave an empty file.
    if not path.is_file() or not path.stat().st_size:
        return None
    table = pd.read_csv(path, sep="\t", na_values="-")
    return float(table["s"].mean()) if len(table) and table["s"].notna().all() else None

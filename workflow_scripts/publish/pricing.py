"""What a job costs before anything ran: time, memory and disk, from a reference run and the config.

`resources/costs.csv` has CPU seconds, peak memory and bytes written of each job of a default run
(`benchmarks/costs.py`). A job's time is that of the same job there, or the mean of its rule, times
the ratio of its work in this config and in config.yaml. How work grows is written down once, in
`WORK`; exponents are the fits of docs/scaling.md. Rules that are not listed do not grow.
"""

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import pandas as pd

from workflow_scripts.clrs.size import KB, SAMPLES, STEPS
from workflow_scripts.models.size import billions
from workflow_scripts.publish.workloads import Asked
from workflow_scripts.shared.fingerprint import PACKAGE, ROOT
from workflow_scripts.shared.workload import Part

FREEDOMS = 3  # `cocycles.asynchrony.KINDS`, which would import torch
COSTS = ROOT / "resources" / "costs.csv"
# How many times as fast as one core of the reference machine a GPU is. Assumed, not measured, as is
# all of the following: small networks wait for their kernels to start.
GPU_SPEED = 20.0
GPU_SPEED_LARGE = 400.0  # a decoder of tens of millions of parameters
LARGE_WIDTH = 512
GPU_FLOPS = 989e12  # dense bfloat16 of an H100, as published by its vendor
SHARE_READING, SHARE_WRITING = 0.4, 0.05  # of them that a language model reaches
SHARE_TRAINING = 0.2
CPU_FLOPS = 104e9  # one core of the reference machine, measured on a float32 product
# Of one network's step in study optimizers, fitted to tuning on digits and on MNIST, on one core: a
# step; a refresh of a preconditioner; operations per second of small products, and of the products
# and decompositions of preconditioners.
STEP_S, REFRESH_S = 0.2e-3, 0.7e-3
POWERS_S = 4e-9  # more per weight for power-propagation, whose weights enter powers
STEP_FLOPS, PRECONDITIONER_FLOPS = 58e9, 200e9
EIGENDECOMPOSITION = 25  # times n^3
MNIST_TEST = 10_000  # images
NODES_POWER, TOKENS_POWER = 1.59, 1.58  # of transnar_train and glasses_collapse

Config = dict[str, Any]
Work = Callable[[Config, Mapping[str, str]], float]


class Price(NamedTuple):
    """Hours of a job on the cores or GPUs that it asks for, peak memory and files on disk.

    The memory is NaN where the job has more work than in the reference run: it then counts as what
    the job asks for.
    """

    hours: float
    memory_gb: float
    disk_gb: float


def _shape(own: Config) -> float:
    """Work of a network's step: rows per batch x layers x width squared."""
    return own["batch"] * own.get("layers", 1) * own["width"] ** 2


def _models_train(config: Config, of: Mapping[str, str]) -> float:
    spec = config["models"][of["model"]]
    return spec["steps"] * spec["layers"] * spec["hidden_size"] ** 2


def _softmax_train(config: Config, of: Mapping[str, str]) -> float:
    own = config["softmax"][of["training"]]
    return own["steps"] * own["seeds"]


def _items(config: Config, own: Config) -> float:
    sizes = own.get("sizes", config["softmax"]["sizes"])
    # As many sets of a size as hold `total_items` (`set_count` in softmax/evaluate.py).
    return sum(max(n, min(n * own["sets"], own["total_items"])) for n in sizes)


def _softmax_evaluate(config: Config, of: Mapping[str, str]) -> float:
    own = config["softmax"][of["training"]]
    return own["seeds"] * _items(config, own)


def _softmax_temperature(config: Config, _: Mapping[str, str]) -> float:
    own = config["softmax"]
    return own["retrieval"]["seeds"] * _items(config, own["temperature"])


def _attempts(config: Config, _: Mapping[str, str]) -> float:
    own = config["parallel_sequential"]
    questions = own["math"]["questions"] + own["code"]["questions"]
    return questions * own["attempts"] * own["chains"]


def _asked(config: Config, _: Mapping[str, str]) -> float:
    return sum(config["change_of_mind"]["questions"].values())


def _copiers(config: Config, _: Mapping[str, str]) -> float:
    own = config["perplexity"]["copying"]
    return own["steps"] * own["seeds"] * _shape(own)


def _parity(config: Config, _: Mapping[str, str]) -> float:
    own = config["perplexity"]["parity"]
    return own["steps"] * own["seeds"] * _shape(own)


def _strings(own: Config) -> float:
    return own["seeds"] * own["strings"] * sum(own["sizes"]) * own["layers"] * own["width"] ** 2


def _copies(config: Config, _: Mapping[str, str]) -> float:
    return _strings(config["perplexity"]["copying"])


def _checkpoints(config: Config, _: Mapping[str, str]) -> float:
    own = config["perplexity"]["parity"]
    return _strings(own) * own["steps"] / own["keep_every"]


def _collapse(config: Config, _: Mapping[str, str]) -> float:
    own = config["glasses"]["stack"]
    return own["seeds"] * own["depth"]["most"] ** TOKENS_POWER * sum(own["depth"]["layers"])


def _on_digits(config: Config) -> bool:
    return config["optimizers"]["data"]["source"] == "digits"


def _layers(config: Config, hidden: list[int]) -> list[tuple[int, int]]:
    """Inputs and outputs of each layer of a network of study optimizers."""
    pixels = 64 if _on_digits(config) else 784
    return list(pairwise([pixels, *hidden, 10]))


def _step_s(config: Config, optimizer: str, hidden: list[int], batch: int) -> float:
    """CPU seconds of one network's step under an optimiser."""
    pairs = _layers(config, hidden)
    seconds = STEP_S + 6.0 * batch * sum(a * b for a, b in pairs) / STEP_FLOPS
    entry = config["optimizers"]["optimizers"].get(optimizer) or {}
    if every := entry.get("settings", {}).get("refresh_every"):
        seconds += REFRESH_S / every
        for a, b in pairs:
            flops = 4 * a * b * (a + b) + EIGENDECOMPOSITION * (a**3 + b**3) / every
            seconds += flops / PRECONDITIONER_FLOPS
    return seconds


def _tune(config: Config, of: Mapping[str, str]) -> float:
    own = config["optimizers"]
    replicas = own["tuning"]["rates"] * own["tuning"]["seeds"]
    return replicas * _stream_steps(own, own["steps"]) * _own_step(config, of)


def _continual(config: Config, of: Mapping[str, str]) -> float:
    own = config["optimizers"]
    # Two conditions take `steps`, and one runs until its training loss, at most `most_steps`.
    steps = 2 * _stream_steps(own, own["steps"])
    steps += _stream_steps(own, own["matched"]["most_steps"])
    return own["seeds"] * (steps * _own_step(config, of) + _evaluations_s(config))


def _evaluations_s(config: Config) -> float:
    """CPU seconds in which one network of each condition of a stream is evaluated."""
    own = config["optimizers"]
    weights = sum(a * b for a, b in _layers(config, own["hidden"]))
    tested = own["data"]["test"] if _on_digits(config) else MNIST_TEST
    probes = own["steps"]["permuted"] / own["probe_every"]
    images = 3 * ((own["tasks"] + 1) * own["tasks"] + 2 * probes) * tested  # three conditions
    matched = own["matched"]
    looks = own["tasks"] * matched["most_steps"]["permuted"] / matched["check_every"]
    images += looks * matched["loss_examples"]
    return 2.0 * images * weights / STEP_FLOPS


def _matched(config: Config, of: Mapping[str, str]) -> float:
    own = config["optimizers"]
    return 2 * own["seeds"] * own["solutions"]["most_steps"] * _own_step(config, of)


def _stream_steps(own: Config, steps: Mapping[str, int]) -> float:
    return own["tasks"] * steps["permuted"] + 5 * steps["classes"]


def _own_step(config: Config, of: Mapping[str, str]) -> float:
    own = config["optimizers"]
    return _step_s(config, of["optimizer"], own["hidden"], own["batch"])


def _sparsity(config: Config, _: Mapping[str, str]) -> float:
    own = config["optimizers"]["sparsity"]
    step = _step_s(config, "sgd", own["hidden"], own["batch"])
    step += POWERS_S * sum(a * b for a, b in _layers(config, own["hidden"]))
    return len(own["alphas"]) * own["seeds"] * own["steps"] * step


def _messages(config: Config, _: Mapping[str, str]) -> float:
    own = config["cocycles"]["messages"]
    return own["graphs"] * sum(size**1.41 for size in own["sizes"])


def _schedules(config: Config, _: Mapping[str, str]) -> float:
    own = config["cocycles"]["schedules"]
    return own["graphs"] * own["draws"] * own["nodes"] ** 2


def _cocycles_train(config: Config, of: Mapping[str, str]) -> float:
    own = config["cocycles"]["training"]
    return own["steps"] * own["seeds"] * _shape(own) * STEPS[of["algorithm"]]


def _cocycles_trained(config: Config, of: Mapping[str, str]) -> float:
    own, algorithm = config["cocycles"]["training"], of["algorithm"]
    networks = own["seeds"] * len(own["processors"])
    # Those of a synchronous run, of all samples, and of a run per freedom and degree.
    trajectories = config["clrs"]["data"]["test"]["samples"] * SAMPLES.get(algorithm, 1)
    trajectories += (1 + FREEDOMS * len(own["degrees"])) * own["samples"]
    return networks * own["width"] * trajectories * STEPS[algorithm]


def _export(config: Config, of: Mapping[str, str]) -> float:
    return _trajectories(config, of["algorithm"])


def _trajectories(config: Config, algorithm: str) -> float:
    train = config["clrs"]["data"]["train"]
    return train["samples"] * len(train["sizes"]) * KB[algorithm]


def _clrs_train(config: Config, of: Mapping[str, str]) -> float:
    own, reasoner = config["clrs"]["train"], config["clrs"]["reasoners"][of["reasoner"]]
    lengths = sum(STEPS[name] for name in reasoner["algorithms"])
    return reasoner["steps"] * own["seeds"] * _shape(own) * lengths


def _clrs_evaluate(config: Config, of: Mapping[str, str]) -> float:
    reasoner = config["clrs"]["reasoners"][of["reasoner"]]
    lengths = sum(STEPS[name] * SAMPLES.get(name, 1) for name in reasoner["algorithms"])
    return config["clrs"]["train"]["seeds"] * config["clrs"]["data"]["test"]["samples"] * lengths


def _decoder(config: Config) -> float:
    own = config["transnar"]
    sizes = own["data"]["text_train"]["sizes"]
    nodes = sum(size**NODES_POWER for size in sizes) / len(sizes)
    return own["decoder"]["layers"] * own["decoder"]["width"] ** 2 * nodes * own["train"]["seeds"]


def _transnar_train(config: Config, _: Mapping[str, str]) -> float:
    own = config["transnar"]["train"]
    return own["steps"] * own["batch"] * _decoder(config)


def _transnar_evaluate(config: Config, _: Mapping[str, str]) -> float:
    own = config["transnar"]
    return _decoder(config) * own["data"]["text_test"]["samples"] * len(own["algorithms"])


def _draws(config: Config, _: Mapping[str, str]) -> float:
    return config["stochasticity"]["draws"]


WORK: dict[str, Work] = {
    "models_train": _models_train,
    "softmax_train": _softmax_train,
    "softmax_evaluate": _softmax_evaluate,
    "softmax_temperature": _softmax_temperature,
    "softmax_theory": lambda config, _: config["softmax"]["theory"]["cases"],
    "stochasticity_sequential": _draws,
    "stochasticity_controls": lambda config, _: config["stochasticity"]["controls"]["replicates"],
    "parallel_sequential_attempts": _attempts,
    "parallel_sequential_foreign": _attempts,
    "parallel_sequential_grades": _attempts,
    "parallel_sequential_stopping": _attempts,
    "change_of_mind_ask": _asked,
    "perplexity_copiers": _copiers,
    "perplexity_copies": _copies,
    "perplexity_parity": _parity,
    "perplexity_checkpoints": _checkpoints,
    "perplexity_theory": lambda config, _: config["perplexity"]["theory"]["draws"],
    "glasses_collapse": _collapse,
    "glasses_theory": lambda config, _: config["glasses"]["theory"]["cases"],
    "optimizers_tune": _tune,
    "optimizers_continual": _continual,
    "optimizers_matched": _matched,
    "optimizers_sparsity": _sparsity,
    "optimizers_landscape": lambda config, _: config["optimizers"]["landscape"]["side"] ** 2,
    "optimizers_linear": lambda config, _: config["optimizers"]["linear"]["seeds"],
    "optimizers_theory": lambda config, _: config["optimizers"]["theory"]["seeds"],
    "cocycles_algebra": lambda config, _: config["cocycles"]["algebra"]["cases"],
    "cocycles_messages": _messages,
    "cocycles_schedules": _schedules,
    "cocycles_train": _cocycles_train,
    "cocycles_trained": _cocycles_trained,
    "clrs_export": _export,
    "clrs_train": _clrs_train,
    "clrs_evaluate": _clrs_evaluate,
    "transnar_train": _transnar_train,
    "transnar_evaluate": _transnar_evaluate,
}
GROWING_FILES = {"clrs_export"}  # whose files grow with their work


@lru_cache
def reference() -> pd.DataFrame:
    """The jobs of the reference run: rule, job, cpu_s, peak_mb, disk_mb."""
    return pd.read_csv(COSTS, keep_default_na=False)


def price(
    rule: str, job: str, of: Mapping[str, str], gpus: int, config: Config, base: Config
) -> Price | None:
    """The price of a job that asks no language model of the user's; None for an unknown rule.

    `job` is its log below `logs/<rule>/` without the ending, `of` its wildcards; `base` is the
    config of the reference run.
    """
    rows = reference()
    rows = rows[rows["rule"] == rule]
    if rows.empty:
        return None
    same = rows[rows["job"] == job]
    ratio = _ratio(rule, of, config, base, known=bool(len(same)))
    found = (same if len(same) else rows)[["cpu_s", "peak_mb", "disk_mb"]].mean()
    seconds = found["cpu_s"] * ratio
    if gpus:
        large = rule == "transnar_train" and config["transnar"]["decoder"]["width"] >= LARGE_WIDTH
        seconds /= GPU_SPEED_LARGE if large else GPU_SPEED
    files = ratio if rule in GROWING_FILES else 1.0
    memory_gb = found["peak_mb"] / 1000 if ratio <= 1 else math.nan
    return Price(seconds / 3600, memory_gb, found["disk_mb"] * files / 1000)


def _ratio(rule: str, of: Mapping[str, str], config: Config, base: Config, known: bool) -> float:
    """Work here over work in the reference run.

    A job that is not `known` from there is compared with the mean of its rule's jobs.
    """
    work = WORK.get(rule)
    if work is None:
        return 1.0
    others = [] if known else [work(base, other) for other in _of_reference(of, base)]
    return work(config, of) / (sum(others) / len(others) if others else work(base, of))


def _of_reference(of: Mapping[str, str], base: Config) -> list[dict[str, str]]:
    """The wildcards of a rule's jobs in the reference run; none if their values are fixed."""
    known = {
        "model": [name for name, spec in base["models"].items() if spec["source"] == "train"],
        "algorithm": base["cocycles"]["training"]["algorithms"],
        "reasoner": list(base["clrs"]["reasoners"]),
        "optimizer": list(base["optimizers"]["optimizers"]),
    }
    return [{**of, name: value} for name in of if name in known for value in known[name]]


def download_gb(spec: Mapping[str, Any]) -> float:
    """Size of a hub model's weights, as its name says; published in two bytes per parameter."""
    return 2 * (billions(spec["source"]) or 0.0)


def of_model(part: Part, size: float, dtype: str, gpus: int) -> Price:
    """The most that a part of a study costs on a model of `size` billion parameters.

    Every reply is as long as it may be; two operations per parameter and token.
    """
    read = part.prompt_tokens + part.scored_tokens + part.shown * part.limit
    flops = GPU_FLOPS * gpus if gpus else CPU_FLOPS
    shares = (SHARE_READING, SHARE_WRITING) if gpus else (1.0, 1.0)
    seconds = 2e9 * size * (read / shares[0] + part.reply_tokens / shares[1]) / flops
    weights = size * {"float64": 8, "float32": 4}.get(dtype, 2)
    return Price(seconds / 3600, weights + 2, 0.0)


PRETRAINED = {"transnar_pretrained_train", "transnar_pretrained_evaluate"}
WAYS = {"text": 2, "hybrid": 3}  # in which an arm answers each prompt


def of_pretrained(rule: str, of: Mapping[str, str], gpus: int, config: Config) -> Price:
    """The price of a job of `PRETRAINED`: operations per parameter and token of its texts.

    Six of them in training, and two more where activations are computed again. A token has at least
    a character and here has one, so that the estimate is an upper one.
    """
    transnar = importlib.import_module(f"{PACKAGE}.transnar.size")
    own, train = config["transnar"], transnar.pretrained_train(config)
    size = transnar.pretrained_parameters(config, of["model"])
    if rule == "transnar_pretrained_train":
        rows, each = train["steps"] * train["batch"], 6 + 2 * train["recompute"]
        split, share, disk = "text_train", SHARE_TRAINING, train["seeds"] * size * 4e-9
    else:
        tested = own["data"]["text_test"]
        rows = len(own["algorithms"]) * len(tested["sizes"]) * tested["samples"]
        each, split, share, disk = 2 * WAYS[of["arm"]], "text_test", SHARE_WRITING, 0.0
    tokens = train["seeds"] * rows * transnar.mean_length(config, split)
    flops = GPU_FLOPS * share * gpus if gpus else CPU_FLOPS
    return Price(each * size * tokens / flops / 3600, math.nan, disk)


def of_models(
    config: Config, asked: Sequence[Asked]
) -> dict[tuple[str, str, str], tuple[Part, float]]:
    """Each part with its model's size, by rule, study ("" where the rule has one) and model."""
    found = {}
    for entry in asked:
        source = config["models"][entry.model]["source"]
        size = billions(source) if isinstance(source, str) else None
        for part in entry.parts if size else ():
            study = "" if part.rule.startswith(entry.study) else entry.study
            found[part.rule, study, entry.model] = (part, size)
    return found  # type: ignore[return-value]

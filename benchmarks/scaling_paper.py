"""Estimated cost of a run, from the fits of `scaling.py` and the counts in its config.

Every assumption that is not a measurement is written down here, once. A rule's CPU seconds are its
fit at the config's size, times the number of such calls and the relative cost of one of them
(`SHAPES`). Where the paper preset requests a GPU, they are converted to operations, by the share of
this processor's own matrix-product rate that the rule's code reaches (measured, `scaling.py
--shares`), and these to GPU seconds, by the share of a GPU's peak that such code may reach there:
an assumption until `gpu.py` has measured it, so it is a range.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import scaling_work as work
import yaml
from scaling_fit import Fit, slope
from snakemake.utils import update_config

from workflow_scripts.publish.pricing import GPU_FLOPS
from workflow_scripts.shared.fingerprint import ROOT

Config = dict[str, Any]
At = Callable[[float], float]

# The cost of a network's step is proportional to this; attention and optimiser are left out.
SHAPES = "rows per batch x layers x width squared"


class Reached(NamedTuple):
    """Operations per second that code is assumed to reach on a GPU: shares of a peak."""

    peak: float
    least: float
    most: float


# An H100, as published by its vendor: dense bfloat16, and float32 without tensor cores.
BFLOAT16, FLOAT32 = GPU_FLOPS, 67e12
# Networks of width 128 and less are bound by launching kernels: a step of a reasoner on 16 nodes
# has 1.5e3 of them, of 5 to 10 microseconds each, for 5e9 operations.
SMALL = Reached(FLOAT32, 0.005, 0.02)
COMPILED = Reached(BFLOAT16, 0.001, 0.01)  # embedded models in bfloat16
LARGE = Reached(BFLOAT16, 0.1, 0.4)  # training a decoder of 70 million parameters in bfloat16
READING = Reached(BFLOAT16, 0.2, 0.5)  # prompts of billions of parameters, a batch at a time
WRITING = Reached(BFLOAT16, 0.02, 0.1)  # and replies, token by token
# Models that docs/studies names, in billions of parameters. Two operations per parameter and token.
MODELS = {
    "stochasticity": {"Qwen3-8B": 8, "Qwen3-32B": 32},
    "parallel_sequential": {"Qwen3-8B": 8},
    "change_of_mind": {"Gemma-3-12B": 12, "Gemma-3-27B": 27},
}


class Estimate(NamedTuple):
    """The estimate of one rule.

    `seconds(at, config, steps)` gives CPU seconds: `at` is the fit, and `steps` maps each CLRS-30
    algorithm to its message steps over those of breadth-first search. `reached` is what the code is
    assumed to reach on a GPU; None if the paper preset requests no GPU.
    """

    study: str
    seconds: Callable[[At, Config, dict[str, float]], float]
    reached: Reached | None


def config_of(*presets: str) -> Config:
    """config.yaml with presets merged into it, as Snakemake does."""
    merged: Config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    for preset in presets:
        update_config(merged, yaml.safe_load((ROOT / preset).read_text(encoding="utf-8")))
    return merged


def extrapolated(fit: Fit) -> At:
    """The fit up to the largest measured size; beyond it proportional if the exponent may be 1."""
    power = 1.0 if fit.low <= 1.0 <= fit.high else fit.p

    def at(n: float) -> float:
        beyond = max(n, fit.largest) / fit.largest
        return fit.at(min(n, fit.largest)) * beyond**power

    return at


def embedded_models(config: Config, study: str) -> int:
    """Models of a study that the workflow trains; those of a user are estimated apart."""
    names = config["studies"][study]
    return sum(config["models"][name]["source"] == "train" for name in names)


def _models_train(at: At, config: Config, _: dict[str, float]) -> float:
    def size(spec: Config) -> float:
        return spec["layers"] * spec["hidden_size"] ** 2

    measured = size(work.CONFIG["models"][work.MODEL])
    specs = [spec for spec in config["models"].values() if spec["source"] == "train"]
    return sum(at(spec["steps"]) * size(spec) / measured for spec in specs)


def _softmax_train(at: At, config: Config, _: dict[str, float]) -> float:
    trainings = (config["softmax"][name] for name in ("retrieval", "comparison"))
    return sum(at(t["steps"]) * t["seeds"] / 10 * len(t["normalisers"]) for t in trainings)


def _softmax_evaluate(at: At, config: Config, _: dict[str, float]) -> float:
    from workflow_scripts.softmax.evaluate import set_count

    total = 0.0
    for name in ("retrieval", "comparison"):
        own = config["softmax"][name]
        sets = [
            (n, set_count(n, own["sets"], own["total_items"])) for n in config["softmax"]["sizes"]
        ]
        one = sum(at(n) * count / work.SETS for n, count in sets)
        total += one * own["seeds"] * len(own["normalisers"])
    return total


def draws_tokens(config: Config) -> float:
    """Maximum number of reply tokens of study stochasticity's table of requests."""
    asked = work.stochasticity_requests(config, config["stochasticity"]["draws"])
    return float((asked["n"] * asked["max_tokens"]).sum())


def _stochasticity(at: At, config: Config, _: dict[str, float]) -> float:
    dearer = draws_tokens(config) / draws_tokens(work.CONFIG)
    models = embedded_models(config, "stochasticity")
    return at(work.CONFIG["stochasticity"]["draws"]) * dearer * models


def repetitions(config: Config) -> float:
    """Attempts and chains of study parallel_sequential over those that were measured."""
    own, measured = (c["parallel_sequential"] for c in (config, work.CONFIG))
    return own["attempts"] * own["chains"] / (measured["attempts"] * measured["chains"])


def _parallel_sequential(at: At, config: Config, _: dict[str, float]) -> float:
    own = config["parallel_sequential"]
    questions = own["math"]["questions"] + own["code"]["questions"]
    return at(questions) * repetitions(config) * embedded_models(config, "parallel_sequential")


def answers(counts: dict[str, int], accuracies: int) -> int:
    """Answers of one model in study change_of_mind, both turns, given enough questions."""
    from workflow_scripts.change_of_mind.turns import ADVICE, EXPERIMENTS

    first = sum(count for name, count in counts.items() if name != "controls")
    cells = len(ADVICE) * accuracies
    second = sum(
        counts[count] * len(displays) * cells for _, count, displays, _, _ in EXPERIMENTS.values()
    )
    return first + second


def _change_of_mind(at: At, config: Config, _: dict[str, float]) -> float:
    own = config["change_of_mind"]
    each = answers(dict.fromkeys(own["questions"], 1), len(own["accuracies"]))
    asked = answers(own["questions"], len(own["accuracies"])) / each
    return at(asked) * embedded_models(config, "change_of_mind")


def _perplexity_copiers(at: At, config: Config, _: dict[str, float]) -> float:
    own, measured = (c["perplexity"]["copying"] for c in (config, work.CONFIG))
    dearer = own["seeds"] / measured["seeds"]
    return at(own["steps"]) * len(own["encodings"]) * dearer * _shape(own, measured)


def _shape(own: Config, measured: Config) -> float:
    def size(shape: Config) -> float:
        return shape["batch"] * shape.get("layers", 1) * shape["width"] ** 2

    return size(own) / size(measured)


def _glasses_collapse(at: At, config: Config, _: dict[str, float]) -> float:
    own = config["glasses"]["stack"]
    deeper = max(own["depth"]["layers"]) / 2  # measured with two layers and one precision
    return at(own["depth"]["most"]) * own["seeds"] * deeper * len(own["precisions"])


def _optimizers_continual(at: At, config: Config, _: dict[str, float]) -> float:
    own, measured = config["optimizers"], work.CONFIG["optimizers"]

    def size(one: Config) -> float:
        pixels = 64 if one["data"]["source"] == "digits" else 784
        widths = [pixels, *one["hidden"], 10]
        return one["batch"] * sum(a * b for a, b in pairwise(widths))

    dearer = size(own) / size(measured) * own["seeds"] / measured["seeds"]
    tasks = {"permuted": own["tasks"] / measured["tasks"], "classes": 1}
    streams = {stream: at(own["steps"][stream]) * count for stream, count in tasks.items()}
    entries = [entry for entry in own["optimizers"].values() if entry is not None]
    every = sum(
        length
        for stream, length in streams.items()
        for entry in entries
        if entry.get("only", stream) == stream
    )
    return every * dearer


def _cocycles_messages(at: At, config: Config, _: dict[str, float]) -> float:
    own = config["cocycles"]["messages"]
    return sum(map(at, own["sizes"])) * own["graphs"]


def _graph_step(at: At, config: Config) -> float:
    """CPU seconds per step on breadth-first search, mean over the training sizes."""
    sizes = config["clrs"]["data"]["train"]["sizes"]
    return sum(map(at, sizes)) / len(sizes) / work.GRAPH_STEPS


def _cocycles_train(at: At, config: Config, steps: dict[str, float]) -> float:
    own, measured = (c["cocycles"]["training"] for c in (config, work.CONFIG))
    runs = len(own["processors"]) * own["seeds"] * own["steps"]
    one = _graph_step(at, config) * _shape(own, measured)
    return one * runs * sum(steps[name] for name in own["algorithms"])


def _clrs_train(at: At, config: Config, steps: dict[str, float]) -> float:
    own, measured = (c["clrs"]["train"] for c in (config, work.CONFIG))
    # A step is a batch of each of a reasoner's algorithms.
    batches = sum(
        one["steps"] * sum(steps[name] for name in one["algorithms"])
        for one in config["clrs"]["reasoners"].values()
    )
    return _graph_step(at, config) * _shape(own, measured) * own["seeds"] * batches


def _transnar_train(at: At, config: Config, _: dict[str, float]) -> float:
    def one(config: Config) -> Config:
        return {"batch": config["transnar"]["train"]["batch"], **config["transnar"]["decoder"]}

    own = config["transnar"]
    sizes = own["data"]["text_train"]["sizes"]
    step = (
        sum(map(at, sizes)) / len(sizes) / work.TEXT_STEPS * _shape(one(config), one(work.CONFIG))
    )
    return step * own["train"]["steps"] * own["train"]["seeds"] * len(own["arms"])


ESTIMATES = {
    "models_train": Estimate("embedded models", _models_train, COMPILED),
    "softmax_train": Estimate("softmax", _softmax_train, None),
    "softmax_evaluate": Estimate("softmax", _softmax_evaluate, None),
    "stochasticity": Estimate("stochasticity", _stochasticity, SMALL),
    "parallel_sequential": Estimate("parallel_sequential", _parallel_sequential, SMALL),
    "change_of_mind": Estimate("change_of_mind", _change_of_mind, SMALL),
    "perplexity_copiers": Estimate("perplexity", _perplexity_copiers, None),
    "glasses_collapse": Estimate("glasses", _glasses_collapse, None),
    "optimizers_continual": Estimate("optimizers", _optimizers_continual, None),
    "cocycles_messages": Estimate("cocycles", _cocycles_messages, None),
    "cocycles_train": Estimate("cocycles", _cocycles_train, SMALL),
    "clrs_train": Estimate("reasoners (CLRS-30)", _clrs_train, SMALL),
    "transnar_train": Estimate("transnar", _transnar_train, LARGE),
}


def gpu_hours(cpu_s: float, operations_per_s: float, reached: Reached) -> tuple[float, float]:
    """GPU-hours, least and most, for what this processor does in `cpu_s` at its rate."""
    least, most = (
        cpu_s * operations_per_s / (reached.peak * share) / 3600
        for share in (reached.most, reached.least)
    )
    return least, most


def model_hours(billions: float, read: float, written: float) -> tuple[float, float]:
    """Lower and upper estimate of a model's GPU-hours, from its prompt and reply tokens."""
    each = 2e9 * billions
    parts = [gpu_hours(1.0, each * n, r) for n, r in ((read, READING), (written, WRITING))]
    least, most = (sum(ends) for ends in zip(*parts, strict=True))
    return least, most


def tokens(
    study: str, config: Config, measured: dict[str, float], size: float
) -> tuple[float, float]:
    """Prompt tokens and, at most, reply tokens of one of the papers' models at the config's counts.

    `measured` counts replies and prompt tokens of a run at `size`, and so gives a prompt's length.
    """
    prompt = measured["prompt_tokens"] / measured["replies"]
    own: Config = config[study]
    if study == "stochasticity":
        draws = float(work.stochasticity_requests(config, own["draws"])["n"].sum())
        return prompt * draws, draws_tokens(config)
    if study == "change_of_mind":
        return prompt * answers(own["questions"], len(own["accuracies"])), 0.0
    each = measured["replies"] / size * repetitions(config)
    replies = {domain: each * own[domain]["questions"] for domain in ("math", "code")}
    asked = config["kinds"]["reasoning"][study]
    budgets = {domain: asked["thought_tokens"] + asked[f"{domain}_tokens"] for domain in replies}
    written = sum(count * budgets[domain] for domain, count in replies.items())
    return prompt * sum(replies.values()), written


def table(rows: list[dict[str, Any]], fits: dict[str, Fit]) -> str:
    """The tables of docs/scaling.md; `rows` are the measurements."""
    flops = next(row["flops"] for row in rows if row["rule"] == "processor")
    steps = {row["rule"].removeprefix("steps/"): row["ratio"] for row in rows if "ratio" in row}
    shares = {row["rule"].removeprefix("share/"): row["share"] for row in rows if "share" in row}
    default, papers = config_of(), config_of("presets/paper.yaml")
    lines = [
        "| study | workload | size | exponent (95 %) | peak memory | share of products "
        "| default, CPU-h | paper, CPU-h | paper, GPU-h |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    cpu_all = default_all = 0.0
    gpu_all = (0.0, 0.0)
    for rule, fit in fits.items():
        own, at = ESTIMATES[rule], extrapolated(fit)
        first, last = (own.seconds(at, config, steps) for config in (default, papers))
        points = [(row["size"], row["memory_mb"]) for row in rows if row["rule"] == rule]
        rise = slope(*zip(*points, strict=True))
        each = "" if rise is None else f", {_number(1000 * rise)} kB per unit"
        most = max(memory for _, memory in points)
        default_all += first / 3600
        cpu = gpu = ""
        if own.reached is None:
            cpu = _number(last / 3600)
            cpu_all += last / 3600
        else:
            hours = gpu_hours(last, flops * shares.get(rule, 1.0), own.reached)
            gpu = _range(hours)
            gpu_all = (gpu_all[0] + hours[0], gpu_all[1] + hours[1])
        share = f"{shares[rule]:.0%}".replace("%", " %") if rule in shares else ""
        lines.append(
            f"| {own.study} | `{rule}` | {work.WORKLOADS[rule].grows} "
            f"| {fit.p:.2f} ({fit.low:.2f} to {fit.high:.2f}) "
            f"| {most:.0f} MB{each} | {share} | {_number(first / 3600)} | {cpu} | {gpu} |"
        )
    totals = (_number(default_all), _number(cpu_all), _range(gpu_all))
    lines.append(f"| total | | | | | | {' | '.join(totals)} |")
    lines += ["", "| study | model | prompt tokens | reply tokens, at most | GPU-h, at most |"]
    lines.append("|---|---|---|---|---|")
    for study, models in MODELS.items():
        row = max((r for r in rows if r["rule"] == study), key=lambda r: r["size"])
        read, written = tokens(study, papers, row, row["size"])
        for model, billions in models.items():
            asked = _range(model_hours(billions, read, written))
            lines.append(f"| {study} | {model} | {read:.2g} | {written:.2g} | {asked} |")
    lines.append(f"\nThis processor: {flops / 1e9:.0f} GFLOP/s in float32 matrix products.")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _range(ends: tuple[float, float]) -> str:
    return " to ".join(map(_number, ends))

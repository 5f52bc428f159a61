"""The workloads of `scaling.py`: each study's most expensive code, as in its rule, at any size.

A workload's `prepare(size)` creates the rule's inputs (weights, data, questions) and returns the
call that is timed; a dict that the call returns is recorded with the time (tokens, replies). All
shapes are those of config.yaml. The language model is embedded-m, trained just enough to give
answers; most of its replies run to the limit. `make` writes it to the working folder, with tables
of the corpus and trajectories of breadth-first search.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml

from workflow_scripts.inference import kinds
from workflow_scripts.shared import seeds, tables
from workflow_scripts.shared.fingerprint import ROOT

Config = dict[str, Any]
Call = Callable[[], Any]
CONFIG: Config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
SEED = CONFIG["seed"]
MODEL = "embedded-m"
NODES = (4, 8, 12, 16, 24)  # of graphs for networks
TEXT_NODES = (4, 6, 8, 10, 12)
TAUGHT_STEPS = 120
SETS = 32  # sets of items that a head reads
GRAPH_STEPS = 8  # optimiser steps of a reasoner
TEXT_STEPS = 4  # and of a decoder


class Workload(NamedTuple):
    """One workload; `grows` names what its size counts."""

    rule: str
    grows: str
    sizes: tuple[int, ...]
    prepare: Callable[[int], Call]


def make(folder: Path) -> None:
    """Write what several workloads need to `folder`: a model, its world, trajectories of BFS."""
    from workflow_scripts.models import corpus, tokenizer

    settings = CONFIG["embedded"]
    few = {name: 500 for name in settings["corpus"]["conversations"]}
    made = settings["corpus"] | {"conversations": few, "held_out": 40}
    paths = [folder / f"{name}.parquet" for name in ("train", "held_out", "places")]
    train, held_out, places = paths
    corpus.main(train, held_out, places, SEED, made)
    tokenizer.main(
        train, [folder / "tokenizer/tokenizer.json"], settings["tokenizer"]["vocab_size"]
    )
    training, model, tokens = _training(folder, TAUGHT_STEPS)
    training()
    model.eval().save_pretrained(folder / "model")
    tokens.save_pretrained(folder / "model")
    make_graphs(folder)


def make_graphs(folder: Path) -> None:
    """Write trajectories of breadth-first search to `folder`, and texts of some of them."""
    from workflow_scripts.clrs import export

    plain = {"train": {"sizes": list(NODES), "samples": 32}}
    paired = {"text": {"sizes": list(TEXT_NODES), "samples": 64}}
    export.main(str(folder / "bfs.npz"), "bfs", plain, paired, ["bfs"], SEED, {})


def message_steps(algorithms: Sequence[str], nodes: int = 16, samples: int = 4) -> dict[str, float]:
    """Mean message steps of each algorithm over those of breadth-first search."""
    from workflow_scripts.clrs import sampling

    def mean(algorithm: str) -> float:
        drawn = sampling.sampler(algorithm, sampling.nodes_of(algorithm, nodes, "train"), SEED)
        return float(sampling.draw(drawn, algorithm, samples)[1]["lengths"].mean())

    base = mean("bfs")
    return {name: mean(name) / base for name in algorithms}


def _settings(kind: type, own: Config, **others: Any) -> Any:
    """A rule's settings: fields from a section of the config, except for `others`."""
    return kind(**({key: own[key] for key in kind.__annotations__ if key in own} | others))


def _engine() -> Any:
    from workflow_scripts.inference import engines

    spec = CONFIG["models"][MODEL]
    return engines.load(MODEL, spec, "model", batch_tokens=CONFIG["inference"]["batch_tokens"])


def models_train(steps: int) -> Call:
    training, _, _ = _training(Path(), steps)
    return training


def _training(folder: Path, steps: int) -> tuple[Call, Any, Any]:
    """A training run that has not started, its model and its tokenizer."""
    import json

    from workflow_scripts.models import architecture, batches, chat, tokenizer, training

    tokens = tokenizer.load(folder / "tokenizer")
    turns = [json.loads(text) for text in tables.read(folder / "train.parquet")["messages"]]
    shape, own = CONFIG["models"][MODEL], CONFIG["embedded"]["train"]
    data = batches.flatten(chat.encode(tokens, turns), shape["max_context"])
    settings = _settings(training.Settings, own, steps=steps)
    model = architecture.build(tokens, shape, SEED)
    work = folder / f"training-{steps}"
    work.mkdir()
    return partial(training.fit, model, data, {}, settings, work, SEED), model, tokens


def softmax_train(steps: int) -> Call:
    from workflow_scripts.softmax import train

    own = CONFIG["softmax"]["heads"]
    settings = _settings(train.Settings, own, normaliser="softmax", steps=steps)
    return partial(train.train, settings, SEED, list(range(10)))


def softmax_evaluate(items: int) -> Call:
    from workflow_scripts.softmax import evaluate, retrieval

    own = CONFIG["softmax"]["heads"]
    shape = ("softmax", own["categories"], own["width"], own["most_items"])
    head = retrieval.stack([retrieval.initial(SEED, *shape)])
    ways = partial(evaluate.weightings, normaliser="softmax", top_k=4, published=[], refits={})
    block = CONFIG["softmax"]["block_items"]
    return partial(evaluate.evaluate, head, [items], lambda _: SETS, ways, SEED, block)


def stochasticity_requests(config: Config, draws: int) -> Any:
    """The study's single-turn requests to an embedded model, with another number of draws."""
    import pandas as pd

    from workflow_scripts.inference import requests as inference
    from workflow_scripts.stochasticity import asking, long_replies, requests

    own, asked = config["stochasticity"], config["kinds"]["embedded"]["stochasticity"]
    manner = asking.Manner(asked | {"kind": "embedded", "thinks": False})
    single = inference.table(requests.every(manner, own, {}, draws, SEED))
    return pd.concat([single, long_replies.table(manner, own, draws, SEED)], ignore_index=True)


def stochasticity(draws: int) -> Call:
    from workflow_scripts.inference import runner

    engine, asked = _engine(), stochasticity_requests(CONFIG, draws)

    def call() -> dict[str, float]:
        parts = runner.stream(asked, engine, f"store-{draws}")
        tables.write_parts(parts, "responses.parquet")
        return _counted(tables.read("responses.parquet"))

    return call


def _counted(replies: Any) -> dict[str, float]:
    names = ("prompt_tokens", "completion_tokens")
    return {"replies": len(replies), **{name: int(replies[name].sum()) for name in names}}


def parallel_sequential(questions: int) -> Call:
    from workflow_scripts.parallel_sequential import attempts
    from workflow_scripts.parallel_sequential import questions as asking

    own = CONFIG["parallel_sequential"]
    settings = own | {"math": own["math"] | {"questions": questions}}
    table = asking.table(settings, SEED)
    table = table[table["domain"] == "math"].reset_index(drop=True)
    engine = _engine()
    asked = kinds.asked(CONFIG, "parallel_sequential", MODEL)
    plan = attempts.plan_of(asked, CONFIG["models"][MODEL], table, settings, SEED)
    store = Path(f"store-{questions}")

    def call() -> dict[str, float]:
        frame, _ = attempts.collect(engine, store, plan, table, settings, SEED)
        return _counted(frame)

    return call


def change_of_mind(questions: int) -> Call:
    from workflow_scripts.change_of_mind import ask, turns, wording
    from workflow_scripts.change_of_mind import questions as asking

    own = CONFIG["change_of_mind"]
    counts = dict.fromkeys(own["questions"], questions)
    atlas = asking.embedded_atlas(tables.read("places.parquet"))
    share = own["calibration_share"]
    frame = asking.table("embedded", atlas, counts, share, own["files"], SEED)
    accuracies, temperature = tuple(own["accuracies"]), own["temperature"]
    plan = turns.Plan(wording.of("embedded"), accuracies, counts, temperature, SEED)
    engine = _engine()
    paths = ("requests.parquet", "responses.parquet", "trials.parquet")

    def call() -> dict[str, float]:
        parts = ask.ask(frame, engine, f"store-{questions}", plan)
        ask.write(paths, frame, parts, plan, {})
        return _counted(tables.read(paths[1]))

    return call


def perplexity_copiers(steps: int) -> Call:
    from workflow_scripts.perplexity import copying, training
    from workflow_scripts.perplexity.decoder import Shape

    own = CONFIG["perplexity"]["copying"]
    shape = Shape(
        copying.VOCABULARY, copying.BITS, own["width"], own["layers"], own["heads"], "rope"
    )
    settings = _settings(training.Settings, own, steps=steps)
    indices = list(range(own["seeds"]))
    parameters = training.initial(SEED, shape, indices, "copying", "rope")
    data = copying.Strings(SEED, indices, own["batch"], own["longest"], shape)
    return partial(training.fit, parameters, data, settings)


def glasses_collapse(tokens: int) -> Call:
    from workflow_scripts.glasses import collapse, metrics

    own = CONFIG["glasses"]["stack"]
    lengths = metrics.log_grid(own["depth"]["least"], tokens, own["points"])
    return partial(collapse.projected, lengths, 1, own["width"], [1, 2], ["float32"], SEED)


def optimizers_continual(steps: int) -> Call:
    from workflow_scripts.optimizers import continual, data, registry

    own = CONFIG["optimizers"]
    parts = data.split("digits", own["data"]["valid"], own["data"]["test"], SEED)
    both = dict.fromkeys(("permuted", "classes"), steps)
    # No replica stops early: the most that a task takes.
    others = {"steps": both, "most_steps": both, "stop_nats": 0.0}
    settings = _settings(continual.Settings, own | own["matched"], **others)
    sgd = registry.optimizer("sgd", own["optimizers"]["sgd"]["settings"])
    experiment = continual.Experiment("permuted", sgd, 1e-3, settings, parts, SEED)
    return partial(experiment.run, Path(f"continual-{steps}.pt"))


def cocycles_messages(nodes: int) -> Call:
    from workflow_scripts.cocycles import messages

    return partial(messages.costs, [nodes], 1, SEED)


def cocycles_train(nodes: int) -> Call:
    from workflow_scripts.cocycles.processors import PROCESSORS

    return reasoner_steps(nodes, PROCESSORS["l3"], CONFIG["cocycles"]["training"])


def clrs_train(nodes: int) -> Call:
    from workflow_scripts.clrs.processors import PROCESSORS

    own = CONFIG["clrs"]["train"]
    return reasoner_steps(nodes, PROCESSORS[own["processor"]], own)


def reasoner_steps(nodes: int, processor: Any, own: Config) -> Call:
    """Training steps of a reasoner, without an end and without validation."""
    from workflow_scripts.clrs import trajectories
    from workflow_scripts.clrs.training import Settings, Training

    settings = _settings(Settings, own, steps=10**9, validate_every=10**9)
    data = {"bfs": [trajectories.read("bfs.npz", "bfs", "train", nodes)]}
    return _steps(Training(data, processor, settings, SEED), GRAPH_STEPS)


def _steps(training: Any, count: int) -> Call:
    def call() -> None:
        for _ in range(count):
            training.advance()

    return call


def transnar_train(nodes: int) -> Call:
    from workflow_scripts.clrs.processors import PROCESSORS
    from workflow_scripts.clrs.reasoner import Reasoner
    from workflow_scripts.transnar import batches, train
    from workflow_scripts.transnar.arms import ARMS
    from workflow_scripts.transnar.training import Settings, Training

    own, width = CONFIG["transnar"], CONFIG["clrs"]["train"]["width"]
    sets = [each for each in batches.read("bfs.npz", "bfs", "text") if each.nodes == nodes]
    processor = PROCESSORS[CONFIG["clrs"]["train"]["processor"]]
    torch.manual_seed(SEED)
    reasoner = Reasoner({"bfs": sets[0].trajectories.spec}, width, processor)
    frozen = {"bfs": reasoner.eval().requires_grad_(False)}
    arm, settings = ARMS["hybrid"], _settings(Settings, own["train"])
    shape = train.shape_of(arm, own["decoder"], width)
    training = Training(sets, frozen, arm, shape, settings, seeds.derive(SEED, "scaling"))
    return _steps(training, TEXT_STEPS)


WORKLOADS = {
    work.rule: work
    for work in (
        Workload("models_train", "optimiser steps", (4, 8, 16, 32, 64), models_train),
        Workload("softmax_train", "steps of 10 heads", (10, 20, 40, 80, 160), softmax_train),
        Workload("softmax_evaluate", "items", (4096, 8192, 16384, 32768, 65536), softmax_evaluate),
        Workload(
            "stochasticity", "draws of each condition", (64, 128, 256, 512, 1024), stochasticity
        ),
        Workload("parallel_sequential", "questions", (2, 4, 8, 12, 16), parallel_sequential),
        Workload("change_of_mind", "questions of each kind", (4, 8, 16, 24, 32), change_of_mind),
        Workload(
            "perplexity_copiers", "steps of 4 copiers", (20, 40, 80, 120, 160), perplexity_copiers
        ),
        Workload("glasses_collapse", "tokens", (1024, 2048, 4096, 8192, 16384), glasses_collapse),
        Workload(
            "optimizers_continual", "steps of a task", (40, 80, 160, 320, 640), optimizers_continual
        ),
        Workload("cocycles_messages", "nodes", (500, 1000, 2000, 4000, 8000), cocycles_messages),
        Workload("cocycles_train", "nodes", NODES, cocycles_train),
        Workload("clrs_train", "nodes", NODES, clrs_train),
        Workload("transnar_train", "nodes", TEXT_NODES, transnar_train),
    )
}

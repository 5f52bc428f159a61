"""How a run differs from the protocols of TransNAR and of Ibarz et al. (2022).

Only settings that the papers state, or that follow from their numbers, are compared. TransNAR gives
no schedule, gate, loss mask or number of test prompts; Ibarz et al. draw new samples at every step,
where a run here has a fixed set (a known difference of the data, not a setting).
"""

from collections.abc import Iterator
from typing import Any

from workflow_scripts.clrs.specs import ALGORITHMS
from workflow_scripts.shared.protocol import Protocol, Setting, evidence
from workflow_scripts.transnar.published import MULTI_TASK, SINGLE_TASK

Settings = dict[str, Any]

FOUR, IBARZ = "section 4", "Ibarz et al. 2022, appendix A.2"
STEPS = 10_000  # of a reasoner, per algorithm
SIZES = [4, 7, 11, 13, 16]  # nodes
PROCESSORS = {SINGLE_TASK: "triplet_gmpnn", MULTI_TASK: "triplet_mpnn"}  # gates hurt in multi-task


def decoders(settings: Settings) -> Protocol:
    """The evidence of this run's decoders.

    `settings` has the sections `data`, `sizes`, `decoder`, `train` and `pretrained` of `transnar`,
    its `algorithms`, the name of its `reasoner`, and `reasoners`, `reasoner_train` and
    `reasoner_data` of `clrs`.
    """
    own = settings["decoder"]
    return evidence(
        *_data(settings),
        Setting("layers", own["layers"], 6, source=FOUR),
        # Follows from 70 million weights and 6 layers, with 32,000 tokens.
        Setting("width", own["width"], 640, "at least", FOUR),
        Setting("range of positions", own["position_range"], 8192, source=FOUR),
        Setting("structural labels", own["labels"], 0),
        *_training(settings["train"]),
        *_reasoner(settings),
    )


def pretrained(settings: Settings) -> Protocol:
    """The evidence of this run's pretrained decoders, apart from the model; see `decoders`."""
    own = settings["pretrained"]
    return evidence(
        *_data(settings),
        Setting("randomised positions", own["positions"] == "randomised", True, source=FOUR),
        Setting("range of positions", own["position_range"], 8192, source=FOUR),
        Setting("all weights trained", own["trained"] == "all", True, source=FOUR),
        Setting("layers per cross-attention", own["every"], 1, source=FOUR),
        *_training(settings["train"] | own["train"]),
        *_reasoner(settings),
    )


def _data(settings: Settings) -> Iterator[Setting]:
    data = settings["data"]
    yield Setting("algorithms", len(settings["algorithms"]), len(ALGORITHMS), "at least", FOUR)
    yield Setting("training sizes", sorted(data["text_train"]["sizes"]), [4, 5, 6, 7, 8, 12])
    samples = data["text_train"]["samples"]  # 70 % of 10,000
    yield Setting("training samples per size", samples, 7000, "at least", FOUR)
    yield Setting("test sizes", sorted(settings["sizes"].values()), [10, 12, 14], source=FOUR)


def _training(train: Settings) -> Iterator[Setting]:
    yield Setting("batch", train["batch"], 256, source=FOUR)
    yield Setting("learning rate", train["learning_rate"], 1.0e-4, source=FOUR)
    # 7 epochs of 30 x 6 x 7,000 samples.
    yield Setting("steps", train["steps"], 34_450, "at least", FOUR)
    yield Setting("seeds", train["seeds"], 4, "at least", "figure 4, caption")


def _reasoner(settings: Settings) -> Iterator[Setting]:
    own = settings["reasoners"][settings["reasoner"]]
    train = settings["reasoner_train"]
    yield Setting("algorithms of the reasoner", len(own["algorithms"]), len(ALGORITHMS))
    yield Setting("steps of the reasoner", own["steps"], STEPS, "at least", IBARZ)
    yield Setting("sizes of the reasoner", settings["reasoner_data"]["train"]["sizes"], SIZES)
    # Section 3 names it, with gates, although Ibarz et al. use none in multi-task training.
    processor, known = train["processor"], "triplet_gmpnn"
    yield Setting("processor of the reasoner", processor, known, source="section 3")
    for name, key, paper in (
        ("width", "width", 128),
        ("batch", "batch", 32),
        ("learning rate", "learning_rate", 1.0e-3),
        ("gradient norm", "max_grad_norm", 1.0),
    ):
        yield Setting(f"{name} of the reasoner", train[key], paper, source=IBARZ)
    yield Setting("selection of its weights", train["validate_every"] > 0, True, source=IBARZ)


def reasoner(settings: Settings, name: str, training: str) -> Protocol:
    """The evidence of the reasoners of one entry; `training` is single-task or multi-task."""
    train, data = settings["reasoner_train"], settings["reasoner_data"]
    entry = settings["reasoners"][name]
    count = {SINGLE_TASK: 1, MULTI_TASK: len(ALGORITHMS)}[training]
    known = [
        Setting("algorithms", len(entry["algorithms"]), count),
        Setting("steps", entry["steps"], STEPS, "at least", IBARZ),
        Setting("processor", train["processor"], PROCESSORS[training], source="section 4"),
        Setting("width", train["width"], 128, source=IBARZ),
        Setting("batch", train["batch"], 32, source=IBARZ),
        Setting("learning rate", train["learning_rate"], 1.0e-3, source=IBARZ),
        Setting("gradient norm", train["max_grad_norm"], 1.0, source=IBARZ),
        Setting("training sizes", data["train"]["sizes"], SIZES, source=IBARZ),
        Setting("selection of weights", train["validate_every"] > 0, True, source=IBARZ),
        Setting("test samples", data["test"]["samples"], 32, "at least", "CLRS-30"),
        Setting("seeds", train["seeds"], 10, "at least", "figure 2, caption"),
    ]
    if training == MULTI_TASK:
        known.append(Setting("message steps per chunk", train["chunk_steps"], 16, source=IBARZ))
    return evidence(*known)

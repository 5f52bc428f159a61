"""The models that are trained and compared, and how a trained one is run at inference."""

from dataclasses import dataclass
from typing import Literal

from workflow_scripts.transnar.arm_names import kind_of, model_of
from workflow_scripts.transnar.decoder import STREAMS


@dataclass(frozen=True)
class Arm:
    """One model to train."""

    reasoner: Literal["none", "trained", "untrained"]
    streams: tuple[str, ...] = STREAMS
    adaptive: bool = False  # self-attention at the adaptive temperature
    merge: str = "concat"  # of nodes and edges, see `merges.py`
    plain_positions: bool = False  # 0, 1, 2, … instead of randomised ones


ARMS = {
    "text": Arm("none"),  # as many parameters as `hybrid`, in wider MLPs
    "hybrid": Arm("trained"),
    "untrained": Arm("untrained"),
    "nodes": Arm("trained", ("nodes",)),
    "edges": Arm("trained", ("edges",)),
    "text_adaptive": Arm("none", adaptive=True),
    "hybrid_adaptive": Arm("trained", adaptive=True),
    "hybrid_sum": Arm("trained", merge="sum"),
    "hybrid_mlp": Arm("trained", merge="mlp"),
    "hybrid_gram_schmidt": Arm("trained", merge="gram_schmidt"),
    "text_plain_positions": Arm("none", plain_positions=True),
    "hybrid_plain_positions": Arm("trained", plain_positions=True),
}


def of(name: str) -> Arm:
    """An arm, by its name in tables."""
    return ARMS[kind_of(name)]


@dataclass(frozen=True)
class Inference:
    """One way to run a trained model."""

    streams: tuple[str, ...] = STREAMS
    shuffled: bool = False  # the embeddings of another sample of the same set
    closed: bool = False  # without cross-attention
    adaptive: bool = False  # adaptive temperature at inference only
    free: bool = False  # also free answers; ablations differ in the numbers, with the shape given


INFERENCES = {
    "plain": Inference(free=True),
    "adaptive": Inference(adaptive=True, free=True),
    "nodes_only": Inference(("nodes",)),
    "edges_only": Inference(("edges",)),
    "shuffled": Inference(shuffled=True),
    "closed": Inference(closed=True),
}


def inferences(arm: str) -> list[str]:
    """The names in `INFERENCES` that apply to an arm."""
    if model_of(arm):
        return ["plain", "shuffled"] if of(arm).reasoner != "none" else ["plain"]
    if arm == "hybrid":
        return list(INFERENCES)
    return ["plain", "adaptive"] if arm == "text" else ["plain"]

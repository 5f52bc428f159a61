"""The models that are trained and compared, and the ways in which a trained one is read."""

from dataclasses import dataclass
from typing import Literal

from workflow_scripts.transnar.decoder import STREAMS


@dataclass(frozen=True)
class Arm:
    """One model in training."""

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


@dataclass(frozen=True)
class Reading:
    """One way of reading a trained model."""

    streams: tuple[str, ...] = STREAMS
    shuffled: bool = False  # the embeddings of another sample of the same size
    closed: bool = False  # no cross-attention
    adaptive: bool = False  # temperature at inference alone


READINGS = {
    "plain": Reading(),
    "adaptive": Reading(adaptive=True),
    "nodes_only": Reading(("nodes",)),
    "edges_only": Reading(("edges",)),
    "shuffled": Reading(shuffled=True),
    "closed": Reading(closed=True),
}


def readings(arm: str) -> list[str]:
    """Readings that make sense of an arm."""
    if arm == "hybrid":
        return list(READINGS)
    return ["plain", "adaptive"] if arm == "text" else ["plain"]

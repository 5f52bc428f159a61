"""Decoders on disk: one safetensors file each, with the shape and the arm to build it again."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from workflow_scripts.shared import weights
from workflow_scripts.transnar import attention
from workflow_scripts.transnar.arms import ARMS
from workflow_scripts.transnar.decoder import Model, Shape


def write(path: str | Path, model: Model, arm: str, provenance: dict[str, Any]) -> None:
    """Write a decoder's weights, shape and arm."""
    # The output layer is the embedding, so it is stored once.
    tied = "decoder.lm_head.weight"
    tensors = {name: value for name, value in model.state_dict().items() if name != tied}
    weights.write(path, tensors, provenance, decoder={"arm": arm, "shape": asdict(model.shape)})


def read(path: str | Path) -> Model:
    """Read a decoder, on the CPU. Raises `ValueError` naming a file that has none."""
    tensors, about = weights.read(path, "decoders", "decoder")
    content = about["decoder"]
    shape = content["shape"] | {"streams": tuple(content["shape"]["streams"])}
    adaptive = ARMS[content["arm"]].adaptive
    model = Model(Shape(**shape), attention.NAME if adaptive else attention.PLAIN)
    model.load_state_dict(
        tensors | {"decoder.lm_head.weight": tensors["decoder.model.embed_tokens.weight"]}
    )
    return model.eval()

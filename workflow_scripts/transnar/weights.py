"""Decoders on disk: one safetensors file each, with the shape and the arm to build it again."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from workflow_scripts.shared import weights
from workflow_scripts.transnar import attention
from workflow_scripts.transnar.arms import ARMS
from workflow_scripts.transnar.decoder import Coupled, Model, Shape


def write(path: str | Path, model: Coupled, arm: str, provenance: dict[str, Any]) -> None:
    """Write the weights that training changed, with the decoder's shape and arm."""
    about = {"arm": arm, "shape": asdict(model.shape)}
    weights.write(path, model.trained(), provenance, decoder=about)


def read(path: str | Path) -> Model:
    """Read a decoder, on the CPU. Raises `ValueError` naming a file that has none."""
    tensors, about = weights.read(path, "decoders", "decoder")
    content = about["decoder"]
    shape = content["shape"] | {"streams": tuple(content["shape"]["streams"])}
    adaptive = ARMS[content["arm"]].adaptive
    model = Model(Shape(**shape), attention.NAME if adaptive else attention.PLAIN)
    model.restore(tensors)
    return model.eval()


def into(path: str | Path, model: Coupled, arm: str) -> None:
    """Put the trained weights of a pretrained decoder into that model.

    Raises `ValueError` naming a file that has none, or those of another arm.
    """
    tensors, about = weights.read(path, "decoders", "decoder")
    if about["decoder"]["arm"] != arm:
        raise ValueError(
            f"{path}: expected the weights of {arm}, found {about['decoder']['arm']}; delete it "
            "and run again"
        )
    model.restore(tensors)

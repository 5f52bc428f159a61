"""Decoders on disk: one safetensors file with the shape and the arm that it takes to build them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from workflow_scripts.shared import files
from workflow_scripts.transnar import attention
from workflow_scripts.transnar.arms import ARMS
from workflow_scripts.transnar.decoder import Model, Shape


def write(path: str | Path, model: Model, arm: str, provenance: dict[str, Any]) -> None:
    metadata = {
        "decoder": json.dumps({"arm": arm, "shape": asdict(model.shape)}),
        "faultlines": json.dumps(provenance, sort_keys=True, default=str),
    }
    # The output layer is the embedding, so it is stored once.
    tied = "decoder.lm_head.weight"
    tensors = {k: v.contiguous() for k, v in model.state_dict().items() if k != tied}
    with files.atomic(path) as temporary:
        save_file(tensors, temporary, metadata)


def read(path: str | Path) -> Model:
    """The decoder in a file, on the CPU. Raises `ValueError` naming a file that holds none."""
    try:
        with safe_open(path, framework="pt") as stream:
            content = json.loads((stream.metadata() or {}).get("decoder", "null"))
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path}: no decoder ({error}); make it again") from error
    if content is None:
        raise ValueError(f"{path}: has weights, but not of a decoder")
    shape = content["shape"] | {"streams": tuple(content["shape"]["streams"])}
    adaptive = ARMS[content["arm"]].adaptive
    model = Model(Shape(**shape), attention.NAME if adaptive else attention.PLAIN)
    model.load_state_dict(
        tensors | {"decoder.lm_head.weight": tensors["decoder.model.embed_tokens.weight"]}
    )
    return model.eval()

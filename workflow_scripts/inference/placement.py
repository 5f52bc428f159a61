"""The devices of a model on engine transformers: one, or several GPUs that share its layers."""

import copy
from typing import Any

import torch

from workflow_scripts.inference.tasks import EngineError
from workflow_scripts.shared import devices


def over_gpus(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Arguments with which transformers loads a model over its `devices` GPUs; none for one device.

    Without a GPU the model runs on the CPU. Raises `EngineError` if fewer GPUs are visible.
    """
    wanted, found = spec.get("devices", 1), torch.cuda.device_count()
    if wanted == 1 or not found:
        return {}
    if found < wanted:
        raise EngineError(
            f"models.{name}.devices: expected {wanted} GPUs, found {found}; ask for as many, or "
            f"lower models.{name}.devices"
        )
    free = {gpu: torch.cuda.mem_get_info(gpu)[0] for gpu in range(wanted)}
    return {"device_map": "balanced", "max_memory": free}  # in bytes; evenly, so batches find room


def place(model: Any, name: str) -> Any:
    """The model on its device, or where its layers already are.

    Raises `EngineError` for a model that its GPUs do not hold: layers that are moved in for each
    pass would take longer than any study has.
    """
    spread = getattr(model, "hf_device_map", {})
    if outside := sum(device in ("cpu", "disk") for device in spread.values()):
        gpus = len(set(spread.values()) - {"cpu", "disk"})
        raise EngineError(
            f"models.{name}.devices: the model does not fit on {gpus} GPUs, {outside} of its "
            f"{len(spread)} parts are left over; set more devices or a smaller dtype"
        )
    if spread:
        return model
    return model.to(devices.for_tensors())


def copied(model: Any, on_devices: bool = True) -> Any:
    """An independent copy of the model, on the same devices.

    Without `on_devices` the copy of a model on several devices no longer moves what enters a layer.
    """
    own = copy.deepcopy(model)
    # accelerate replaces `to` and `cuda` by functions that hold the model: those of a copy would
    # convert the original.
    for method in ("to", "cuda"):
        own.__dict__.pop(method, None)
    if hasattr(own, "hf_device_map") and not on_devices:
        from accelerate.hooks import remove_hook_from_module

        remove_hook_from_module(own, recurse=True)
    return own

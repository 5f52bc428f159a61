"""Devices without hardware: tensors on the CPU that say they are elsewhere.

An operation on tensors of two devices raises, as on GPUs: only numbers, indices from the CPU and
copies may cross. A model whose layers are spread over such devices computes what it computes on the
CPU, or raises.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

FIRST, SECOND = torch.device("cuda:0"), torch.device("cuda:1")
CROSSING = ("_to_copy", "copy_", "to")
INDEXING = ("index", "index_put_", "index_put", "__getitem__", "__setitem__")


class Placed(torch.Tensor):
    """A tensor on a device that does not exist; `held` has its values."""

    held: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: torch.Tensor, device: torch.device) -> "Placed":
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), dtype=held.dtype, device=device
        )
        made.held = held
        return made

    def __init__(self, *_: Any) -> None:
        pass

    def __deepcopy__(self, memo: dict[int, Any]) -> "Placed":
        if id(self) not in memo:
            memo[id(self)] = Placed(self.held.clone(), self.device)
            memo[id(self)]._is_param = getattr(self, "_is_param", False)
        return memo[id(self)]

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class _Calls(TorchFunctionMode):
    """What would reach a device before the other mode sees it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = dict(kwargs or {})
        if func is torch.tensor:
            device = options.pop("device", None)
            made = func(*args, **options)
            return made if device is None else made.to(device)
        if func is torch.Tensor.tolist:
            return _computed(func, args, options)
        try:
            return func(*args, **options)
        except RuntimeError as error:
            if "not linked" not in str(error):  # a call that asks for the device's driver first
                raise
            return _computed(func, args, options)


@contextmanager
def devices() -> Iterator[None]:
    """Within the block, tensors can be made on, and moved to, `FIRST` and `SECOND`."""
    usual = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # `held` is no part of `.data`
    try:
        with mock.patch("torch.cuda._lazy_init"), _Operations(), _Calls():
            yield
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(usual)


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = getattr(func, "overloadpacket", func).__name__
    named: list[torch.device] = []
    seen: list[torch.Tensor] = []

    def bare(value: Any) -> Any:
        if isinstance(value, torch.device):
            named.append(value)
            return torch.device("cpu")
        if isinstance(value, torch.Tensor):
            seen.append(value)
        return value.held if isinstance(value, Placed) else value

    given, options = tree_map(bare, args), tree_map(bare, kwargs)
    whole = [each for each in seen if isinstance(each, Placed) or each.dim()]
    compared = whole[:1] if name in CROSSING else whole
    if name in INDEXING:
        compared = [each for each in whole if isinstance(each, Placed)]
    devices = {each.device for each in compared}
    if len(devices) > 1:
        raise RuntimeError(f"{name}: tensors on {sorted(map(str, devices))}")
    placed = [each.device for each in seen if isinstance(each, Placed)]
    device = named[0] if named else placed[0] if placed else torch.device("cpu")
    owners = {id(each.held): each for each in seen if isinstance(each, Placed)}

    def elsewhere(value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or isinstance(value, Placed):
            return value
        if not named and id(value) in owners:
            return owners[id(value)]
        return value if device.type == "cpu" else Placed(value, device)

    return tree_map(elsewhere, func(*given, **options))


def spread(model: Any) -> Any:
    """A copy of the model: its last layer and what follows on `SECOND`, the rest on `FIRST`."""
    from accelerate import dispatch_model

    own = copy.deepcopy(model)
    decoder = own.get_decoder()
    (prefix,) = [name for name, module in own.named_modules() if module is decoder]
    last = len(decoder.layers) - 1
    places = {}
    for name, _ in own.named_children():
        places[name] = FIRST
    top = prefix.split(".")[0]
    places.pop(top)
    if "." in prefix:
        for name, _ in own.get_submodule(top).named_children():
            places[f"{top}.{name}"] = FIRST
        places.pop(prefix)
    for name, _ in decoder.named_children():
        places[f"{prefix}.{name}"] = SECOND if name == "norm" else FIRST
    places.pop(f"{prefix}.layers")
    for number in range(last + 1):
        places[f"{prefix}.layers.{number}"] = SECOND if number == last else FIRST
    return dispatch_model(
        own, places, main_device=FIRST, skip_keys=own._skip_keys_device_placement, force_hooks=True
    )

"""The optimisers by the names that they have in the config."""

from typing import Any

from workflow_scripts.optimizers.kronecker import Kfac, Shampoo, Soap
from workflow_scripts.optimizers.updates import Adagrad, Adam, Muon, Optimizer, Sgd

KINDS: dict[str, Any] = {
    "sgd": Sgd,
    "adam": Adam,
    "adamw": Adam,
    "adagrad": Adagrad,
    "shampoo": Shampoo,
    "shampoo_averaged": Shampoo,
    "shampoo_grafted": Shampoo,
    "soap": Soap,
    "kfac": Kfac,
    "muon": Muon,
}


def optimizer(name: str, settings: dict[str, Any]) -> Optimizer:
    """The optimiser of a name with its settings. Raises `KeyError` for an unknown name."""
    return KINDS[name](**settings)

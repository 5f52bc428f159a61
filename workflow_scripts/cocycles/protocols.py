"""How a training run differs from the paper's protocol: that of Ibarz et al. (2022), single task.

Only settings that the papers state are compared. What they leave open (gates, layer norm, the form
of inverted pointers) is in the README; so is that a run here trains on a fixed set.
"""

from typing import Any

from workflow_scripts.shared.protocol import Protocol, Setting, evidence

TASKS = 30
SIZES = [4, 7, 11, 13, 16]  # nodes
IBARZ = "Ibarz et al. 2022, appendix A.2"


def training(settings: dict[str, Any], tasks: bool) -> Protocol:
    """The evidence of this run's processors.

    `settings` has the settings under `cocycles.training`, and `clrs.data` as `data`. `tasks` says
    whether the claim is about all tasks of CLRS-30.
    """
    data = settings["data"]
    known = [
        Setting("steps", settings["steps"], 10_000, "at least", IBARZ),
        Setting("width", settings["width"], 128, source=IBARZ),
        Setting("batch", settings["batch"], 32, source=IBARZ),
        Setting("learning rate", settings["learning_rate"], 1.0e-3, source=IBARZ),
        Setting("gradient norm", settings["max_grad_norm"], 1.0, source=IBARZ),
        Setting("training sizes", data["train"]["sizes"], SIZES, source=IBARZ),
        Setting("validation size", max(data["valid"]["sizes"]), 16, source=IBARZ),
        Setting("validation samples", data["valid"]["samples"], 32, "at least", "CLRS-30"),
        Setting("test size", max(data["test"]["sizes"]), 64, source=IBARZ),
        Setting("test samples", data["test"]["samples"], 32, "at least", "CLRS-30"),
        Setting("inverted pointers", settings["inverted_pointers"], True, source="section 5"),
        Setting("choice of a layer before L3", "l3_linear" in settings["processors"], True),
        Setting("seeds", settings["seeds"], 6, "at least", "figure 2, caption"),
    ]
    if tasks:
        known.insert(0, Setting("tasks", len(settings["algorithms"]), TASKS, "at least"))
    return evidence(*known)

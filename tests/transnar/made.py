"""A small study: bfs with text at two sizes, an untrained reasoner, tiny decoders."""

import torch

from workflow_scripts.clrs import export, store, trajectories
from workflow_scripts.clrs.processors import PROCESSORS
from workflow_scripts.clrs.reasoner import Reasoner
from workflow_scripts.transnar import batches
from workflow_scripts.transnar.decoder import Shape
from workflow_scripts.transnar.training import Settings

WIDTH = 16
SHAPE = Shape(16, 2, 2, 32, 128, 8, WIDTH, gate=1.0)


def settings(**more):
    """Six steps of four rows that pass at once, in float32."""
    own = {"steps": 6, "batch": 4, "learning_rate": 1e-3, "warmup_steps": 2, "final_rate": 0.1}
    own |= {"max_grad_norm": 1.0, "pass_tokens": 10**6, "recompute": False, "precision": "float32"}
    return Settings(**own | more)


def data(path, samples=40):
    wanted = [("text_test", 5, 8), ("text_train", 4, samples), ("text_train", 5, samples)]
    spec, sets = export.pairs("bfs", wanted, seed=1)
    store.write(path, spec, sets)
    return path


def reasoner(path):
    spec = trajectories.read(path, "bfs", "text_train", 4).spec
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Reasoner({"bfs": spec}, WIDTH, PROCESSORS["triplet_gmpnn"])
    return made.eval().requires_grad_(False)


def sets(path, split="text_train"):
    return batches.read(path, "bfs", split)

"""Training many max-retrieval heads: hand-batched, with `torch.func`, and one after another.

    python benchmarks/softmax_seeds.py --seeds 10 --steps 40

All three do the same work (same sets, same initial weights, AdamW on every head) and alternate step
by step; process time.
"""

import argparse
from collections.abc import Callable
from typing import Any

import comparison
import torch
from torch.func import functional_call, grad_and_value, vmap

from workflow_scripts.softmax import retrieval
from workflow_scripts.softmax.retrieval import Parameters, Sets
from workflow_scripts.softmax.train import Settings, Training

SETTINGS = Settings(
    normaliser="softmax",
    steps=1,
    batch=128,
    learning_rate=1.0e-3,
    weight_decay=1.0e-3,
    width=128,
    categories=10,
    fewest_items=5,
    most_items=16,
    top_k=4,
)


class Head(torch.nn.Module):
    """The head of one seed as an ordinary module, so that `torch.func` can stack it."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__()
        s = SETTINGS
        self.item = self._mlp(s.categories + 1, s.width)
        self.query = self._mlp(1, s.width)
        self.q, self.k, self.v = (torch.nn.Linear(s.width, s.width) for _ in range(3))
        self.out = self._mlp(s.width, s.categories)
        layers: dict[str, Any] = {
            "item1": self.item[0],
            "item2": self.item[2],
            "query1": self.query[0],
        }
        layers |= {"query2": self.query[2], "out1": self.out[0], "out2": self.out[2]}
        layers |= {"q": self.q, "k": self.k, "v": self.v}
        with torch.no_grad():
            for name, layer in layers.items():
                layer.weight.copy_(parameters[f"{name}.weight"][0].T)
                layer.bias.copy_(parameters[f"{name}.bias"][0, 0])

    @staticmethod
    def _mlp(inputs: int, outputs: int) -> torch.nn.Sequential:
        width = SETTINGS.width
        return torch.nn.Sequential(
            torch.nn.Linear(inputs, width), torch.nn.GELU(), torch.nn.Linear(width, outputs)
        )

    def forward(self, features: torch.Tensor, query: torch.Tensor, mask: torch.Tensor):
        items = self.item(features)
        q = self.q(self.query(query))
        logits = (self.k(items) @ q[..., None])[..., 0] / SETTINGS.width**0.5
        weights = logits.masked_fill(~mask, -torch.inf).softmax(-1)
        return self.out((weights[:, None] @ self.v(items))[:, 0])


def features(sets: Sets) -> torch.Tensor:
    one_hot = torch.nn.functional.one_hot(sets.category, SETTINGS.categories).float()
    return torch.cat([sets.priority[..., None], one_hot], -1)


def draw(training: Training) -> Sets:
    s = SETTINGS
    samplers = training.samplers
    parts = [draws.draw(s.batch, s.most_items, s.categories, s.fewest_items) for draws in samplers]
    return retrieval.together(parts)


def modules(training: Training) -> list[Head]:
    return [Head(retrieval.head_of(training.parameters, i)) for i in range(len(training.indices))]


def optimiser(parameters: list[torch.Tensor]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=1.0e-3, weight_decay=1.0e-3, fused=True)


def hand_batched(seeds: int) -> Callable[[], None]:
    return Training(SETTINGS, 1, list(range(seeds))).advance


def with_torch_func(seeds: int) -> Callable[[], None]:
    training = Training(SETTINGS, 1, list(range(seeds)))
    heads = modules(training)
    stacked, buffers = torch.func.stack_module_state(heads)
    stacked = {name: tensor.detach().requires_grad_() for name, tensor in stacked.items()}
    adamw = optimiser(list(stacked.values()))

    def loss(parameters, x, query, mask, label):
        scores = functional_call(heads[0], (parameters, buffers), (x, query, mask))
        return torch.nn.functional.cross_entropy(scores, label)

    step_of = vmap(grad_and_value(loss))

    def step() -> None:
        sets = draw(training)
        plain = {name: tensor.detach() for name, tensor in stacked.items()}
        gradients, _ = step_of(plain, features(sets), sets.query, sets.mask, sets.label)
        for name, tensor in stacked.items():
            tensor.grad = gradients[name]
        adamw.step()

    return step


def one_after_another(seeds: int) -> Callable[[], None]:
    training = Training(SETTINGS, 1, list(range(seeds)))
    heads = modules(training)
    adamws = [optimiser(list(head.parameters())) for head in heads]

    def step() -> None:
        sets = draw(training)
        x, mask = features(sets), sets.mask
        assert mask is not None
        for i, (head, adamw) in enumerate(zip(heads, adamws, strict=True)):
            scores = head(x[i], sets.query[i], mask[i])
            adamw.zero_grad()
            torch.nn.functional.cross_entropy(scores, sets.label[i]).backward()
            adamw.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    ways = {
        "hand-batched, queries through the transposes": hand_batched(arguments.seeds),
        "torch.func: stack_module_state, vmap": with_torch_func(arguments.seeds),
        "one after another": one_after_another(arguments.seeds),
    }
    taken = comparison.in_turns(ways, arguments.steps, warm_up=3)  # the first steps allocate
    case = f"a step of {arguments.seeds} heads"
    comparison.report("softmax_seeds", comparison.rows(case, taken))


if __name__ == "__main__":
    main()

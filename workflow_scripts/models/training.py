"""The training loop: plain PyTorch, bit-reproducible, resumable after a kill."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from workflow_scripts.models import architecture, batches
from workflow_scripts.models.muon import Muon
from workflow_scripts.shared import devices, files, progress

if TYPE_CHECKING:
    from transformers import Qwen3ForCausalLM

STATE = "state.pt"


@dataclass(frozen=True)
class Settings:
    """Settings of a training run; see `embedded.train` in the config."""

    steps: int
    batch_tokens: int
    learning_rate: float  # peak
    warmup_steps: int
    final_rate: float  # last learning rate as a share of the peak
    weight_decay: float
    max_grad_norm: float
    log_every_steps: int
    checkpoint_every_steps: int


def fit(
    model: "Qwen3ForCausalLM",
    train: batches.Encoded,
    tests: dict[str, batches.Encoded],
    settings: Settings,
    folder: Path,
    seed: int,
) -> list[dict[str, Any]]:
    """Train `model` in place and return its learning curve, one row per `log_every_steps`.

    A row has step, tokens (so far), learning_rate, loss (nats per learnt token, mean since the
    last row), `loss_<name>` of each table in `tests`, and cpu_s. State is saved in `folder` every
    `checkpoint_every_steps`; a later call resumes from it and ends with the weights of an
    uninterrupted run, bit for bit (on the same machine with the same number of threads). Matrix
    products are in bfloat16 on GPUs and on processors that are faster in it, else in float32. On a
    GPU the decoder is compiled.
    """
    device = torch.device(devices.for_tensors())
    model.train().to(device)
    decoder = _decoder(model)
    mixed = device.type == "cuda" or devices.prefers_bfloat16()
    optimisers = _optimisers(model, settings, mixed)
    schedule = batches.Schedule(train.lengths, settings.batch_tokens, seed)
    state = _resume(folder / STATE, model, optimisers)
    first, curve, tokens, cpu_s = state["step"], state["curve"], state["tokens"], state["cpu_s"]
    losses: list[torch.Tensor] = state["losses"]
    started_s = time.process_time() - cpu_s
    with progress.bar(settings.steps, "training", "step", done=first) as bar:
        for step in range(first, settings.steps):
            rate = learning_rate(step, settings)
            for optimiser in optimisers:
                for group in optimiser.param_groups:
                    group["lr"] = rate
            chosen = schedule.step(step)
            loss = _loss(decoder, model, batches.gather(train, chosen), mixed)
            loss.backward()
            losses.append(loss.detach())
            tokens += int(train.lengths[chosen].sum())
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
            for optimiser in optimisers:
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
            done = step + 1
            if done % settings.log_every_steps == 0 or done == settings.steps:
                row = {"step": done, "tokens": tokens, "learning_rate": rate}
                row["loss"] = float(torch.stack(losses).mean())
                row |= {f"loss_{name}": evaluate(model, data) for name, data in tests.items()}
                curve.append(row | {"cpu_s": time.process_time() - started_s})
                losses = []
                bar.set_postfix_str(f"loss {row['loss']:.3f}", refresh=False)
            if done % settings.checkpoint_every_steps == 0 and done < settings.steps:
                with files.atomic(folder / STATE) as temporary:
                    state = {
                        "step": done,
                        "model": model.state_dict(),
                        "optimisers": [optimiser.state_dict() for optimiser in optimisers],
                        "curve": curve,
                        "losses": losses,
                        "tokens": tokens,
                        "cpu_s": time.process_time() - started_s,
                    }
                    torch.save(state, temporary)
            bar.update()
    return curve


def learning_rate(step: int, settings: Settings) -> float:
    """The rate of a step: linear warm-up to the peak, then a cosine to `final_rate` of it."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    along = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    down = 0.5 * (1 + math.cos(math.pi * along))
    return settings.learning_rate * (settings.final_rate + (1 - settings.final_rate) * down)


def evaluate(model: "Qwen3ForCausalLM", data: batches.Encoded) -> float:
    """Mean loss in nats per learnt token of all conversations, in float32."""
    batch = batches.gather(data, np.arange(len(data.lengths)))
    with torch.no_grad():
        return float(_loss(model.model, model, batch, mixed=False))


def _loss(
    decoder: Callable[..., Any],
    model: "Qwen3ForCausalLM",
    batch: batches.Batch,
    mixed: bool,
) -> torch.Tensor:
    """Mean loss over the learnt tokens; logits are computed for these only."""
    device = model.device
    with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
        hidden = decoder(
            input_ids=torch.from_numpy(batch.ids).to(device)[None],
            position_ids=torch.from_numpy(batch.positions).to(device)[None],
            blocks=batch.blocks,
            use_cache=False,
        ).last_hidden_state[0]
    # The head stays in float32: on CPU this is faster where the number of rows changes with every
    # step, and it gives a lower loss.
    logits = model.lm_head(hidden[torch.from_numpy(batch.predicts).to(device)].float())
    targets = torch.from_numpy(batch.targets).to(device)
    return functional.cross_entropy(logits, targets)


def _decoder(model: "Qwen3ForCausalLM") -> Callable[..., Any]:
    """The function that computes hidden states: the model's decoder, compiled where that pays."""
    architecture.use_block_attention(model)
    if model.device.type == "cuda":
        return torch.compile(model.model, dynamic=True)  # one graph for every number of tokens
    return model.model  # on CPU compilation takes longer than it saves


def _optimisers(
    model: torch.nn.Module, settings: Settings, mixed: bool
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for the embedding and the norms.

    Muon learns these skills several times faster than AdamW at equal CPU time. Its step is scaled
    to AdamW's root mean square, so that both use the same learning rate. torch's own computes in
    bfloat16, as the rest of the step does where products are `mixed`.
    """
    named = list(model.named_parameters())
    matrices = [p for name, p in named if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in named if p.ndim != 2 or "embed" in name]
    rate, decay = settings.learning_rate, settings.weight_decay
    if mixed:
        muon = torch.optim.Muon(
            matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"
        )
    else:
        muon = Muon(matrices, lr=rate, weight_decay=decay)
    return [
        muon,
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]


def _resume(
    path: Path,
    model: "Qwen3ForCausalLM",
    optimisers: list[torch.optim.Optimizer],
) -> dict[str, Any]:
    """Load the saved state into model and optimisers; the initial state if there is none."""
    if not path.exists():
        return {"step": 0, "curve": [], "losses": [], "tokens": 0, "cpu_s": 0.0}
    state = torch.load(path, map_location=model.device, weights_only=True)
    model.load_state_dict(state["model"])
    for optimiser, saved in zip(optimisers, state["optimisers"], strict=True):
        optimiser.load_state_dict(saved)
    return state

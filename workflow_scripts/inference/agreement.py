"""A model's logits in our forward pass against those of its own attention, on one short prompt.

Transformers has two hundred architectures, and each may treat attention, positions or its cache in
a way of its own. One that our forward pass gets wrong is refused when it is loaded.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from workflow_scripts.inference import prefill
from workflow_scripts.inference.attention import Pass
from workflow_scripts.inference.cache import BLOCK, MIN_ROWS, Rows, up
from workflow_scripts.inference.forward import Forward
from workflow_scripts.inference.local_model import LocalModel
from workflow_scripts.inference.tasks import EngineError

TEXT = (
    "The river runs north of the town, and seven hills lie south of it under a wide grey sky. In "
    "1852 a bridge was built."
)
TOKENS = 20  # of the prompt; on a CPU the cost is that of some 90 tokens
WINDOW = 8  # tokens; windows are narrowed to it, so that a short prompt exceeds them

# A difference of the logits, relative to their spread, up to which nothing more is asked.
SMALL = 1e-3
# Our forward pass differs from the model's own by 0 to 1.7 times what one rounding of the
# embeddings changes (8 architectures, 4 and 24 layers, three types); faults are larger.
ROUNDINGS = 4
OUT = "engine: vllm may run it"
# What models raise that are given a cache, a mask or positions of another kind than they expect.
FAILURES = (
    AttributeError,
    EngineError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)


def check(engine: LocalModel) -> None:
    """Compare the two on the first tokens of a prompt, and set the model's first position.

    Raises `EngineError` for a model on which they disagree, or which our forward pass cannot run.
    """
    forward, model = engine.forward, engine.model
    config = model.config.get_text_config()
    _refuse_long(engine)
    tokens = engine.encode(prompt=TEXT)[: min(TOKENS, engine.context)]
    where = f"models.{engine.name}: {_named(model)}"
    with _narrowed(config):
        try:
            wanted = eager_logits(model, tokens)
        except EngineError:
            return  # logits that are not finite are reported by the first job that uses them
        if len(tokens) < 2 or not bool(wanted.isfinite().all()):
            return
        try:
            found = difference(forward, tokens, wanted)
            most = allowed(model, tokens, wanted, found)
            padding = getattr(config, "pad_token_id", None)
            if not found <= most and isinstance(padding, int) and 0 <= padding < TOKENS:
                # RoBERTa and its kin count positions from here.
                forward.first = padding + 1
                found = difference(forward, tokens, wanted)
        except FAILURES as error:
            said = "" if isinstance(error, LookupError) else str(error).strip().partition("\n")[0]
            cause = said or repr(error)
            raise EngineError(
                f"{where} does not run on engine transformers ({cause}); {OUT}"
            ) from error
    if not found <= most:
        raise EngineError(
            f"{where} is not computed correctly by engine transformers: on a short prompt, its "
            f"logits differ by {found:.1%} from those of its own attention (rounding: at most "
            f"{most:.1%}); {OUT}"
        )
    engine.context -= forward.first


def _refuse_long(engine: LocalModel) -> None:
    """Raise `EngineError` for a context in which LongRoPE (Phi-3, MiniCPM) has two sets of angles.

    transformers chooses by the longest prompt of a batch. Within the shorter context, it has one
    set; so has vLLM, which chooses by the context and one token.
    """
    found = getattr(engine.model.config.get_text_config(), "rope_parameters", None) or {}
    for each in (found, *(part for part in found.values() if isinstance(part, dict))):
        short = each.get("original_max_position_embeddings")
        if each.get("rope_type") == "longrope" and short and engine.context >= short:
            raise EngineError(
                f"models.{engine.name}.max_context: {_named(engine.model)} rotates all prompts of "
                f"a batch by the longest one (rope_type longrope): expected fewer than {short} "
                f"tokens, found {engine.context}; set max_context: {short - 1}, or use engine: vllm"
            )


def reproduces(engine: LocalModel, study: str, replaced: AbstractContextManager[None]) -> None:
    """Compare logits with `replaced` attention, which changes nothing, and with the model's own.

    Raises `EngineError`, which names the `study`, if they differ.
    """
    model = engine.model
    tokens = engine.encode(prompt=TEXT)[: min(TOKENS, engine.context)]
    with _narrowed(model.config.get_text_config()), torch.inference_mode():
        wanted = eager_logits(model, tokens)
        row = torch.tensor([tokens], device=model.device)
        with replaced:
            logits = model(input_ids=row, use_cache=False).logits[0].float()
        found = float(relative(logits, wanted).median())
        most = allowed(model, tokens, wanted, found)
    if found > most:
        raise EngineError(
            f"models.{engine.name}: {_named(model)}: logits with replaced attention differ "
            f"by {found:.1%} from the model's own (rounding: at most {most:.1%}); take the model "
            f"out of studies.{study}"
        )


def _named(model: Any) -> str:
    return f"architecture {model.config.get_text_config().model_type!r}"


@contextmanager
def _narrowed(config: Any) -> Iterator[None]:
    """Within the block, windows and chunks of the model are at most `WINDOW` tokens."""
    wide = {
        name: getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")
    }
    wide = {name: size for name, size in wide.items() if isinstance(size, int) and size > WINDOW}
    for name in wide:
        setattr(config, name, WINDOW)
    try:
        yield
    finally:
        for name, size in wide.items():
            setattr(config, name, size)


def difference(forward: Forward, tokens: Sequence[int], wanted: torch.Tensor) -> float:
    """How much our logits differ from `wanted`, shape (tokens, vocabulary), relative to the spread.

    The larger of two medians over places: of prompts, and of tokens after them.
    """
    prompts, after = passed(forward, tokens, [len(tokens) - 1, 3 * len(tokens) // 4])
    return max(
        float(relative(found, wanted[places]).median()) for places, found in (prompts, after)
    )


Found = tuple[list[int], torch.Tensor]


def passed(forward: Forward, tokens: Sequence[int], lengths: Sequence[int]) -> tuple[Found, Found]:
    """Logits after tokens of prompts, the first `lengths` tokens, and after one token more each.

    Each with its places in `tokens`; logits are float32 of shape (places, vocabulary).
    """
    rows = [list(tokens[:length]) for length in lengths]
    positions = [range(length) for length in lengths]
    wanted = [(row, place) for row, length in enumerate(lengths) for place in range(length)]
    cache, logits = prefill.run(forward, rows, positions, None, wanted)
    device, slots = forward.device, up(max(lengths) + 1, BLOCK)
    continued = Rows()
    continued.resize(0, up(len(rows), MIN_ROWS), slots, cache)
    continued.admit(cache, torch.arange(len(rows), device=device), 0, min(slots, cache.slots))
    at = torch.zeros(continued.capacity, dtype=torch.int64)
    at[: len(rows)] = torch.tensor(lengths)
    continued.rows, continued.at = continued.capacity, at.to(device)
    after = forward(
        torch.tensor(tokens)[at].to(device)[:, None],
        continued.at[:, None],
        Pass(continued.at[:, None], torch.arange(slots, device=device)[None]),
        continued,
        torch.arange(len(rows), device=device),
    )
    return ([place for _, place in wanted], logits.float()), (list(lengths), after.float())


def relative(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Norm of the difference of logits (places, vocabulary) over their spread; shape (places,)."""
    spread = (wanted - wanted.mean(-1, keepdim=True)).norm(dim=-1)
    return (found - wanted).norm(dim=-1) / spread.clamp(min=torch.finfo(wanted.dtype).tiny)


def allowed(model: Any, tokens: Sequence[int], wanted: torch.Tensor, found: float) -> float:
    """The largest difference that rounding explains; computed if the one `found` is not small."""
    return SMALL if found <= SMALL else max(SMALL, ROUNDINGS * rounding(model, tokens, wanted))


def rounding(model: Any, tokens: Sequence[int], wanted: torch.Tensor) -> float:
    """How far the logits move from `wanted` if each entry of the embeddings moves by one rounding.

    Deep models and mixtures of experts amplify it.
    """
    generator = torch.Generator().manual_seed(0)

    def moved(_module: Any, _inputs: Any, states: torch.Tensor) -> torch.Tensor:
        noise = torch.randn(states.shape, generator=generator).to(states)
        return states + states * noise * torch.finfo(states.dtype).eps

    hook = model.get_input_embeddings().register_forward_hook(moved)
    try:
        return float(relative(eager_logits(model, tokens), wanted).median())
    finally:
        hook.remove()


@torch.inference_mode()
def eager_logits(model: Any, tokens: Sequence[int]) -> torch.Tensor:
    """Float32 logits of the model's own eager attention, shape (tokens, vocabulary)."""
    config = model.config.get_text_config()
    usual = config._attn_implementation
    config._attn_implementation = "eager"
    try:
        row = torch.tensor([list(tokens)], device=model.device)
        return model(input_ids=row, use_cache=False).logits[0].float()
    finally:
        config._attn_implementation = usual

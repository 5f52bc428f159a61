"""Peers of the runner: a plain loop of `model.generate`, and lm-evaluation-harness."""

from typing import Any

import torch


def plain_loop(
    engine: Any,
    texts: list[str],
    batch: int,
    max_tokens: int,
    stop: str | None,
    settings: dict[str, Any],
) -> list[str]:
    """What a short script would do: padded batches in arrival order."""
    replies = []
    for start in range(0, len(texts), batch):
        part = texts[start : start + batch]
        inputs = engine.tokenizer(part, padding=True, return_tensors="pt").to(engine.model.device)
        with torch.inference_mode():
            output = engine.model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=max_tokens,
                pad_token_id=engine.tokenizer.pad_token_id,
                **settings,
            )
        new = output[:, inputs["input_ids"].shape[1] :]
        for reply in engine.tokenizer.batch_decode(new, skip_special_tokens=True):
            replies.append(reply.split(stop)[0] if stop else reply)
    return replies


def plain_scores(
    engine: Any, texts: list[str], options: list[str], batch: int
) -> list[list[float]]:
    """One padded pass over prompt and option per option."""
    pairs = [(text, option) for text in texts for option in options]
    scores = []
    for start in range(0, len(pairs), batch):
        part = pairs[start : start + batch]
        whole = [engine.tokenizer(a + b)["input_ids"] for a, b in part]
        heads = [len(engine.tokenizer(a)["input_ids"]) for a, _ in part]
        width = max(map(len, whole))
        ids = torch.zeros((len(part), width), dtype=torch.int64)
        for row, tokens in enumerate(whole):
            ids[row, : len(tokens)] = torch.tensor(tokens)
        mask = torch.tensor([[i < len(tokens) for i in range(width)] for tokens in whole]).long()
        with torch.inference_mode():
            logp = engine.model(input_ids=ids, attention_mask=mask).logits.log_softmax(-1)
        for row, tokens in enumerate(whole):
            at = torch.arange(heads[row], len(tokens))
            scores.append(float(logp[row, at - 1, ids[row, at]].sum()))
    return [scores[i : i + len(options)] for i in range(0, len(scores), len(options))]


def harness(engine: Any, batch: int) -> Any:
    """The wrapper of lm-evaluation-harness around the same weights."""
    try:
        from lm_eval.models.huggingface import HFLM
    except ImportError as error:
        raise SystemExit(
            "the comparison needs lm-evaluation-harness: pip install 'lm-eval[hf]'"
        ) from error
    return HFLM(pretrained=engine.model, tokenizer=engine.tokenizer, batch_size=batch, device="cpu")


def harness_replies(
    peer: Any, texts: list[str], max_tokens: int, stop: str | None, settings: dict[str, Any]
) -> list[str]:
    from lm_eval.api.instance import Instance

    settings = {"until": [stop] if stop else [], "max_gen_toks": max_tokens} | settings
    asked = [
        Instance("generate_until", {}, (text, dict(settings)), number)
        for number, text in enumerate(texts)
    ]
    return peer.generate_until(asked, disable_tqdm=True)


def harness_scores(peer: Any, texts: list[str], options: list[str]) -> list[list[float]]:
    from lm_eval.api.instance import Instance

    asked = [
        Instance("loglikelihood", {}, (text, option), number)
        for number, (text, option) in enumerate((t, o) for t in texts for o in options)
    ]
    found = [value for value, _ in peer.loglikelihood(asked, disable_tqdm=True)]
    return [found[i : i + len(options)] for i in range(0, len(found), len(options))]

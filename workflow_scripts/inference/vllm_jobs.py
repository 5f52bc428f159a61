"""The requests to vLLM for a task, and the task's record from its outputs."""

import json
import math
from typing import Any

from workflow_scripts.inference.encoding import Encoder
from workflow_scripts.inference.tasks import SCORES, Record


class DrawJob:
    """A sample in progress."""

    def __init__(
        self,
        encoder: Encoder,
        ends: list[int],
        request: dict[str, Any],
        sample: int,
        tokens: list[int],
        limit: int,
        at_limit: str,
    ):
        self.encoder = encoder
        self.ends = ends
        self.request = request
        self.sample = sample
        self.tokens = tokens
        self.limit = limit
        self.at_limit = at_limit
        self.sampling: Any = None

    def finish(self, output: Any) -> Record:
        """The record of the sample, from vLLM's output."""
        made = output.outputs[0]
        tokens = list(made.token_ids)
        ended = bool(tokens) and tokens[-1] in self.ends
        # vLLM's own text omits the last bytes of an incomplete character.
        text = self.encoder.text(tokens[:-1] if ended else tokens)
        found = [at for stop in json.loads(self.request["stop"]) if (at := text.find(stop)) >= 0]
        text = text[: min(found)] if found else text
        stopped = ended or found or made.finish_reason == "stop"
        return self.record(text, "stop" if stopped else self.at_limit, len(tokens))

    def record(self, text: str, reason: str, made: int) -> Record:
        """The record of a reply of `made` tokens."""
        return {
            "request_id": self.request["request_id"],
            "sample": self.sample,
            "text": text,
            "finish_reason": reason,
            "prompt_tokens": len(self.tokens),
            "completion_tokens": made,
        }


class Gathered:
    """A request's log-probabilities, collected from several passes; `missing` counts the rest."""

    def __init__(self, request_id: str, size: int, echo: bool, options: int):
        self.request_id = request_id
        self.size = size
        self.echo: list[float | None] = [None] * size if echo else []
        self.options: list[float | None] = [None] * options
        self.missing = 0

    def record(self) -> Record:
        """The record of the request's log-probabilities."""
        return {
            "request_id": self.request_id,
            "sample": SCORES,
            "prompt_tokens": self.size,
            "choice_logprobs": self.options,
            "logprobs": self.echo,
        }


class ScoreJob:
    """One pass of a score: `single` holds options of one token, `long` a longer option or None."""

    def __init__(
        self,
        score: Gathered,
        tokens: list[int],
        sampling: Any,
        single: dict[int, int],
        long: int | None = None,
    ):
        self.score = score
        self.tokens = tokens
        self.sampling = sampling
        self.single = single
        self.long = long

    def finish(self, output: Any) -> Record | None:
        """Add the log-probabilities of vLLM's output; the record after the last pass, else None.

        Raises `FloatingPointError` for NaN, which comes of NaN or infinite logits.
        """
        score = self.score
        if self.single:
            found = output.outputs[0].logprobs[0]
            for option, token in self.single.items():
                score.options[option] = _number(found[token])
        along = output.prompt_logprobs
        if self.long is not None:
            score.options[self.long] = sum(self._at(along, score.size, len(self.tokens)))
        elif score.echo:
            score.echo[1:] = self._at(along, 1, score.size)
        score.missing -= 1
        return None if score.missing else score.record()

    def _at(self, along: Any, first: int, last: int) -> list[float]:
        return [_number(along[at][self.tokens[at]]) for at in range(first, last)]


def _number(found: Any) -> float:
    if math.isnan(found.logprob):
        raise FloatingPointError("expected log-probabilities, found NaN")
    return float(found.logprob)


Job = DrawJob | ScoreJob


def params(**settings: Any) -> Any:
    """Sampling parameters, with every field that could change a reply explicit."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        **{
            "n": 1,
            "temperature": 0.0,
            "top_p": 1.0,
            "top_k": 0,
            "min_p": 0.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "repetition_penalty": 1.0,
            "max_tokens": 1,
            "min_tokens": 0,
            "ignore_eos": False,
            "detokenize": False,
            "output_kind": RequestOutputKind.FINAL_ONLY,
        }
        | settings
    )

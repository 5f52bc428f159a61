"""A model inside vLLM: tasks become its requests, its outputs become records.

Imported under the Python that has vLLM, by `vllm_worker.py`; vLLM itself is imported late, after
its environment variables are set.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

from workflow_scripts.inference import chat
from workflow_scripts.inference.checkpoint import missing
from workflow_scripts.inference.encoding import Encoder, end_tokens
from workflow_scripts.inference.tasks import SCORES, EngineError, Record
from workflow_scripts.shared import seeds

# Requests inside the engine at once: far more than run together, so that it always has a choice,
# and few enough to hold.
WAITING = 8192
# A batch of records goes out when it has so many, or is so old.
BATCH_RECORDS, BATCH_S = 256, 1.0

# What the user has set goes before these.
VARIABLES = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1",  # by the one token that `_engine` adds
}
# One process, and no pinning of threads: pinned, jobs side by side were up to 80 times slower.
CPU_VARIABLES = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "TORCHDYNAMO_DISABLE": "1",  # compiling its helpers takes longer than it saves
}


class Model:
    """A loaded model. `context` is the most tokens that prompt and reply may have together."""

    def __init__(self, name: str, spec: dict[str, Any], checkpoint: str, device: str):
        hub = not os.path.isdir(checkpoint)
        variables = VARIABLES | (CPU_VARIABLES if device == "cpu" else {})
        if not hub:
            # A local folder never needs the network; asking it for a missing file would only stall.
            variables |= {"HF_HUB_OFFLINE": "1"}
        os.environ.update(variables | dict(os.environ))
        from transformers import AutoConfig, AutoTokenizer, GenerationConfig

        at = {"revision": spec["revision"]} if hub and "revision" in spec else {}
        try:
            tokenizer = AutoTokenizer.from_pretrained(checkpoint, **at)
            config = AutoConfig.from_pretrained(checkpoint, **at).get_text_config()
        except (OSError, ValueError) as error:
            raise EngineError(missing(name, checkpoint, error)) from error
        if chat.templated(spec) and not tokenizer.chat_template:
            raise EngineError(chat.no_template(name))
        try:
            configured = GenerationConfig.from_pretrained(checkpoint, **at).eos_token_id
        except OSError:
            configured = config.eos_token_id
        limits = [getattr(config, "max_position_embeddings", None), spec.get("max_context")]
        self.context: int = min((limit for limit in limits if limit), default=1 << 20)
        self.encoder = Encoder(tokenizer, spec)
        self.ends = end_tokens(tokenizer, configured)
        self.engine = _engine(checkpoint, spec, self.context, device, hub)

    def run(
        self,
        requests: list[dict[str, Any]],
        draws: list[tuple[int, int]],
        scores: list[int],
    ) -> Iterator[list[Record]]:
        """Records of the tasks, a batch at a time, in the order in which they are finished."""
        self.encoder.read(requests)
        done: list[Record] = []
        jobs: list[_Job] = [*self._draws(requests, draws, done)]
        jobs += self._scores(requests, scores, done)
        jobs.sort(key=lambda job: job.tokens)  # equal beginnings side by side
        yield from self._stream(jobs, done)

    def _stream(self, jobs: "Sequence[_Job]", done: list[Record]) -> Iterator[list[Record]]:
        # All at once, as `LLM.generate` does it, but whatever is finished leaves at once: a
        # killed job keeps it.
        engine = self.engine
        running: dict[str, _Job] = {}
        waiting = iter(enumerate(jobs))
        more = True
        since = time.monotonic()
        while more or running:
            while more and len(running) < WAITING:
                number, job = next(waiting, (0, None))
                if job is None:
                    more = False
                    break
                running[str(number)] = job
                engine.add_request(str(number), {"prompt_token_ids": job.tokens}, job.sampling)
            for output in engine.step() if running else ():
                if output.finished:
                    record = running.pop(output.request_id).finish(output)
                    if record is not None:
                        done.append(record)
            if len(done) >= BATCH_RECORDS or (done and time.monotonic() - since > BATCH_S):
                yield done
                done, since = [], time.monotonic()
        if done:
            yield done

    def _draws(
        self, requests: list[dict[str, Any]], draws: list[tuple[int, int]], done: list[Record]
    ) -> "Iterator[_Draw]":
        for number, sample in draws:
            request = requests[number]
            tokens = self.encoder.tokens_of(request)
            room = self.context - len(tokens)
            fits = request["max_tokens"] <= room
            limit = request["max_tokens"] if fits else max(room, 0)
            draw = _Draw(self, request, sample, tokens, limit, "length" if fits else "context")
            if limit > 0:
                draw.sampling = self._sampling(request, sample, limit)
                yield draw
            else:
                done.append(draw.record("", draw.at_limit, 0))

    def _sampling(self, request: dict[str, Any], sample: int, limit: int) -> Any:
        stop = json.loads(request["stop"])
        return _params(
            temperature=request["temperature"],
            top_p=request["top_p"],
            top_k=request["top_k"],
            seed=seeds.derive(request["seed"], request["request_id"], sample),
            stop=stop,
            stop_token_ids=self.ends,
            max_tokens=limit,
            detokenize=bool(stop),
        )

    def _scores(
        self, requests: list[dict[str, Any]], scores: list[int], done: list[Record]
    ) -> "Iterator[_Part]":
        for number in scores:
            request = requests[number]
            tokens = self.encoder.tokens_of(request)
            options = self.encoder.continuations(request)
            echo = bool(request["echo_logprobs"])
            score = _Score(request["request_id"], len(tokens), echo, len(options))
            parts = list(self._parts(score, tokens, options, echo))
            score.missing = len(parts)
            if parts:
                yield from parts
            else:
                done.append(score.record())

    def _parts(
        self, score: "_Score", tokens: list[int], options: list[list[int]], echo: bool
    ) -> "Iterator[_Part]":
        """One pass for the prompt and all options of one token; one for each longer option."""
        room = self.context - len(tokens)
        if room < 0:
            return
        single = {i: option[0] for i, option in enumerate(options) if len(option) == 1 <= room}
        if single or echo:
            wanted = sorted(set(single.values()))
            sampling = _params(
                prompt_logprobs=0 if echo else None, logprob_token_ids=wanted or None
            )
            yield _Part(score, tokens, sampling, single)
        for i, option in enumerate(options):
            if not option:
                score.options[i] = 0.0
            elif 1 < len(option) <= room:
                yield _Part(score, [*tokens, *option], _params(prompt_logprobs=0), {}, i)


class _Draw:
    """A sample on its way."""

    def __init__(
        self,
        model: Model,
        request: dict[str, Any],
        sample: int,
        tokens: list[int],
        limit: int,
        at_limit: str,
    ):
        self.model = model
        self.request = request
        self.sample = sample
        self.tokens = tokens
        self.limit = limit
        self.at_limit = at_limit
        self.sampling: Any = None

    def finish(self, output: Any) -> Record:
        made = output.outputs[0]
        tokens = list(made.token_ids)
        ended = bool(tokens) and tokens[-1] in self.model.ends
        # vLLM's own text holds back the last bytes of an unfinished character.
        text = self.model.encoder.text(tokens[:-1] if ended else tokens)
        found = [at for stop in json.loads(self.request["stop"]) if (at := text.find(stop)) >= 0]
        text = text[: min(found)] if found else text
        stopped = ended or found or made.finish_reason == "stop"
        return self.record(text, "stop" if stopped else self.at_limit, len(tokens))

    def record(self, text: str, reason: str, made: int) -> Record:
        return {
            "request_id": self.request["request_id"],
            "sample": self.sample,
            "text": text,
            "finish_reason": reason,
            "prompt_tokens": len(self.tokens),
            "completion_tokens": made,
        }


class _Score:
    """A request's log-probabilities, gathered from `missing` passes."""

    def __init__(self, request_id: str, size: int, echo: bool, options: int):
        self.request_id = request_id
        self.size = size
        self.echo: list[float | None] = [None] * size if echo else []
        self.options: list[float | None] = [None] * options
        self.missing = 0

    def record(self) -> Record:
        return {
            "request_id": self.request_id,
            "sample": SCORES,
            "prompt_tokens": self.size,
            "choice_logprobs": self.options,
            "logprobs": self.echo,
        }


class _Part:
    """One pass of a score: `single` are options of one token, `long` is a longer one or None."""

    def __init__(
        self,
        score: _Score,
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
        score = self.score
        if self.single:
            found = output.outputs[0].logprobs[0]
            for option, token in self.single.items():
                score.options[option] = float(found[token].logprob)
        along = output.prompt_logprobs
        if self.long is not None:
            score.options[self.long] = sum(self._at(along, score.size, len(self.tokens)))
        elif score.echo:
            score.echo[1:] = self._at(along, 1, score.size)
        score.missing -= 1
        return None if score.missing else score.record()

    def _at(self, along: Any, first: int, last: int) -> list[float]:
        return [float(along[at][self.tokens[at]].logprob) for at in range(first, last)]


_Job = _Draw | _Part


def _params(**settings: Any) -> Any:
    """Sampling parameters with every field that could change a reply written out."""
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


def _engine(checkpoint: str, spec: dict[str, Any], context: int, device: str, hub: bool) -> Any:
    from vllm import LLM

    at = {"revision": spec["revision"], "tokenizer_revision": spec["revision"]} if hub else {}
    where: dict[str, Any] = {"tensor_parallel_size": spec.get("tensor_parallel", 1)}
    if device == "cpu":
        # Compiling takes longer than it saves here. A prompt read in parts has its generator set
        # back by a draw, which generators on CPUs cannot ("CPU Generator does not use offset").
        where |= {
            "enforce_eager": True,
            "kv_cache_memory_bytes": cache_bytes(),
            "enable_chunked_prefill": False,
        }
    else:
        where |= {"gpu_memory_utilization": spec.get("memory_share", 0.9)}
    loaded = LLM(
        model=checkpoint,
        dtype=spec.get("dtype", "float32"),  # left out, float32 weights become bfloat16
        # One more than the context: vLLM wants room for a token, even to score a full prompt.
        max_model_len=context + 1,
        max_logprobs=-1,
        logprobs_mode="raw_logprobs",  # the model's own, before temperature and cuts
        generation_config="vllm",  # nothing from the model's own file of defaults
        enable_prefix_caching=True,
        seed=0,
        **where,
        **at,
    )
    return loaded.llm_engine


def cache_bytes() -> int:
    """Memory for keys and values on CPU: VLLM_CPU_KVCACHE_SPACE GiB, or one."""
    return int(os.environ.get("VLLM_CPU_KVCACHE_SPACE", "1")) << 30

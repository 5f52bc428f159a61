"""A model inside vLLM: converts tasks to its requests and its outputs to records.

`vllm_worker.py` imports this module under the Python with vLLM; vLLM itself is imported late, after
its environment variables are set.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

from workflow_scripts.inference import chat, noise
from workflow_scripts.inference.checkpoint import UNLIMITED, context, loading, revision
from workflow_scripts.inference.encoding import Encoder, end_tokens
from workflow_scripts.inference.tasks import EngineError, Record
from workflow_scripts.inference.vllm_jobs import DrawJob, Gathered, Job, ScoreJob, params
from workflow_scripts.models import tokenizer_files

# Maximum number of requests inside the engine: far more than run together, so that it can choose,
# and few enough for memory.
WAITING = 8192
# A batch of records is sent when it reaches this size or age.
BATCH_RECORDS, BATCH_S = 256, 1.0

# Variables set by the user take precedence.
VARIABLES = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1",  # by the one token that `_engine` adds
    "VLLM_RAISE_ON_LOGIT_NANS": "1",
}
# One process without pinned threads: with pinning, parallel jobs were up to 80 times slower.
CPU_VARIABLES = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "TORCHDYNAMO_DISABLE": "1",  # compiling takes longer than it saves
}


def encoder(name: str, spec: dict[str, Any], checkpoint: str) -> Encoder:
    """The model's tokenizer, without the model. Raises `EngineError` if it does not load."""
    hub = not os.path.isdir(checkpoint)
    if not hub:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    at = revision(spec) if hub else {}
    with loading(name, checkpoint):
        tokenizer = tokenizer_files.load(checkpoint, **at)
    if chat.templated(spec) and not tokenizer.chat_template:
        raise EngineError(chat.no_template(name))
    chat.refuse_other_kind(name, spec, tokenizer)
    return Encoder(tokenizer, spec)


class Model:
    """A loaded model. `context` is the maximum number of tokens of prompt and reply together."""

    def __init__(
        self, name: str, spec: dict[str, Any], checkpoint: str, draws_as: str, device: str
    ):
        self.draws_as = draws_as
        hub = not os.path.isdir(checkpoint)
        variables = VARIABLES | (CPU_VARIABLES if device == "cpu" else {})
        if not hub:
            # A local folder needs no network; looking for a missing file there would only stall.
            variables |= {"HF_HUB_OFFLINE": "1"}
        os.environ.update(variables | dict(os.environ))
        from transformers import AutoConfig, GenerationConfig

        self.encoder = encoder(name, spec, checkpoint)
        at = revision(spec) if hub else {}
        with loading(name, checkpoint):
            found = AutoConfig.from_pretrained(checkpoint, trust_remote_code=False, **at)
            config = found.get_text_config()
        try:
            configured = GenerationConfig.from_pretrained(checkpoint, **at).eos_token_id
        except OSError:
            configured = config.eos_token_id
        self.context: int = context(config, spec) or UNLIMITED
        self.ends = end_tokens(self.encoder.tokenizer, configured)
        self.engine = _engine(checkpoint, spec, self.context, device, hub)

    def run(
        self,
        requests: list[dict[str, Any]],
        draws: list[tuple[int, int]],
        scores: list[int],
    ) -> Iterator[list[Record]]:
        """Records of the tasks, batch by batch, in the order in which they finish."""
        self.encoder.read(requests)
        done: list[Record] = []
        jobs: list[Job] = [*self._draws(requests, draws, done)]
        jobs += self._scores(requests, scores, done)
        jobs.sort(key=lambda job: job.tokens)  # puts common prefixes next to each other
        yield from map(self.encoder.marked, self._stream(jobs, done))

    def _stream(self, jobs: Sequence[Job], done: list[Record]) -> Iterator[list[Record]]:
        # All requests together, as in `LLM.generate`, but finished records are sent immediately, so
        # that a killed job keeps them.
        engine = self.engine
        running: dict[str, Job] = {}
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
    ) -> Iterator[DrawJob]:
        for number, sample in draws:
            request = requests[number]
            tokens = self.encoder.tokens_of(request)
            room = self.context - len(tokens)
            fits = request["max_tokens"] <= room
            limit = request["max_tokens"] if fits else max(room, 0)
            at_limit = "length" if fits else "context"
            draw = DrawJob(self.encoder, self.ends, request, sample, tokens, limit, at_limit)
            if limit > 0:
                draw.sampling = self._sampling(request, sample, limit)
                yield draw
            else:
                done.append(draw.record("", draw.at_limit, 0))

    def _sampling(self, request: dict[str, Any], sample: int, limit: int) -> Any:
        stop = json.loads(request["stop"])
        return params(
            temperature=request["temperature"],
            top_p=request["top_p"],
            top_k=request["top_k"],
            seed=noise.key(self.draws_as, request["seed"], request["request_id"], sample),
            stop=stop,
            stop_token_ids=self.ends,
            max_tokens=limit,
            detokenize=bool(stop),
        )

    def _scores(
        self, requests: list[dict[str, Any]], scores: list[int], done: list[Record]
    ) -> Iterator[ScoreJob]:
        for number in scores:
            request = requests[number]
            tokens = self.encoder.tokens_of(request)
            options = self.encoder.continuations(request)
            echo = bool(request["echo_logprobs"])
            score = Gathered(request["request_id"], len(tokens), echo, len(options))
            parts = list(self._parts(score, tokens, options, echo))
            score.missing = len(parts)
            if parts:
                yield from parts
            else:
                done.append(score.record())

    def _parts(
        self, score: Gathered, tokens: list[int], options: list[list[int]], echo: bool
    ) -> Iterator[ScoreJob]:
        """One pass for the prompt and all options of one token, and one per longer option."""
        room = self.context - len(tokens)
        if room < 0:
            return
        single = {i: option[0] for i, option in enumerate(options) if len(option) == 1 <= room}
        if single or echo:
            wanted = sorted(set(single.values()))
            sampling = params(prompt_logprobs=0 if echo else None, logprob_token_ids=wanted or None)
            yield ScoreJob(score, tokens, sampling, single)
        for i, option in enumerate(options):
            if not option:
                score.options[i] = 0.0
            elif 1 < len(option) <= room:
                yield ScoreJob(score, [*tokens, *option], params(prompt_logprobs=0), {}, i)


def _engine(checkpoint: str, spec: dict[str, Any], context: int, device: str, hub: bool) -> Any:
    from vllm import LLM

    at = {"revision": spec["revision"], "tokenizer_revision": spec["revision"]} if hub else {}
    where: dict[str, Any] = {"tensor_parallel_size": spec.get("tensor_parallel", 1)}
    if device == "cpu":
        # Compiling takes longer than it saves here. A prompt processed in chunks resets its random
        # generator, which CPU generators do not support ("CPU Generator does not use offset").
        where |= {
            "enforce_eager": True,
            "kv_cache_memory_bytes": cache_bytes(),
            "enable_chunked_prefill": False,
        }
    else:
        where |= {"gpu_memory_utilization": spec.get("memory_share", 0.9)}
    loaded = LLM(
        model=checkpoint,
        dtype=spec.get("dtype", "float32"),  # by default, float32 weights become bfloat16
        # One more than the context: vLLM needs room for a token, even to score a full prompt.
        max_model_len=context + 1,
        max_logprobs=-1,
        logprobs_mode="raw_logprobs",  # those of the model, before temperature, top-k and top-p
        generation_config="vllm",  # no defaults from the model's own files
        enable_prefix_caching=True,
        seed=0,
        **where,
        **at,
    )
    return loaded.llm_engine


def cache_bytes() -> int:
    """Memory in bytes for keys and values on CPU: VLLM_CPU_KVCACHE_SPACE GiB, by default 1."""
    return int(os.environ.get("VLLM_CPU_KVCACHE_SPACE", "1")) << 30

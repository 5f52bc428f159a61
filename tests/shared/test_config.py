"""Error messages for a wrong config: one line per mistake, with its remedy."""

import copy
import subprocess
import sys

import pytest
import yaml

from workflow_scripts.models import registry
from workflow_scripts.shared import config
from workflow_scripts.shared.fingerprint import ROOT

DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))
REMOVE = object()
HEX = "0123456789abcdef0123456789abcdef01234567"


def changed(path, value):
    """The default config with one key set, added or removed."""
    content = copy.deepcopy(DEFAULT)
    place = content
    *parents, last = path.split("/")
    for parent in parents:
        place = place[parent]
    if value is REMOVE:
        del place[last]
    else:
        place[last] = value
    return content


# A path into config.yaml, the value set there, and the whole error message.
BAD = [
    ("sead", 1, "sead: unknown key; did you mean 'seed'?"),
    ("seed", REMOVE, "seed: missing"),
    ("seed", "one", "seed: found 'one' (text), allowed: a whole number"),
    ("seed", -1, "seed: found -1, allowed: at least 0"),
    ("seed", 1.5, "seed: found 1.5, allowed: a whole number"),
    (
        "seed",
        "1e6",
        "seed: found '1e6' (text), allowed: a whole number; YAML reads 1e6 as text, write 1.0e+6",
    ),
    ("seed", None, "seed: found null, allowed: a whole number"),
    ("models/7", 3, "models.7: found 3, allowed: a mapping, as {key: value}"),
    ("models/mine", {"engine": "vllm"}, "models.mine.source: missing"),
    ("scale", 3, "scale: found 3, allowed: text"),
    ("models", {}, "models: found 0 entries, allowed: at least 1"),
    ("models", [], "models: found [], allowed: a mapping, as {key: value}"),
    (
        "softmax/heads/learning_rate",
        "1e-4",
        "softmax.heads.learning_rate: found '1e-4' (text), allowed: a number; "
        "YAML reads 1e-4 as text, write 1.0e-4",
    ),
    (
        "softmax/heads/learning_rate",
        0,
        "softmax.heads.learning_rate: found 0, allowed: more than 0",
    ),
    (
        "softmax/heads/learningrate",
        1,
        "softmax.heads.learningrate: unknown key; did you mean 'learning_rate'?",
    ),
    (
        "softmax/maps/zebra",
        1,
        "softmax.maps.zebra: unknown key; keys here: sizes, sets, shown",
    ),
    ("softmax/heads/batch", 0, "softmax.heads.batch: found 0, allowed: at least 1"),
    ("softmax/retrieval/steps", REMOVE, "softmax.retrieval.steps: missing"),
    (
        "models/embedded-s/engine",
        "transformer",
        "models.embedded-s.engine: found 'transformer' (text), allowed: transformers, vllm, openai; did you mean 'transformers'?",
    ),
    (
        "models/embedded-s/dtype",
        "fp32",
        "models.embedded-s.dtype: found 'fp32' (text), allowed: float32, bfloat16, float16, float64, auto",
    ),
    ("models/embedded-s/source", REMOVE, "models.embedded-s.source: missing"),
    ("models/embedded-s/steps", REMOVE, "models.embedded-s.steps: missing"),
    ("models/embedded-s/layers", 0, "models.embedded-s.layers: found 0, allowed: at least 1"),
    (
        "models/embedded-s/hidden_size",
        100,
        "models.embedded-s.hidden_size: found 100, allowed: a multiple of 8",
    ),
    (
        "models/embedded-s/layres",
        3,
        "models.embedded-s.layres: unknown key; did you mean 'layers'?",
    ),
    (
        "models/bad name",
        {"source": "./folder"},
        "models: name 'bad name' (text) may hold letters, digits, '.', '_', '-' only",
    ),
    (
        "models/hub",
        {"source": "owner/name"},
        "models.hub.revision: missing; a hub model needs its 40-hex commit to be repeatable, "
        "or `latest`, which `snakemake models_fetch` locks to one",
    ),
    (
        "models/hub",
        {"source": "owner/name", "revision": "main"},
        "models.hub.revision: found 'main' (text), allowed: text that matches "
        "^([0-9a-f]{40}|latest)$",
    ),
    (
        "models/gone",
        {"source": "./no/such/folder"},
        "models.gone.source: no model in folder ./no/such/folder (it has no config.json)",
    ),
    (
        "models/odd",
        {"source": "nonsense"},
        "models.odd.source: found 'nonsense', allowed: train, an existing folder, a GGUF file, or a hub id owner/name",
    ),
    (
        "models/file",
        {"source": "no/such.gguf"},
        "models.file.source: no file no/such.gguf",
    ),
    (
        "models/file",
        {"source": {"package": "made==1.0", "file": "*.gguf", "tokenizer": "no/such"}},
        "models.file.source.tokenizer: no tokenizer in folder no/such (it has no tokenizer.json)",
    ),
    (
        "models/file",
        {"source": {"package": "made", "file": "*.gguf"}},
        "models.file.source.package: found 'made' (text), allowed: text that matches ^[A-Za-z0-9._-]+==[A-Za-z0-9.]+$",
    ),
    (
        "models/file",
        {"source": {"file": "x.gguf"}, "engine": "openai", "server": {"url": "http://h/v1"}},
        "models.file.source: for engine openai, the name that the server uses",
    ),
    (
        "models/hub",
        {"source": "owner/name", "revision": HEX, "paper_model_of": {"softmacks": "Gemma 2 2B"}},
        "models.hub.paper_model_of: no study 'softmacks'; did you mean 'softmax'?",
    ),
    (
        "studies/softmax",
        ["embedded-x"],
        "studies.softmax: no model 'embedded-x' under models; did you mean 'embedded-s'?",
    ),
    ("studies/softmax", [], "studies.softmax: found 0 entries, allowed: at least 1"),
    ("studies/softmax", ["embedded-s", "embedded-s"], "studies.softmax: has an entry twice"),
    (
        "studies/softmax",
        "embedded-s",
        "studies.softmax: found 'embedded-s' (text), allowed: a list, as [embedded-s] or null",
    ),
    ("studies/softmaxx", ["embedded-s"], "studies.softmaxx: unknown key; did you mean 'softmax'?"),
    ("studies/stochasticity", REMOVE, "studies.stochasticity: missing"),
    (
        "parallel_sequential/attempts",
        1,
        "parallel_sequential.attempts: found 1, allowed: at least 2",
    ),
    (
        "parallel_sequential/padding",
        [0],
        "parallel_sequential.padding.0: found 0, allowed: more than 0",
    ),
    (
        "parallel_sequential/embedder",
        {"source": "a/b", "pooling": "first", "max_tokens": 99},
        "parallel_sequential.embedder.pooling: found 'first' (text), allowed: last, mean",
    ),
    (
        "parallel_sequential/weak_reliability",
        0.4,
        "parallel_sequential.weak_reliability: found 0.4, allowed: at least 0.5",
    ),
    (
        "optimizers/optimizers/sgd",
        None,
        "optimizers.optimizers.sgd: found null, allowed: a mapping, as {key: value}",
    ),
    (
        "optimizers/optimizers/soap/settings/beta1",
        2,
        "optimizers.optimizers.soap.settings.beta1: found 2, allowed: less than 1",
    ),
    ("studies/change_of_mind", REMOVE, "studies.change_of_mind: missing"),
    (
        "change_of_mind/accuracies",
        [50, 40, 100],
        "change_of_mind.accuracies.1: found 40, allowed: at least 50",
    ),
    (
        "change_of_mind/foils/offset",
        0.6,
        "change_of_mind.foils.offset: found 0.6, allowed: at most 0.5",
    ),
    (
        "change_of_mind/answerers/biased/shfit",
        1,
        "change_of_mind.answerers.biased.shfit: unknown key; did you mean 'shift'?",
    ),
    (
        "change_of_mind/regressions/chains",
        1,
        "change_of_mind.regressions.chains: found 1, allowed: at least 2",
    ),
    (
        "models/served",
        {"source": "m", "engine": "openai"},
        "models.served.server: missing; a server model needs at least its url",
    ),
    (
        "models/served",
        {"source": "m", "engine": "openai", "server": {}},
        "models.served.server.url: missing",
    ),
    (
        "models/served",
        {"source": "m", "engine": "openai", "server": {"url": "https://user:secret@host/v1"}},
        "models.served.server.url: found 'https://user:secret@host/v1' (text), allowed: text that matches ^https?://[^@?#]+$",
    ),
    (
        "models/served",
        {
            "source": "m",
            "engine": "openai",
            "server": {"url": "http://h/v1", "key_variable": "sk-1"},
        },
        "models.served.server.key_variable: found 'sk-1' (text), allowed: text that matches ^[A-Z_][A-Z0-9_]*$",
    ),
    (
        "models/served",
        {
            "source": "m",
            "engine": "openai",
            "server": {"url": "http://h/v1", "limits": {"cost": 5}},
        },
        "models.served.server.prices: missing; without them limits.cost cannot be enforced",
    ),
    (
        "models/served",
        {"source": "m", "engine": "openai", "server": {"url": "http://h/v1", "concurency": 5}},
        "models.served.server.concurency: unknown key; did you mean 'concurrency'?",
    ),
    (
        "models/served",
        {"source": "m", "engine": "openai", "server": {"url": "http://h/v1"}, "thinking": True},
        "models.served.thinking: only a server of dialect vllm or llamacpp can switch thinking on or off",
    ),
    (
        "models/served",
        {"source": "m", "engine": "openai", "server": {"url": "http://h/v1"}, "dtype": "float32"},
        "models.served.dtype: engine openai does not read this key, only transformers and vllm",
    ),
    (
        "models/embedded-s/server",
        {"url": "http://h/v1"},
        "models.embedded-s.server: engine transformers does not read this key, only openai",
    ),
    (
        "models/embedded-s/tensor_parallel",
        2,
        "models.embedded-s.tensor_parallel: engine transformers does not read this key, only vllm",
    ),
    (
        "models/fast",
        {"source": "owner/name", "engine": "vllm"},
        "models.fast.revision: missing; a hub model needs its 40-hex commit to be repeatable, "
        "or `latest`, which `snakemake models_fetch` locks to one",
    ),
    (
        "models/fast",
        {"source": "owner/name", "revision": HEX, "engine": "vllm", "dtype": "float64"},
        "models.fast.dtype: engine vllm has float32, bfloat16 and float16, found 'float64'",
    ),
    (
        "models/fast",
        {"source": "owner/name", "revision": HEX, "engine": "vllm", "memory_share": 1.5},
        "models.fast.memory_share: found 1.5, allowed: less than 1",
    ),
    (
        "inference/server/limits/cost",
        0,
        "inference.server.limits.cost: found 0, allowed: more than 0",
    ),
    ("inference/server/limits/cost", REMOVE, "inference.server.limits.cost: missing"),
    (
        "inference/server/dialect",
        "vlm",
        "inference.server.dialect: found 'vlm' (text), allowed: openai, plain, vllm, llamacpp; did you mean 'vllm'?",
    ),
    ("studies/perplexity", REMOVE, "studies.perplexity: missing"),
    (
        "perplexity/copying/encodings",
        ["rope", "alibi"],
        "perplexity.copying.encodings.1: found 'alibi' (text), allowed: rope, nope, sinusoidal",
    ),
    ("perplexity/floor", 0, "perplexity.floor: found 0, allowed: more than 0"),
    ("perplexity/parity/longest", 40, "perplexity.parity.longest: found 40, allowed: at most 24"),
    (
        "perplexity/theory/gammas",
        [0.5],
        "perplexity.theory.gammas.0: found 0.5, allowed: less than 0.5",
    ),
    (
        "kinds/chat/perplexity/wordings",
        ["Copy this"],
        "kinds.chat.perplexity.wordings.0: found 'Copy this' (text), allowed: text that matches "
        "[{][}]",
    ),
    ("studies/glasses", REMOVE, "studies.glasses: missing"),
    ("glasses/stack/width", 63, "glasses.stack.width: found 63, allowed: a multiple of 2"),
    ("glasses/tasks/draws", 0, "glasses.tasks.draws: found 0, allowed: at least 1"),
    (
        "glasses/gaps/precisions",
        ["float32", "int2_cache"],
        "glasses.gaps.precisions.1: found 'int2_cache' (text), allowed: float64, float32, bfloat16, "
        "float16, int8_weights, int8_cache, int4_cache; did you mean 'int8_cache'?",
    ),
    (
        "kinds/base/glasses/wording",
        "own",
        "kinds.base.glasses.wording: found 'own' (text), allowed: short, paper",
    ),
    (
        "kinds/reasoning/stochasticity/thought_tokens",
        64,
        "kinds.reasoning.stochasticity.thought_tokens: found 64, allowed: at least 256",
    ),
    (
        "kinds/reasoning/perplexity/thinking",
        True,
        "kinds.reasoning.perplexity.thinking: False was expected",
    ),
    ("kinds/chat/stochasticity/programs", REMOVE, "kinds.chat.stochasticity.programs: missing"),
    (
        "kinds/talkative",
        {},
        "kinds.talkative: unknown key; keys here: embedded, base, chat, reasoning",
    ),
    (
        "models/embedded-s/asked",
        {"glasses": {"wordin": "paper"}},
        "models.embedded-s.asked.glasses.wordin: unknown key; did you mean 'wording'?",
    ),
    (
        "inference/date",
        "today",
        "inference.date: found 'today' (text), allowed: text that matches ^\\d{4}-\\d{2}-\\d{2}$",
    ),
    ("inference/batch_tokens", 1, "inference.batch_tokens: found 1, allowed: at least 64"),
    (
        "cocycles/algebra/order",
        4,
        "cocycles.algebra.order: found 4, allowed: at most 3",
    ),
    (
        "cocycles/schedules/degrees",
        [0.5, 1.5],
        "cocycles.schedules.degrees.1: found 1.5, allowed: at most 1",
    ),
    ("cocycles/messages/graphs", 1, "cocycles.messages.graphs: found 1, allowed: at least 2"),
]


def test_the_dialect_of_all_servers_counts_for_each():
    config_ = copy.deepcopy(DEFAULT)
    served = {"source": "m", "engine": "openai", "server": {"url": "http://h/v1"}, "thinking": True}
    config_["models"]["served"] = served
    config_["inference"]["server"]["dialect"] = "vllm"
    config.check(config_)


def test_the_default_config_is_good():
    config.check(copy.deepcopy(DEFAULT))


@pytest.mark.parametrize(("path", "value", "line"), BAD, ids=[line for *_, line in BAD])
def test_a_bad_config_gets_one_line(path, value, line):
    with pytest.raises(config.ConfigError) as raised:
        config.check(changed(path, value))
    assert str(raised.value).splitlines()[1:] == ["  " + line]


def test_each_missing_key_is_told_once():
    content = changed("models/new", {"source": "train"})
    with pytest.raises(config.ConfigError) as raised:
        config.check(content)
    missing = ["dtype", "engine", "heads", "hidden_size", "layers", "max_context", "steps"]
    lines = [f"  models.new.{key}: missing" for key in missing]
    assert sorted(str(raised.value).splitlines()[1:]) == lines


def test_null_leaves_a_study_out_and_its_settings_unchecked():
    content = changed("stochasticity/discrete/categorical_percent", [[1, 2]])
    with pytest.raises(config.ConfigError, match="which add to 3"):
        config.check(content, config.config_checks())
    content["studies"] |= {"stochasticity": None, "optimizers": None, "softmax": None}
    config.check(content, config.config_checks())
    assert registry.models_of(content, "softmax") == []
    assert "softmax" not in registry.studies_of(content)
    assert registry.left_out(content) == ["softmax", "stochasticity", "optimizers"]


def test_a_run_without_any_study_is_refused():
    content = changed("studies", dict.fromkeys(DEFAULT["studies"]))
    with pytest.raises(config.ConfigError, match="studies: each is null"):
        config.check(content)


def test_every_mistake_is_told_at_once():
    content = changed("seed", -1)
    content["studies"]["softmax"] = []
    with pytest.raises(config.ConfigError) as raised:
        config.check(content)
    assert len(str(raised.value).splitlines()) == 3


def merge(base, changes):
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = value
    return base


def repeated(base, changes, path=""):
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            yield from repeated(base[key], value, f"{path}{key}.")
        elif key in base and base[key] == value:
            yield f"{path}{key}"


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_is_good_and_holds_differences_only(preset):
    changes = yaml.safe_load(preset.read_text())
    config.check(merge(copy.deepcopy(DEFAULT), changes))
    assert list(repeated(DEFAULT, changes)) == []
    assert changes["scale"] == preset.stem


def test_the_examples_of_the_documentation_are_good(tmp_path):
    text = "".join((ROOT / f"docs/{name}.md").read_text() for name in ("add_a_model", "servers"))
    examples = [yaml.safe_load(part.split("```")[0]) for part in text.split("```yaml")[1:]]
    assert len(examples) == 9
    (tmp_path / "config.json").write_text("{}")
    kinds = set()
    for changes in examples:
        for spec in changes["models"].values():
            kinds.add(spec.get("engine", "transformers"))
            if str(spec["source"]).startswith("/data"):
                spec["source"] = str(tmp_path)  # a folder that exists
        config.check(merge(copy.deepcopy(DEFAULT), changes))
    assert kinds == {"transformers", "vllm", "openai"}


def test_snakemake_tells_the_user_before_anything_runs(tmp_path):
    command = [sys.executable, "-m", "snakemake", "-n", "--config", "sead=1"]
    command += ["--snakefile", ROOT / "Snakefile", "--directory", tmp_path]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode
    assert "sead: unknown key; did you mean 'seed'?" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


SERVED = "models: {served: {source: m, engine: openai, server: {url: 'http://127.0.0.1:9/v1'}}}\n"


@pytest.mark.parametrize(
    ("difference", "line"),
    [
        (
            "studies: {softmax: [embedded-s, served]}",
            "studies.softmax: 'served' runs on engine openai; the study reads attention weights and "
            "logits, which only engine transformers shows",
        ),
        (
            "studies: {glasses: [embedded-s, served]}",
            "studies.glasses: 'served' runs on engine openai; the study reads hidden states, which "
            "only engine transformers shows",
        ),
        (
            "studies: {perplexity: [served]}",
            "studies.perplexity: 'served' runs on engine openai; the study reads logits at every "
            "position, which only engine transformers shows",
        ),
    ],
)
def test_the_inside_of_a_served_model_is_refused_before_anything_runs(tmp_path, difference, line):
    (tmp_path / "mine.yaml").write_text(SERVED + difference)
    command = [sys.executable, "-m", "snakemake", "-n", "--configfile", tmp_path / "mine.yaml"]
    command += ["--snakefile", ROOT / "Snakefile", "--directory", tmp_path]
    result = subprocess.run(command, capture_output=True, text=True)
    said = result.stdout + result.stderr
    assert result.returncode
    assert line in " ".join(said.split())
    assert "Traceback" not in said


def test_all_problems_are_shown_at_once():
    """Of the schema, of the config against itself, and of the studies' own checks."""
    content = changed("softmax/heads/batch", 0)
    content["studies"]["softmax"] = ["embedded-x"]
    content["stochasticity"]["discrete"]["categorical_percent"] = [[1, 2]]
    content["glasses"]["zebra"] = 1
    with pytest.raises(config.ConfigError) as error:
        config.check(content, config.config_checks())
    text = str(error.value)
    assert "softmax.heads.batch: found 0" in text
    assert "studies.softmax: no model 'embedded-x'" in text
    assert "stochasticity.discrete.categorical_percent: found [1, 2], which add to 3" in text
    assert "glasses.zebra: unknown key" in text


@pytest.mark.parametrize("study", ["softmax", "change_of_mind", "perplexity", "glasses"])
def test_an_unknown_model_of_a_study_is_one_line(study):
    with pytest.raises(config.ConfigError) as error:
        config.check(changed(f"studies/{study}", ["embedded-x"]), config.config_checks())
    (line,) = str(error.value).splitlines()[1:]
    assert line.startswith(f"  studies.{study}: no model 'embedded-x'")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 3\nstudies: [x\n", "my.yaml, line 3, column 1: not valid YAML"),
        ("seed: 3\n\tscale: x\n", "my.yaml, line 2, column 1: not valid YAML"),
        ("- seed\n", "my.yaml: expected keys with values, found ['seed']"),
        (None, "my.yaml: cannot be read"),
    ],
)
def test_a_file_that_is_no_config_is_named_with_its_line(tmp_path, text, message):
    path = tmp_path / "my.yaml"
    if text is not None:
        path.write_text(text)
    command = [sys.executable, "-m", "workflow_scripts.shared.config", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_chains_times_rounds_are_the_draws():
    with pytest.raises(config.ConfigError) as error:
        config.check(changed("stochasticity/draws", 256), config.config_checks())
    assert str(error.value).splitlines()[1:] == [
        "  stochasticity.sequential: found chains x rounds = 32 x 32 = 1024, allowed: a product of 256, the setting draws"
    ]


def test_a_model_whose_name_is_a_number_is_one_line():
    content = copy.deepcopy(DEFAULT)
    content["models"][7] = content["models"]["embedded-s"]
    with pytest.raises(config.ConfigError) as error:
        config.check(content)
    assert str(error.value).splitlines()[1:] == ["  models: name 7 must be text; put it in quotes"]


STUDIES_OF_MODELS = [study for study, names in DEFAULT["studies"].items() if names]


def test_three_lines_are_a_config_for_every_study_of_models(tmp_path):
    """A model and the studies that it runs on: no other setting names the models it replaces."""
    (tmp_path / "Mine-1B").mkdir()
    (tmp_path / "Mine-1B/config.json").write_text("{}")
    mine = {
        "models": {"mine": {"source": str(tmp_path / "Mine-1B")}},
        "studies": {study: ["mine"] for study in STUDIES_OF_MODELS},
    }
    assert len(STUDIES_OF_MODELS) == 6
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    command = [sys.executable, "-m", "snakemake", "-n", "--configfile", tmp_path / "mine.yaml"]
    command += ["--snakefile", ROOT / "Snakefile", "--directory", tmp_path, "--"]
    done = subprocess.run([*command, *STUDIES_OF_MODELS], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "results/parallel_sequential/copying/mine.parquet" in done.stdout
    assert "embedded-s" not in done.stdout

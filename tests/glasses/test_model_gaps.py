"""Reading a model at two places by hooks, the prompts, and errors before any computation."""

import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from tests.inference import tiny
from tests.inference.test_digits import merging
from workflow_scripts.glasses import model_gaps, model_sensitivity, models, prompts, requests
from workflow_scripts.glasses.changed_attention import Change
from workflow_scripts.inference import engines, forms
from workflow_scripts.inference.engines import EngineError
from workflow_scripts.shared import schemas, tables
from workflow_scripts.shared.fingerprint import ROOT

torch.set_num_threads(1)
SETTINGS = {
    "precisions": ["float32", "bfloat16", "float16", "int8_weights", "int8_cache", "int4_cache"],
    "lengths": [4, 9, 16, 24],
    "draws": 2,
    "cured_in": "bfloat16",
    "window": 4,
}
EMBEDDED = {"kind": "embedded", "thinks": False, "wording": "short", "reply_tokens": 8}
TASKS = {
    "copy_lengths": [4, 20],
    "order_lengths": [4, 20],
    "count_lengths": [4, 12],
    "draws": 2,
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("tiny") / "model", layers=3, spread=0.3)


@pytest.fixture(scope="module")
def engine(checkpoint):
    return engines.load("tiny", tiny.SPEC, str(checkpoint))


def hooks(model):
    return [
        hook
        for module in model.modules()
        for kind in (module._forward_hooks, module._forward_pre_hooks)
        for hook in kind
    ]


def test_hooks_see_what_the_library_returns_and_keep_two_rows(engine):
    ids, places = list(range(10, 22)), (7, 11)
    with torch.inference_mode():
        wanted = engine.model(torch.tensor([ids]), output_hidden_states=True).hidden_states
    before = hooks(engine.model)
    found = model_gaps.Reader(engine.model).read(ids, places)
    assert hooks(engine.model) == before
    assert found.shape == (4, 2, 64)
    # The library gives the states before each layer, and the last ones after the final norm.
    for layer in (1, 2):
        np.testing.assert_allclose(found[layer - 1], wanted[layer][0, places], rtol=1e-5)
    np.testing.assert_allclose(found[3], wanted[3][0, places], rtol=1e-5)
    assert not np.allclose(found[2], found[3], rtol=0.1)


def test_the_vocabulary_is_asked_at_one_place_only(engine):
    sizes = []
    head = engine.model.get_output_embeddings()
    watch = head.register_forward_hook(lambda _m, _i, out: sizes.append(out.shape[1]))
    model_gaps.Reader(engine.model).read(list(range(10, 30)), (3, 19))
    watch.remove()
    assert sizes == [1]


@pytest.mark.parametrize("kind", ["ones", "digits", "separated"])
def test_pairs_differ_by_one_repeated_digit(kind):
    for length in range(2, 14):
        plain, longer = model_gaps.pair(kind, length, np.random.default_rng(length))
        bare, more = plain.replace(",", ""), longer.replace(",", "")
        assert (len(bare), more) == (length, bare + bare[-1])
        assert bare[-1] == "1"
        assert plain.count(",") == ((length - 1) // 3 if kind == "separated" else 0)


def test_prompts_end_where_the_reply_begins_and_know_their_last_digit(engine):
    prompts = model_gaps.Prompts(engine, "short")
    ids, (digit, reply) = prompts.tokens("count", "1011")
    text = engine.tokenizer.decode(ids[: digit + 1])
    assert text.endswith("1011")
    assert reply == len(ids) - 1
    assert engine.tokenizer.decode(ids).startswith("<|user|>Count the ones in 1011?")


def exploding(*_given, **_named):
    raise AssertionError("the model was asked")


def test_a_length_past_the_context_is_refused_before_any_work(engine, monkeypatch):
    monkeypatch.setattr(engine.model, "forward", exploding)
    longer = SETTINGS | {"lengths": [4, 40, 400, 4000]}
    with pytest.raises(EngineError, match=r"glasses\.gaps\.lengths: \d+ digits: \d+ tokens .*tiny"):
        model_gaps.measure(engine, longer, "short", 0)


@pytest.fixture(scope="module")
def frame(engine):
    return pd.DataFrame(model_gaps.measure(engine, SETTINGS, "short", 0))


def test_every_precision_panel_and_cure_is_measured(frame):
    e4 = frame[frame["experiment"] == "E4"]
    for precision in SETTINGS["precisions"]:
        own = e4[(e4["precision"] == precision) & (e4["metric"] == "gap_linf")]
        assert set(own["panel"]) == set(model_gaps.PANELS)
        assert set(own["place"]) == {"digit", "reply"}
        assert (own["value"] > 0).any()
    assert set(frame["cure"].dropna()) == {"window", "sink"}
    assert e4.loc[e4["metric"] == "digits_merged", "value"].tolist() == [0.0]


def test_heads_are_parts_of_the_vector_and_the_greatest_is_the_whole(frame):
    own = frame[(frame["panel"] == "count_ones") & (frame["precision"] == "float32")]
    own = own[(own["place"] == "digit") & (own["experiment"] == "E4")]
    heads = own[own["metric"] == "gap_head"]
    assert heads["head"].nunique() == 4
    whole = own[own["metric"] == "gap_linf"].set_index("length")["value"]
    np.testing.assert_allclose(heads.groupby("length")["value"].max(), whole, rtol=1e-9)
    layers = own[own["metric"] == "gap_layer"]
    assert layers["layer"].nunique() == 4  # three layers and the final norm
    last = layers[layers["layer"] == 4].set_index("length")["value"]
    np.testing.assert_allclose(last, whole, rtol=1e-9)


def test_gaps_are_those_of_two_plain_forward_passes(engine, frame):
    prompts = model_gaps.Prompts(engine, "short")
    finals = []
    for shown in ("1" * 24, "1" * 25):
        ids, (digit, _) = prompts.tokens("count", shown)
        with torch.inference_mode():
            states = engine.model(torch.tensor([ids]), output_hidden_states=True).hidden_states
        finals.append(states[-1][0, digit])
    own = frame[(frame["panel"] == "count_ones") & (frame["precision"] == "float32")]
    own = own[(own["place"] == "digit") & (own["length"] == 24) & (own["metric"] == "gap_l1")]
    wanted = float((finals[0] - finals[1]).abs().sum())
    assert own["value"].item() == pytest.approx(wanted, rel=1e-3)


def test_a_copy_in_another_precision_leaves_the_model_alone(engine):
    before = {name: value.clone() for name, value in engine.model.state_dict().items()}
    for precision in ("float16", "int8_weights"):
        with model_gaps.in_precision(engine.model, precision, Change()) as own:
            model_gaps.Reader(own).read([5, 6, 7], (1, 2))
            assert own.dtype == (torch.float16 if precision == "float16" else torch.float32)
    for name, value in engine.model.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_precision_that_the_model_refuses_is_named_and_left_out(engine, monkeypatch, caplog):
    run = model_gaps.panels

    def fails_in_half(reader, *given):
        if reader.model.dtype == torch.float16:
            raise RuntimeError("\"addmm\" not implemented for 'Half'")
        return run(reader, *given)

    monkeypatch.setattr(model_gaps, "panels", fails_in_half)
    few = SETTINGS | {"precisions": ["float32", "float16"]}
    rows = pd.DataFrame(model_gaps.measure(engine, few, "short", 0))
    assert 'models.tiny does not run in float16 ("addmm" not implemented' in caplog.text
    kept = rows[rows["experiment"] == "E4"]
    assert set(kept.loc[kept["value"].notna(), "precision"].dropna()) == {"float32"}
    (note,) = kept.loc[kept["precision"] == "float16", "note"]
    assert "not implemented for 'Half'" in note


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory: float64 is not supported in this much"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"),
        TypeError("Tiny: expected attention that can be replaced"),
    ],
)
def test_a_lack_of_memory_or_a_fault_ends_the_job(engine, monkeypatch, error):
    def fails(*_):
        raise error

    monkeypatch.setattr(model_gaps, "panels", fails)
    with pytest.raises(type(error)):
        model_gaps.measure(engine, SETTINGS | {"precisions": ["float64"]}, "short", 0)


def test_the_share_of_rounded_weights_is_recorded(engine, frame):
    (row,) = frame[frame["metric"] == "weights_rounded"].to_dict("records")
    assert row["precision"] == "int8_weights"
    sizes = {name: p.numel() for name, p in engine.model.named_parameters()}
    assert row["n"] == sum(sizes.values())
    rounded = sum(size for name, size in sizes.items() if "proj" in name or "lm_head" in name)
    assert row["value"] == pytest.approx(rounded / row["n"])


def test_a_tokenizer_that_merges_digits_is_fed_them_one_by_one(caplog):
    tokenizer = merging()
    tokenizer.chat_template = tiny.TEMPLATE
    engine = SimpleNamespace(name="merger", tokenizer=tokenizer, spec=tiny.SPEC)
    prompts = model_gaps.Prompts(engine, "short")
    assert "models.merger: its tokenizer merges digits" in caplog.text
    for length in (5, 6):
        ids, (digit, _) = prompts.tokens("count", "1" * length)
        ones = [token == prompts.digits.alone["1"] for token in ids]
        assert sum(ones) == length
        assert all(ones[digit - length + 1 : digit + 1])


def test_requests_hold_every_experiment_and_the_right_answers(checkpoint, tmp_path):
    path = str(tmp_path / "requests.parquet")
    spec = tiny.SPEC | {"max_context": 512}
    requests.main(path, "tiny", TASKS, spec, str(checkpoint), EMBEDDED, 1, {})
    table = tables.read(path, schemas.REQUESTS)
    assert set(table["experiment"]) == {"E1a", "E1b", "E1c", "E5", "E2"}
    counted = table[table["experiment"] == "E2"]
    assert set(counted["task"]) == {"sum", "ones", "bits", "word"}
    assert set(counted["prompting"]) == set(prompts.PROMPTINGS)
    assert (table.loc[table["experiment"] != "E2", "truth"] == 0).all()
    assert (table["temperature"] == 0).all()
    for row in counted[counted["prompting"] == "plain"].itertuples():
        signs = {"sum": "1", "ones": "1", "bits": "1", "word": prompts.COUNTED_WORD}[row.task]
        shown = row.messages.split(":")[-1] if row.task != "word" else row.messages
        found = shown.count(signs)
        # The wording of the word task names the word itself once.
        assert found - (row.task == "word") == row.truth, row.messages


def digest(rows):
    """One hash of the ids of all requests."""
    return hashlib.sha256("\n".join(row["request_id"] for row in rows).encode()).hexdigest()


def test_requests_to_embedded_models_keep_their_ids():
    """Replies that were generated before the kinds of models are found again."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    asked = config["kinds"]["embedded"]["glasses"] | {"kind": "embedded", "thinks": False}
    rows = requests.rows(config["glasses"]["tasks"], asked, 1)
    assert len(rows) == 594
    assert digest(rows) == "31b4d59c0a945f1b44cfad21d70d19b5e6778bab82092000b22b1878d514c628"


@pytest.mark.parametrize("kind", ["embedded", "base", "chat", "reasoning"])
def test_requests_follow_the_kind_of_the_model(kind):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    asked = config["kinds"][kind]["glasses"] | {"kind": kind, "thinks": kind == "reasoning"}
    rows = requests.rows(TASKS, asked, 1)
    most = {"embedded": 12, "reasoning": 256 + 4096}.get(kind, 256)
    assert {row["max_tokens"] for row in rows} == {most}
    turns = [json.loads(row["messages"]) for row in rows]
    examples = forms.opening("base", "counted") if kind == "base" else []
    assert all(each[:-1] == examples for each in turns)
    assert {row["stop"] for row in rows} == {json.dumps(["\nUser:"] if kind == "base" else [])}
    marked = [prompts.MARKER in each[-1]["content"] for each in turns]
    assert any(marked) == (kind != "embedded")  # the marker is part of the wording `paper`


@pytest.mark.parametrize(
    ("asked", "pattern"),
    [
        (
            {},
            r"glasses\.tasks: E2/\w+/few_shot.* reply of 8 exceed the context of models\.tiny, 40"
            r" .*or lower reply_tokens under models\.tiny\.asked\.glasses",
        ),
        (
            {"thinks": True, "thought_tokens": 300},
            r" reply of 308 .*or lower thought_tokens or reply_tokens under",
        ),
    ],
)
def test_an_overlong_request_is_refused_without_the_models_weights(
    checkpoint, tmp_path, asked, pattern
):
    import shutil

    folder = tmp_path / "weightless"
    shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    spec = tiny.SPEC | {"max_context": 40}
    path = tmp_path / "requests.parquet"
    with pytest.raises(EngineError, match=pattern):
        requests.main(str(path), "tiny", TASKS, spec, str(folder), EMBEDDED | asked, 1, {})
    assert not path.exists()


def test_sensitivity_is_measured_or_left_out_with_its_reason(engine, caplog):
    settings = {"widest": 1024, "digits": 4, "prompts": 2}
    rows = pd.DataFrame(models.sensitivity(engine, settings, "short", 0))
    broken = rows[rows["metric"] == "bound_violations_fixed"]
    assert broken["value"].item() == 0
    assert (broken["n"].item(), broken["units"].item()) == (2 * rows["position"].max(), "tokens")
    assert not rows["metric"].str.startswith("interval_factor").any()
    assert models.sensitivity(engine, settings | {"widest": 8}, "short", 0) == []
    assert "models.tiny: no sensitivity, its width is 64" in caplog.text


def test_counts_of_violations_have_an_interval_only_where_estimated_norms_leave_them_open(
    engine, monkeypatch
):
    monkeypatch.setattr(model_sensitivity, "EXACT_WIDTH", 8)  # the norms are then estimated
    settings = {"widest": 1024, "digits": 4, "prompts": 2}

    def counts():
        rows = pd.DataFrame(models.sensitivity(engine, settings, "short", 0))
        assert rows["metric"].str.startswith("interval_factor").sum() == 2
        return rows[rows["metric"] == "bound_violations_fixed"].iloc[0]

    assert counts()["exact"]
    usual = model_sensitivity.norms

    def on_the_border(own, ids):
        found = usual(own, ids)
        return found._replace(bound=found.fixed)

    monkeypatch.setattr(model_sensitivity, "norms", on_the_border)
    open_count = counts()
    assert not open_count["exact"]
    assert (open_count["ci_low"], open_count["ci_high"]) == (0, open_count["n"])

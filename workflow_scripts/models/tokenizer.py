"""The tokenizer of the embedded models: byte-level BPE, one token per digit, chat template."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_scripts.models import tokenizer_files
from workflow_scripts.models.chat import END, PAD, SPECIAL, TEMPLATE
from workflow_scripts.shared import files, job, tables

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# A digit; a word with the space before it; signs, with the space between them and a digit; space.
PIECES = r"\p{N}| ?\p{L}+|[^\p{L}\p{N}\s]+ (?=\p{N})| ?[^\p{L}\p{N}\s]+|\s+(?!\S)|\s+"


def train(texts: Iterable[str], vocab_size: int) -> "PreTrainedTokenizerFast":
    """Learn merges from `texts`; any text in any language can be encoded without loss.

    Every digit is a token, so that numbers have one spelling and counting digits means counting
    tokens, as in Barbero et al. 2024, section 4. Merges never cross words. Equal texts give equal
    tokenizers.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        padding_side="left",  # batched generation continues on the right
        clean_up_tokenization_spaces=False,
    )
    wrapped.add_special_tokens({"additional_special_tokens": list(SPECIAL[2:])})
    wrapped.chat_template = TEMPLATE
    return wrapped


def load(folder: str | Path) -> "PreTrainedTokenizerFast":
    """The tokenizer that `main` saved."""
    return tokenizer_files.load(folder)


def main(
    corpus: str | Path,
    tokenizer: Sequence[str | Path],
    vocab_size: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Train on every turn of the corpus; `tokenizer` lists the files of the folder to write."""
    messages = tables.read(corpus)["messages"]
    texts = (message["content"] for turns in messages for message in json.loads(turns))
    trained = train(texts, vocab_size)
    with files.atomic_folder(Path(tokenizer[0]).parent) as temporary:
        trained.save_pretrained(temporary)
        files.write_json(temporary / "provenance.json", provenance or {})


if __name__ == "__main__":
    job.run(snakemake, main)

"""Embedded language models: corpus, tokenizer, training, evaluation."""

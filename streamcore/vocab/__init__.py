"""Vocabularies of byte-pair tokenizers: the embedded one, and the files of tiktoken and Hugging Face tokenizers."""

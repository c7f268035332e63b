"""Texts of some few documents, one of them empty."""

TEXTS = ["Hello world", "", "ein Übergang 12345", "x" * 300, "last one"]

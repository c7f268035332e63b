"""Iterators that close what they own, and the operators over them."""

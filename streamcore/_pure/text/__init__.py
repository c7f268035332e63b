"""Engines that make text, and words of it."""

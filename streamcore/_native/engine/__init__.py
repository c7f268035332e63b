"""The life cycle of an engine: fragments in, items out, what is unfinished carried over."""

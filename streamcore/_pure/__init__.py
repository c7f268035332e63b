"""The readable twins of ``_native``: same module paths, same results, same errors; also the source of the types."""

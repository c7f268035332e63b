"""The readable twins of ``_native``: same module names, same results, same errors; also the source of the types."""

"""Columns for Arrow libraries, native; twin: ``_pure.arrow``."""

"""Columns for Arrow libraries: what stands in for the native part."""

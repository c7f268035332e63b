"""Stages: thin Runnables over the engines of the core, one file per family."""

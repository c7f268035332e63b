"""Working with configs: the functions of these names in LangChain, for the keys of ``RunnableConfig``."""

from __future__ import annotations

from .runnables.config import (
    RunnableConfig,
    ensure_config,
    get_config_list,
    merge_configs,
    patch_config,
    run_in_executor,
)

__all__ = [
    "RunnableConfig",
    "ensure_config",
    "get_config_list",
    "merge_configs",
    "patch_config",
    "run_in_executor",
]

"""What a run asks of a pipeline: that it is a Runnable, that it pickles, which vocabulary it has."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

from ..runnables.function import coerce_to_runnable
from ..runnables.sequence import RunnableSequence
from .documents import encoder_of
from .vocabulary import vocabulary_hash


def checked_pipeline(pipeline: Any, dumps: Callable[[Any], bytes] = pickle.dumps) -> Any:
    """The pipeline as a Runnable; TypeError that names the stage that cannot go to a worker."""
    made = coerce_to_runnable(pipeline)
    stages = made.stages if isinstance(made, RunnableSequence) else [made]
    for place, stage in enumerate(stages, 1):
        try:
            dumps(stage)
        except Exception as error:
            where = f"stage {place} of {len(stages)}, " if len(stages) > 1 else ""
            raise TypeError(f"{where}{stage!r} cannot go to a worker: {reason(error)}") from error
    return made


def reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    if "<lambda>" in text or "<locals>" in text:
        text += "; a worker finds a function by its name: write it with def, at the top of a module"
    return text


def vocabulary_of(pipeline: Any) -> str | None:
    """The hash of the vocabulary, if the pipeline ends in an encoder."""
    encoder = encoder_of(pipeline)
    return None if encoder is None else vocabulary_hash(encoder.bpe)

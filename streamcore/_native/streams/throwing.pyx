# cython: language_level=3, freethreading_compatible=True
"""Throwing an exception into what is awaited, as a coroutine does it. The twin awaits, and leaves that to Python."""

from streamcore._shared.async_ends import nothing


cdef object throw_into(awaited, tuple error):
    """What ``awaited`` waits for after ``error`` is thrown into it, as a coroutine would do it."""
    if is_exit(error):
        close = getattr(awaited, "close", None)
        if close is not None:
            close()
        raise_thrown(error, NULL)
    throw = getattr(awaited, "throw", None)
    if throw is None:
        raise_thrown(error, NULL)
    return throw(*error)


cdef bint is_exit(tuple error) except -1:
    if not error:
        return False
    kind = error[0] if isinstance(error[0], type) else type(error[0])
    return issubclass(kind, GeneratorExit)


cdef int raise_thrown(tuple error, bint* thrown) except -1:
    """Raise what the arguments of ``throw()`` say, or what is wrong with them; ``thrown``, unless NULL: the former."""
    nobody = nothing()
    try:
        nobody.throw(*error)
    except BaseException:
        if thrown != NULL:
            thrown[0] = nobody.cr_frame is None
        raise
    finally:
        nobody.close()
    return 0

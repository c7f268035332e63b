"""Between sync and async at a cost per item that disappears: one worker thread and one channel per stream.

``thread_stream``: a sync iterator, run by a ``worker`` thread, for an event loop.
``async_feed``: an async iterable of an event loop, for a sync consumer in such a thread.
``loop_stream``: an async iterable, for a caller without a loop, on a private one.
``threads``: how a thread begins.
``read_ahead``: a thread, or a task, that works ahead of its consumer.

Who may hold whom: the worker knows its channels and the iterator, never the stream that reads from it. So a
stream that is dropped is collected, its finalizer closes the channel, and the worker closes the iterator and
ends.

Nothing is imported here: a chain of sync stages needs no event loop, and ``asyncio`` takes a while.
"""

"""Many inputs at once: in threads or an executor, in tasks of an event loop."""

"""The bounded hand-off between threads, or a thread and an event loop."""

"""Bytes that are held: the ring buffer, and views."""

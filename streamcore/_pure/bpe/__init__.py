"""Byte-pair encoding: text to ids and back, at once and in a stream."""

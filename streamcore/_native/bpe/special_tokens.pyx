# cython: language_level=3, freethreading_compatible=True
"""Special tokens as text.h looks for them in UTF-8; which they are says ``_shared.special_tokens``."""

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree, PyMem_RawMalloc


cdef class SpecialTokens:
    """Special tokens to look for in UTF-8, the longest first."""

    def __cinit__(self, texts, special_tokens):
        cdef size_t i, total = 0
        cdef bytes part
        self.texts = sorted(texts, key=len, reverse=True)
        parts = []
        for text in self.texts:
            parts.append(text.encode("utf-8", "surrogatepass"))
        self.data = b"".join(parts)
        self.starts = <size_t *>PyMem_RawMalloc((len(parts) + 1) * sizeof(size_t))
        self.ids = <uint32_t *>PyMem_RawCalloc(len(parts) + 1, sizeof(uint32_t))
        if self.starts == NULL or self.ids == NULL:
            raise MemoryError
        for i, part in enumerate(parts):
            self.starts[i] = total
            self.ids[i] = special_tokens.get(self.texts[i], 0)
            total += len(part)
        self.starts[len(parts)] = total
        self.names.count = len(parts)
        self.names.bytes = <const uint8_t *>PyBytes_AS_STRING(self.data)
        self.names.starts = self.starts
        self.names.ids = self.ids
        bpe_names_index(&self.names)

    def __dealloc__(self):
        PyMem_RawFree(self.starts)
        PyMem_RawFree(self.ids)

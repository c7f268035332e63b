/* Where the BPE headers get memory: from Python in an extension module, else from malloc, as in tests without Python. */
#ifndef STREAMCORE_BPE_MEMORY_H
#define STREAMCORE_BPE_MEMORY_H

#include <stddef.h>

#ifndef BPE_ALLOC
#if defined(Py_PYTHON_H)
#define BPE_ALLOC(size) PyMem_RawMalloc(size)
#define BPE_ALLOC_ZEROED(count, size) PyMem_RawCalloc(count, size)
#define BPE_REALLOC(pointer, size) PyMem_RawRealloc(pointer, size)
#define BPE_FREE(pointer) PyMem_RawFree(pointer)
#else
#include <stdlib.h>
#define BPE_ALLOC(size) malloc(size)
#define BPE_ALLOC_ZEROED(count, size) calloc(count, size)
#define BPE_REALLOC(pointer, size) realloc(pointer, size)
#define BPE_FREE(pointer) free(pointer)
#endif
#endif

/* Bytes of an array, or as many as no allocator gives: where size_t has 32 bits, half a gigabyte of text may ask for more
 * ids than have a place. */
static inline size_t bpe_array_bytes(size_t count, size_t size) {
    return count > (size_t)-1 / 2 / size ? (size_t)-1 / 2 : count * size;
}

#endif

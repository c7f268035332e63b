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

/* An array, or NULL as without memory where its size has no place: with a size_t of 32 bits, half a gigabyte of text may
 * ask for more ids than that. */
static inline void *bpe_realloc_array(void *array, size_t count, size_t size) {
    return count > (size_t)-1 / 2 / size ? NULL : BPE_REALLOC(array, count * size);
}

static inline void *bpe_alloc_array(size_t count, size_t size) {
    return count > (size_t)-1 / 2 / size ? NULL : BPE_ALLOC(count * size);
}

#endif

/* Circular array of segments: windows of memory, each with a counted reference to what owns the memory.

   What RingBuffer is made of. Nothing here touches the error indicator, and nothing runs other code but Py_DECREF in
   segments_drop, which comes when the array is in order again. */
#ifndef STREAMCORE_SEGMENTS_H
#define STREAMCORE_SEGMENTS_H

#include <Python.h>
#include <string.h>

#define SEGMENTS_FEWEST 16 /* places of a new array; a power of two */
#define SEGMENTS_MANY 1024 /* a longer array is given back when it runs empty */

typedef struct {
    PyObject *owner; /* counted */
    const unsigned char *data;
    Py_ssize_t size; /* bytes, never 0 */
} streamcore_segment;

typedef struct {
    streamcore_segment *array;
    Py_ssize_t slots; /* places in the array, a power of two; 0 before the first reserve */
    Py_ssize_t head;  /* where the first segment is */
    Py_ssize_t count; /* segments in use */
    Py_ssize_t bytes; /* in all of them */
} streamcore_segments;

static inline streamcore_segment *segments_at(const streamcore_segments *self, Py_ssize_t place) {
    return &self->array[(self->head + place) & (self->slots - 1)];
}

/* Moves the segments into an array of `slots` places, which are enough; -1 if there is no memory for it. */
static int segments_move(streamcore_segments *self, Py_ssize_t slots) {
    Py_ssize_t place;
    streamcore_segment *array = (streamcore_segment *)PyMem_RawMalloc((size_t)slots * sizeof(streamcore_segment));
    if (array == NULL) return -1;
    for (place = 0; place < self->count; place++) array[place] = *segments_at(self, place);
    PyMem_RawFree(self->array);
    self->array = array;
    self->slots = slots;
    self->head = 0;
    return 0;
}

/* Makes sure that one more segment can be pushed; -1 if there is no memory for it. */
static inline int segments_reserve(streamcore_segments *self) {
    if (self->count < self->slots) return 0;
    return segments_move(self, self->slots ? 2 * self->slots : SEGMENTS_FEWEST);
}

/* Appends a segment to the place that was reserved. */
static inline void segments_push(
    streamcore_segments *self, PyObject *owner, const unsigned char *data, Py_ssize_t size) {
    streamcore_segment *segment = segments_at(self, self->count);
    Py_INCREF(owner);
    segment->owner = owner;
    segment->data = data;
    segment->size = size;
    self->count++;
    self->bytes += size;
}

/* Appends bytes of `owner` to the last segment if they lie right behind its own; 0 if they do not. */
static inline int segments_extend(
    streamcore_segments *self, PyObject *owner, const unsigned char *data, Py_ssize_t size) {
    streamcore_segment *last = self->count ? segments_at(self, self->count - 1) : NULL;
    if (last == NULL || last->owner != owner || last->data + last->size != data) return 0;
    last->size += size;
    self->bytes += size;
    return 1;
}

/* Removes the first segment; its reference is the caller's. */
static inline PyObject *segments_pop(streamcore_segments *self) {
    PyObject *owner = segments_at(self, 0)->owner;
    self->bytes -= segments_at(self, 0)->size;
    self->head = (self->head + 1) & (self->slots - 1);
    self->count--;
    if (self->count == 0 && self->slots > SEGMENTS_MANY) (void)segments_move(self, SEGMENTS_FEWEST);
    return owner;
}

/* Removes the first `size` bytes, which must be there. */
static void segments_drop(streamcore_segments *self, Py_ssize_t size) {
    while (size > 0 && self->count > 0) {
        streamcore_segment *first = segments_at(self, 0);
        if (first->size > size) {
            first->data += size;
            first->size -= size;
            self->bytes -= size;
            return;
        }
        size -= first->size;
        Py_DECREF(segments_pop(self));
    }
}

/* Copies the first `size` bytes, which must be there. The target may be memory that a segment lends. */
static void segments_copy(const streamcore_segments *self, unsigned char *target, Py_ssize_t size) {
    Py_ssize_t place;
    for (place = 0; size > 0; place++) {
        const streamcore_segment *segment = segments_at(self, place);
        Py_ssize_t part = segment->size < size ? segment->size : size;
        memmove(target, segment->data, (size_t)part);
        target += part;
        size -= part;
    }
}

/* Which segment byte number `byte` is in, and at which byte that begins; sought from the nearer end. */
static Py_ssize_t segments_locate(const streamcore_segments *self, Py_ssize_t byte, Py_ssize_t *begin) {
    Py_ssize_t place;
    if (byte <= self->bytes - byte) {
        *begin = 0;
        for (place = 0; *begin + segments_at(self, place)->size <= byte; place++)
            *begin += segments_at(self, place)->size;
    } else {
        place = self->count - 1;
        *begin = self->bytes - segments_at(self, place)->size;
        while (*begin > byte) *begin -= segments_at(self, --place)->size;
    }
    return place;
}

/* For each prefix of the pattern, the length of its longest border: the failure function of Knuth, Morris, Pratt. */
static void segments_borders(const unsigned char *pattern, Py_ssize_t size, Py_ssize_t *borders) {
    Py_ssize_t i, border = 0;
    borders[0] = 0;
    for (i = 1; i < size; i++) {
        while (border && pattern[i] != pattern[border]) border = borders[border - 1];
        if (pattern[i] == pattern[border]) border++;
        borders[i] = border;
    }
}

/* Where the pattern (not empty) first lies in the bytes from `start` to `stop`, or -1. Their search, with memchr as
   long as nothing matches: linear whatever the pattern, and across segments as if there were none. */
static Py_ssize_t segments_find(
    const streamcore_segments *self, Py_ssize_t start, Py_ssize_t stop, const unsigned char *pattern, Py_ssize_t size,
    const Py_ssize_t *borders) {
    Py_ssize_t begin, matched = 0, place = segments_locate(self, start, &begin);
    for (; begin < stop; begin += segments_at(self, place)->size, place++) {
        const unsigned char *data = segments_at(self, place)->data;
        Py_ssize_t i = start > begin ? start - begin : 0;
        Py_ssize_t end = segments_at(self, place)->size;
        if (end > stop - begin) end = stop - begin;
        while (i < end) {
            if (matched == 0) {
                const void *hit = memchr(data + i, pattern[0], (size_t)(end - i));
                if (hit == NULL) break;
                i = (const unsigned char *)hit - data;
            } else if (data[i] != pattern[matched]) {
                matched = borders[matched - 1];
                continue;
            }
            i++;
            if (++matched == size) return begin + i - size;
        }
    }
    return -1;
}

#endif

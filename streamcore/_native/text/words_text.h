/* Text of any of CPython's three widths: how wide it must be, copying it to another width, and where its UTF-8 lies. */
#ifndef STREAMCORE_WORDS_TEXT_H
#define STREAMCORE_WORDS_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A code point that wants the width that the widest of p[0..n) wants: 0x7F, 0xFF, 0xFFFF or 0x10FFFF. */
static uint32_t words_widest(const void *p, size_t n, int width) {
    uint32_t all = 0;
    size_t i;
    if (width == 1) {
        uint8_t some = 0;
        for (i = 0; i < n; i++) some |= ((const uint8_t *)p)[i];
        all = some;
    } else if (width == 2) {
        uint16_t some = 0;
        for (i = 0; i < n; i++) some |= ((const uint16_t *)p)[i];
        all = some;
    } else
        for (i = 0; i < n; i++) all |= ((const uint32_t *)p)[i];
    return all < 0x80 ? 0x7F : all < 0x100 ? 0xFF : all < 0x10000 ? 0xFFFF : 0x10FFFF;
}

/* By memcpy: in place, the same bytes are read as one type and written as another. */
#define WORDS_COPY(TO, FROM)                                                                                          \
    for (i = n; i-- > 0;) {                                                                                           \
        FROM unit;                                                                                                    \
        memcpy(&unit, (const uint8_t *)from + i * sizeof unit, sizeof unit);                                          \
        ((TO *)to)[i] = (TO)unit;                                                                                     \
    }                                                                                                                 \
    return

/* Copies units to another width; from the last to the first, so that they may be widened in place. */
static void words_copy(void *to, int to_width, const void *from, int from_width, size_t n) {
    size_t i;
    if (to_width == from_width) {
        if (n && to != from) memcpy(to, from, n * (size_t)to_width);
        return;
    }
    switch (to_width * 8 + from_width) {
    case 8 + 2: WORDS_COPY(uint8_t, uint16_t);
    case 8 + 4: WORDS_COPY(uint8_t, uint32_t);
    case 16 + 1: WORDS_COPY(uint16_t, uint8_t);
    case 16 + 4: WORDS_COPY(uint16_t, uint32_t);
    case 32 + 1: WORDS_COPY(uint32_t, uint8_t);
    default: WORDS_COPY(uint32_t, uint16_t);
    }
}

static inline int words_utf8_length(uint32_t c) { return 1 + (c > 0x7F) + (c > 0x7FF) + (c > 0xFFFF); }

#define WORDS_PLACES(UNIT)                                                                                            \
    for (i = head; i < count; i++) {                                                                                  \
        const UNIT *q = (const UNIT *)p;                                                                              \
        ptrdiff_t stop;                                                                                               \
        if (starts) {                                                                                                 \
            for (; at < starts[i]; at++) place += words_utf8_length(q[at]);                                           \
            starts[i] = place;                                                                                        \
        }                                                                                                             \
        stop = at + (ptrdiff_t)(ends[i] - done);                                                                      \
        done = ends[i];                                                                                               \
        size -= place;                                                                                                \
        for (; at < stop; at++) place += words_utf8_length(q[at]);                                                    \
        size += place;                                                                                                \
        ends[i] = size;                                                                                               \
    }                                                                                                                 \
    return

/* Turns spans [head, count) of units of p into spans of its UTF-8 from unit `first` on. ends[i] - ends[i - 1] is a size
 * and starts[i] (if there are starts) a place; ends of the spans before `head` are in bytes already. */
static void words_utf8_places(const void *p, int width, ptrdiff_t first, int64_t *starts, int64_t *ends, ptrdiff_t head,
                              ptrdiff_t count) {
    ptrdiff_t i, at = first;
    int64_t size = head ? ends[head - 1] : 0, done = size, place = 0;
    if (width == 1) { WORDS_PLACES(uint8_t); }
    if (width == 2) { WORDS_PLACES(uint16_t); }
    WORDS_PLACES(uint32_t);
}

#endif

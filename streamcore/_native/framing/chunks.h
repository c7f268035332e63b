/* Where chunks end: FastCDC's gear hash, two bytes a step, and the searches of Rapid Asymmetric Maximum. */
#ifndef STREAMCORE_FRAMING_CHUNKS_H
#define STREAMCORE_FRAMING_CHUNKS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    uint64_t gear[256];
    uint64_t shifted[256]; /* the same, one bit to the left */
} sc_gear;

/* Hash p[0:n], n even, until the hash has no bit of `mask`; returns the byte whose hash that was, n if none. The chain
 * from one pair to the next is a shift and an addition; the hash in the middle of a pair is beside it.
 */
static inline size_t sc_gear_scan(const sc_gear *t, const uint8_t *p, size_t n, uint64_t mask, uint64_t *state) {
    const uint64_t wide = mask << 1;
    uint64_t hash = *state;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const uint64_t a = t->shifted[p[i]], b = a + t->gear[p[i + 1]];
        const uint64_t c = t->shifted[p[i + 2]], d = c + t->gear[p[i + 3]];
        const uint64_t first = (hash << 2) + a, second = (hash << 2) + b;
        const uint64_t third = (second << 2) + c;
        hash = (second << 2) + d;
        if (!(first & wide)) return i;
        if (!(second & mask)) return i + 1;
        if (!(third & wide)) return i + 2;
        if (!(hash & mask)) return i + 3;
    }
    for (; i + 2 <= n; i += 2) {
        const uint64_t first = (hash << 2) + t->shifted[p[i]];
        hash = first + t->gear[p[i + 1]];
        if (!(first & wide)) return i;
        if (!(hash & mask)) return i + 1;
    }
    *state = hash;
    return n;
}

/* One byte more, for the odd one at the end of a span. */
static inline int sc_gear_byte(const sc_gear *t, uint8_t byte, uint64_t mask, uint64_t *state) {
    *state = (*state << 1) + t->gear[byte];
    return !(*state & mask);
}

/* The greatest of p[0:n] and `most`; compilers make vectors of it. */
static inline uint8_t sc_greatest(const uint8_t *p, size_t n, uint8_t most) {
    size_t i;
    for (i = 0; i < n; i++) most = p[i] > most ? p[i] : most;
    return most;
}

/* The first of p[0:n] that is at least `least`, n if none. */
static inline size_t sc_at_least(const uint8_t *p, size_t n, uint8_t least) {
    size_t i = 0, j;
    for (; i + 64 <= n; i += 64) {
        uint8_t any = 0;
        for (j = 0; j < 64; j++) any |= (uint8_t)(p[i + j] >= least);
        if (any) break;
    }
    for (; i < n; i++)
        if (p[i] >= least) return i;
    return n;
}

#endif

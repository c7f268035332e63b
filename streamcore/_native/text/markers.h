/* Where in a stream does the first of some markers stand? The automaton of Aho and Corasick (CACM 18, 1975), entered
 * where a first unit is found.
 *
 * A node is a beginning of a marker; its string is the longest beginning that what was read ends with. So what has to
 * be held back at the end of a fragment is the string of the node, and the node says all. The first marker is the one
 * that begins first, and of several that begin at one place the longest or the shortest.
 *
 * Positions are relative to the fragment; a negative one lies in the string of the node that the fragment began in.
 */
#ifndef STREAMCORE_MARKERS_H
#define STREAMCORE_MARKERS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/scan.h"

#define MARKERS_FIRSTS 4 /* more first units than this are looked up in a table, one unit at a time */

typedef struct {
    const uint32_t *size;       /* of each node's string */
    const uint32_t *shorter;    /* the node of the longest other beginning that it ends with */
    const uint32_t *whole;      /* number, from 1, of the longest marker that it ends with, 0: none */
    const uint32_t *first_edge; /* count + 1 places in the edges: those of one node in the order of units */
    const uint32_t *edge_units;
    const uint32_t *longer;     /* the node at the end of an edge */
    const uint32_t *units;      /* of all markers, one after another */
    const uint32_t *string;     /* of each node: where in `units` its string begins */
    const uint32_t *marker_size; /* of each marker, by its number */
    const uint32_t *match;      /* number of the first marker in each node's string, 0: none */
    const uint32_t *match_start; /* and where in the string it begins */
    uint32_t firsts[MARKERS_FIRSTS];
    int first_count;            /* more than MARKERS_FIRSTS: see `low` */
    sc_set set;                 /* first units below 256 */
    uint8_t low[256];           /* whether the lowest byte of a first unit is this one */
    uint8_t only[2];            /* first and last unit of the marker, where there is one, of units below 256 */
    size_t only_size;           /* else 0 */
    int longest;
} markers;

typedef struct {
    ptrdiff_t position; /* of the next unit to be read */
    ptrdiff_t start;    /* of the match */
    uint32_t at;        /* node */
    uint32_t match;     /* number of the first marker so far, 0: none */
    const uint32_t *held;
    ptrdiff_t held_size;
} markers_run;

static inline uint32_t markers_unit(const void *p, int width, ptrdiff_t i)
{
    return width == 1 ? ((const uint8_t *)p)[i] : width == 2 ? ((const uint16_t *)p)[i] : ((const uint32_t *)p)[i];
}

/* The node after a unit. */
static inline uint32_t markers_step(const markers *m, uint32_t at, uint32_t unit)
{
    for (;;) {
        uint32_t low = m->first_edge[at], high = m->first_edge[at + 1];
        while (low < high) {
            const uint32_t middle = (low + high) >> 1;
            if (m->edge_units[middle] == unit)
                return m->longer[middle];
            if (m->edge_units[middle] < unit)
                low = middle + 1;
            else
                high = middle;
        }
        if (!at)
            return 0;
        at = m->shorter[at];
    }
}

/* Whether a block of 32 units has one of the first ones: no early exit, so that compilers make vectors of it. */
#define MARKERS_SKIP(NAME, UNIT)                                                                     \
    static ptrdiff_t NAME(const markers *m, const UNIT *p, ptrdiff_t i, ptrdiff_t n)                 \
    {                                                                                                \
        const int count = m->first_count;                                                            \
        if (count <= MARKERS_FIRSTS) {                                                               \
            const UNIT a = (UNIT)m->firsts[0], b = (UNIT)m->firsts[1];                               \
            const UNIT c = (UNIT)m->firsts[2], d = (UNIT)m->firsts[3];                               \
            for (; i + 32 <= n; i += 32) {                                                           \
                UNIT any = 0;                                                                        \
                int k;                                                                               \
                if (count == 1)                                                                      \
                    for (k = 0; k < 32; k++)                                                         \
                        any |= (UNIT)(p[i + k] == a);                                                \
                else                                                                                 \
                    for (k = 0; k < 32; k++)                                                         \
                        any |= (UNIT)((p[i + k] == a) | (p[i + k] == b) | (p[i + k] == c) | (p[i + k] == d)); \
                if (any)                                                                             \
                    break;                                                                           \
            }                                                                                        \
            for (; i < n; i++)                                                                       \
                if (p[i] == a || p[i] == b || p[i] == c || p[i] == d)                                \
                    return i;                                                                        \
            return n;                                                                                \
        }                                                                                            \
        while (i < n && !m->low[p[i] & 0xFF])                                                  \
            i++;                                                                                     \
        return i;                                                                                    \
    }

MARKERS_SKIP(markers_skip_2, uint16_t)
MARKERS_SKIP(markers_skip_4, uint32_t)

/* The next place at or behind `i` where a marker may begin; `n`: none. */
static inline ptrdiff_t markers_skip(const markers *m, const sc_kernels *k, const void *p, int width, ptrdiff_t i,
                                     ptrdiff_t n)
{
    if (width == 1) {
        const uint8_t *bytes = (const uint8_t *)p;
        const ptrdiff_t near = n - i < 16 ? n : i + 16; /* a call costs more than the few units of a short fragment */
        for (; i < near; i++)
            if (m->set.table[bytes[i]])
                return i;
        return i < n && m->set.count ? i + (ptrdiff_t)k->find_set(bytes + i, (size_t)(n - i), &m->set) : n;
    }
    return width == 2 ? markers_skip_2(m, (const uint16_t *)p, i, n) : markers_skip_4(m, (const uint32_t *)p, i, n);
}

/* Read on until a marker is certain: 1, it is `match`, from `start` on; or until the fragment ends: 0. */
static int markers_find(const markers *m, const sc_kernels *k, markers_run *run, const void *p, int width, ptrdiff_t n)
{
    ptrdiff_t i = run->position, start = run->start;
    uint32_t at = run->at, match = run->match;
    int found = 0;
    while (i < n) {
        uint32_t unit, whole;
        if (!at && i >= 0) {
            const size_t size = m->only_size;
            if (size > 1 && width == 1 && n - i >= (ptrdiff_t)size) {
                /* 4 KiB with a `<` in each 37 bytes: 0.2 us, where a step for each of them takes 1.1 us (Zen 4). */
                const size_t left = (size_t)(n - i);
                const size_t hit = k->pair((const uint8_t *)p + i, left, m->only[0], m->only[1], size - 1);
                i = hit < left ? i + (ptrdiff_t)hit : n - (ptrdiff_t)(size - 1);
            }
            i = markers_skip(m, k, p, width, i, n);
            if (i == n)
                break;
        }
        unit = i < 0 ? run->held[run->held_size + i] : markers_unit(p, width, i);
        i++;
        at = markers_step(m, at, unit);
        whole = m->whole[at];
        if (whole) {
            const ptrdiff_t begins = i - (ptrdiff_t)m->marker_size[whole];
            if (!match || begins < start || (m->longest && begins == start)) {
                match = whole;
                start = begins;
            }
        }
        if (match) {
            const ptrdiff_t begins = i - (ptrdiff_t)m->size[at]; /* of what may still become a marker */
            if (begins > start || (begins == start && (!m->longest || m->first_edge[at] == m->first_edge[at + 1]))) {
                found = 1;
                break;
            }
        }
    }
    run->position = i;
    run->start = start;
    run->at = at;
    run->match = match;
    return found;
}

/* Begin a fragment in the state that the one before it ended in. */
static void markers_begin(const markers *m, markers_run *run, uint32_t at)
{
    const ptrdiff_t size = m->size[at];
    run->position = 0;
    run->at = at;
    run->match = m->match[at];
    run->start = run->match ? (ptrdiff_t)m->match_start[at] - size : 0;
    run->held = m->units + m->string[at];
    run->held_size = size;
}

/* Read on from `position`, from where on nothing was read yet. */
static void markers_restart(markers_run *run, ptrdiff_t position)
{
    run->position = position;
    run->at = 0;
    run->match = 0;
    run->start = 0;
}

/* The first marker of a node's string, whose shorter beginnings have theirs; `m`'s arrays are being filled. */
static void markers_first(const markers *m, uint32_t *match, uint32_t *match_start, uint32_t at, uint32_t parent)
{
    const uint32_t whole = m->whole[at];
    match[at] = match[parent];
    match_start[at] = match_start[parent];
    if (whole) {
        const uint32_t begins = m->size[at] - m->marker_size[whole];
        if (!match[at] || begins < match_start[at] || (m->longest && begins == match_start[at])) {
            match[at] = whole;
            match_start[at] = begins;
        }
    }
}

#endif

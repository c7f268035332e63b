/* Ids of a vocabulary of characters from those of the one of bytes that merges as it does (_shared/symbols.py). */
#ifndef STREAMCORE_BPE_SYMBOLS_H
#define STREAMCORE_BPE_SYMBOLS_H

#include "bpe/text.h"

typedef struct {
    uint32_t base;          /* ids from here on are stand-ins */
    uint32_t count;         /* of these */
    const uint32_t *starts; /* count + 1 offsets into ids: what each becomes */
    const uint32_t *ids;
    int fuse;               /* of several that are unknown in a row, the first counts */
} bpe_expander;

/* Puts what they become in the place of the stand-ins from ids[from] on; *unknown: whether what is before them is unknown. */
static int bpe_expand(const bpe_expander *e, bpe_output *o, size_t from, int *unknown) {
    size_t i = from, more = 0, kept, at;
    uint32_t *ids = o->ids;
    while (i < o->count && ids[i] < e->base) i++;
    if (i == o->count) {
        if (i > from) *unknown = 0;
        return BPE_OK;
    }
    from = i > from ? (*unknown = 0, i) : from;
    for (; i < o->count; i++)
        if (ids[i] >= e->base) more += e->starts[ids[i] - e->base + 1] - e->starts[ids[i] - e->base];
    if (bpe_output_reserve(o, more)) return BPE_NO_MEMORY;
    ids = o->ids;
    kept = o->count - from;
    memmove(ids + from + more, ids + from, kept * sizeof *ids);
    for (i = from + more, at = from; i < from + more + kept; i++) {
        uint32_t id = ids[i], k;
        if (id < e->base) {
            ids[at++] = id;
            *unknown = 0;
            continue;
        }
        if (!(e->fuse && *unknown))
            for (k = e->starts[id - e->base]; k < e->starts[id - e->base + 1]; k++) ids[at++] = e->ids[k];
        *unknown = 1;
    }
    o->count = at;
    return BPE_OK;
}

#endif

/* What encoding remembers: a context, which one thread uses at a time, and its cache of fixed size.
 *
 * Pieces of up to 15 bytes stand in lines of 64 bytes, two to a line, seeded with the vocabulary, and with them their
 * ids if there are at most 4. Longer pieces (up to BPE_LONG_MAX bytes), and the ids that have no room in a line, are
 * records in a ring of bytes that overwrites its oldest. Longer pieces are found through sets of four slots, the others
 * through their line.
 */
#ifndef STREAMCORE_BPE_CACHE_H
#define STREAMCORE_BPE_CACHE_H

#include "bpe/merge.h"
#include "bpe/vocab.h"

#if defined(__linux__)
#include <sys/mman.h> /* madvise */
#endif

#define BPE_BATCH 256
#define BPE_SHORT 15
#define BPE_LONG_MAX 255

/* Two cached pieces: bytes 0..14 of a key are the piece padded with zeros, the low half of byte 15 its length, and then
 * follows, in 3 bits, the number of ids. With the top bit set the ids are in the ring: ids[0] and ids[1] are where, ids[2]
 * is how many. */
typedef struct {
    uint64_t key[2][2];
    uint32_t ids[2][4];
} bpe_line;

typedef struct {
    uint64_t at; /* position in the endless stream of records, of which the ring holds the end */
    uint32_t tag;
    uint16_t len, count;
} bpe_slot;

typedef struct {
    uint64_t low, high; /* key; of a piece that is longer than a key: its hash by bytes, and what is in no line */
    bpe_line *line;
} bpe_piece;

/* A piece that is put off: its ids belong before out[place]. */
typedef struct {
    const bpe_piece *piece;
    const uint8_t *p;
    size_t len, place, count;
} bpe_late;

typedef struct bpe_context {
    struct bpe_context *next; /* in the list of those that are not in use */
    bpe_line *lines;
    bpe_slot *slots;  /* sets of 4 */
    uint8_t *ring;
    uint64_t *compat; /* pairs of tokens looked at lately: left, right and the answer in 43 bits, all ones for empty */
    uint32_t *parts;  /* 4 * max_len entries for a vocabulary that is not monotone */
    uint64_t *dead;   /* dead ends of a long piece */
    size_t dead_words;
    uint64_t line_mask, slot_mask, ring_size, head;
    void *line_block;
    int compat_shift;
    size_t bytes; /* of the tables above */
    size_t ends[BPE_BATCH]; /* of the pieces */
    bpe_piece pieces[BPE_BATCH];
    bpe_slot *longs[BPE_BATCH]; /* sets of the long ones among them */
    uint32_t tags[BPE_BATCH];
    unsigned waiting; /* pieces that are put off */
    uint32_t merge_used;
    bpe_late late[BPE_PENDING];
    bpe_merging merging[BPE_PENDING];
    uint32_t merge_parts[BPE_MERGE_ROOM];
    int32_t merge_ranks[BPE_MERGE_ROOM];
} bpe_context;

#define BPE_LENGTH(k) ((uint64_t)(k) << 56)
#define BPE_KEY_MASK (~(UINT64_C(7) << 60))
#define BPE_IN_RING (UINT64_C(1) << 63)
#define BPE_COUNT(high) ((size_t)((high) >> 60)) /* of an entry that is not in the ring */
#define BPE_LONG_KEY (UINT64_C(1) << 60) /* the high half of no entry's key */

static const uint64_t bpe_low_mask[16] = {
    0, 0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFF, 0xFFFFFFFFFFFF, 0xFFFFFFFFFFFFFF, ~UINT64_C(0), ~UINT64_C(0),
    ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0)};
static const uint64_t bpe_high_mask[16] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFF, 0xFFFFFFFFFFFF, 0xFFFFFFFFFFFFFF};

/* Key of a piece of at most 15 bytes; 16 can be read. */
BITS_INLINE void bpe_key(const uint8_t *p, size_t len, uint64_t *low, uint64_t *high) {
    *low = bpe_load64(p) & bpe_low_mask[len];
    *high = (bpe_load64(p + 8) & bpe_high_mask[len]) | BPE_LENGTH(len);
}

BITS_INLINE uint64_t bpe_hash_key(uint64_t low, uint64_t high) {
    return bpe_fold(low ^ UINT64_C(0xA0761D6478BD642F), high ^ UINT64_C(0xE7037ED1A0B428DB));
}

static inline void bpe_insert_short(bpe_line *line, uint64_t low, uint64_t high, const uint32_t *ids, size_t count) {
    line->key[1][0] = line->key[0][0];
    line->key[1][1] = line->key[0][1];
    memcpy(line->ids[1], line->ids[0], sizeof line->ids[0]);
    line->key[0][0] = low;
    line->key[0][1] = high;
    memcpy(line->ids[0], ids, count * sizeof *ids);
}

static inline int bpe_same(const uint8_t *a, const uint8_t *b, size_t len) { /* len >= 8 */
    size_t i;
    for (i = 0; i + 8 < len; i += 8)
        if (bpe_load64(a + i) != bpe_load64(b + i)) return 0;
    return bpe_load64(a + len - 8) == bpe_load64(b + len - 8);
}

/* The slot of a piece in the ring, or NULL. len >= 5. */
static inline bpe_slot *bpe_find_slot(const bpe_context *c, const uint8_t *p, size_t len, uint64_t hash) {
    bpe_slot *set = c->slots + (hash & c->slot_mask) * 4;
    for (int w = 0; w < 4; w++) {
        bpe_slot *slot = set + w;
        const uint8_t *record = c->ring + (slot->at & (c->ring_size - 1));
        if (slot->tag != (uint32_t)(hash >> 32) || slot->len != len || c->head - slot->at > c->ring_size) continue;
        if (len >= 8 ? bpe_same(record, p, len) : memcmp(record, p, len) == 0) return slot;
    }
    return NULL;
}

/* Puts a record into the ring: the bytes of a piece, padded to 4, then its ids. Returns where. */
static uint64_t bpe_record(bpe_context *c, const uint8_t *p, size_t len, const uint32_t *ids, size_t count) {
    size_t body = (len + 3) & ~(size_t)3, need = (body + count * sizeof *ids + 7) & ~(size_t)7;
    uint64_t start = c->head & (c->ring_size - 1), at;
    if (start + need > c->ring_size) {
        c->head += c->ring_size - start;
        start = 0;
    }
    if (len) memcpy(c->ring + start, p, len);
    memcpy(c->ring + start + body, ids, count * sizeof *ids);
    at = c->head;
    c->head += need;
    return at;
}

static inline const uint32_t *bpe_record_ids(const bpe_context *c, uint64_t at, size_t len) {
    return (const uint32_t *)(const void *)(c->ring + (at & (c->ring_size - 1)) + ((len + 3) & ~(size_t)3));
}

static void bpe_insert_slot(bpe_context *c, const uint8_t *p, size_t len, uint64_t hash, const uint32_t *ids, size_t count) {
    bpe_slot *set = c->slots + (hash & c->slot_mask) * 4, *slot = set;
    for (int w = 1; w < 4; w++)
        if (set[w].at < slot->at) slot = set + w;
    slot->at = bpe_record(c, p, len, ids, count);
    slot->tag = (uint32_t)(hash >> 32);
    slot->len = (uint16_t)len;
    slot->count = (uint16_t)count;
}

/* Remembers the ids of a piece of at most BPE_LONG_MAX bytes, if there is room for such. */
static void bpe_insert(bpe_context *c, const uint8_t *p, size_t len, const bpe_piece *piece, const uint32_t *ids, size_t count) {
    if (len > BPE_SHORT) {
        if (c->slots) bpe_insert_slot(c, p, len, piece->low, ids, count);
    } else if (count <= 4) {
        bpe_insert_short(piece->line, piece->low, piece->high | (uint64_t)count << 60, ids, count);
    } else if (c->slots) {
        uint64_t at = bpe_record(c, NULL, 0, ids, count);
        uint32_t where[3] = {(uint32_t)at, (uint32_t)(at >> 32), (uint32_t)count};
        bpe_insert_short(piece->line, piece->low, piece->high | BPE_IN_RING, where, 3);
    }
}

/* Writes the ids of a piece that is remembered elsewhere than in a line; returns their number, 0 if it is not. */
static inline size_t bpe_find_far(const bpe_context *c, const uint8_t *p, size_t len, const bpe_piece *piece, uint32_t *out) {
    uint64_t at = 0;
    size_t count = 0, bytes = 0;
    if (!c->slots) return 0;
    if (len > BPE_SHORT) {
        const bpe_slot *slot = bpe_find_slot(c, p, len, piece->low);
        if (!slot) return 0;
        at = slot->at, count = slot->count, bytes = len;
    } else {
        const bpe_line *line = piece->line;
        for (int way = 0; way < 2 && !count; way++) {
            at = line->ids[way][0] | (uint64_t)line->ids[way][1] << 32;
            if (line->key[way][0] == piece->low && line->key[way][1] == (piece->high | BPE_IN_RING) &&
                c->head - at <= c->ring_size)
                count = line->ids[way][2];
        }
        if (!count) return 0;
    }
    memcpy(out, bpe_record_ids(c, at, bytes), count * sizeof *out);
    return count;
}

static void bpe_context_free(bpe_context *c) {
    if (!c) return;
    BPE_FREE(c->line_block);
    BPE_FREE(c->slots);
    BPE_FREE(c->ring);
    BPE_FREE(c->compat);
    BPE_FREE(c->parts);
    BPE_FREE(c->dead);
    BPE_FREE(c);
}

/* Puts every token of at most 15 bytes that is one piece into the cache, the lowest index last. */
static void bpe_seed(const bpe_vocab *v, bpe_context *c) {
    for (uint32_t t = v->count; t-- > 0;) {
        uint32_t len = bpe_token_len(v, t), id = v->ids[t];
        uint8_t copy[16] = {0};
        uint64_t low, high;
        if (len > BPE_SHORT || (v->token[t].left == BPE_NONE && !v->whole_pieces)) continue;
        memcpy(copy, v->bytes + v->starts[t], len);
        bpe_key(copy, len, &low, &high);
        bpe_insert_short(c->lines + (bpe_hash_key(low, high) & c->line_mask), low, high | UINT64_C(1) << 60, &id, 1);
    }
}

static size_t bpe_power_of_two(size_t most) { /* the largest that is not above most; 1 for 0 */
    size_t size = 1;
    while (size <= most / 2) size *= 2;
    return size;
}

/* A context whose cache takes at most cache_bytes and at least a half of it; NULL without memory. */
static bpe_context *bpe_context_new(const bpe_vocab *v, size_t cache_bytes) {
    bpe_context *c = (bpe_context *)BPE_ALLOC_ZEROED(1, sizeof *c);
    size_t lines = bpe_power_of_two(cache_bytes / 2 / sizeof(bpe_line)), slots = 0, ring = 0, align = 64;
    size_t compat = cache_bytes >= 1 << 20 ? 1 << 15 : 1 << 10;
    if (!c) return NULL;
    if (cache_bytes >= 65536) {
        c->ring_size = ring = bpe_power_of_two(cache_bytes / 4);
        slots = bpe_power_of_two(cache_bytes / 8 / sizeof(bpe_slot));
        c->slot_mask = slots / 4 - 1;
        c->head = c->ring_size + 8; /* so that zeroed slots are out of date */
        c->slots = (bpe_slot *)BPE_ALLOC_ZEROED(slots, sizeof(bpe_slot));
        c->ring = (uint8_t *)BPE_ALLOC(ring);
    }
    if (lines * sizeof(bpe_line) >= 2 << 20) align = 2 << 20;
    c->line_mask = lines - 1;
    c->compat_shift = compat == 1 << 15 ? 64 - 15 : 64 - 10;
    c->line_block = BPE_ALLOC(lines * sizeof(bpe_line) + align);
    c->compat = (uint64_t *)BPE_ALLOC(compat * sizeof(uint64_t));
    if (!v->monotone) c->parts = (uint32_t *)bpe_alloc_array((size_t)v->max_len + 1, 4 * sizeof(uint32_t));
    if (!c->line_block || !c->compat || (slots && (!c->slots || !c->ring)) || (!v->monotone && !c->parts)) {
        bpe_context_free(c);
        return NULL;
    }
    c->lines = (bpe_line *)(((uintptr_t)c->line_block + align - 1) & ~(uintptr_t)(align - 1));
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    /* Random accesses to 8 MB: huge pages save a walk of the page tables at most of them. */
    if (align > 64) (void)madvise(c->lines, lines * sizeof(bpe_line), MADV_HUGEPAGE);

#endif
    memset(c->lines, 0, lines * sizeof(bpe_line));
    memset(c->compat, 0xFF, compat * sizeof(uint64_t));
    c->bytes = lines * sizeof(bpe_line) + slots * sizeof(bpe_slot) + ring + compat * sizeof(uint64_t);
    if (cache_bytes) bpe_seed(v, c);
    return c;
}

#endif

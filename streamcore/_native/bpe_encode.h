/* Text to token ids: pieces in batches, a cache of fixed size, and the encoding of a piece that is in no cache.
 *
 * A context holds everything that encoding writes to; one thread uses it at a time. The cache has two parts. Pieces of
 * up to 15 bytes and 4 ids stand in lines of 64 bytes, two to a line, seeded with the vocabulary. Longer ones (up to
 * BPE_LONG_MAX bytes) are records in a ring of bytes that overwrites its oldest, found through sets of four slots.
 */
#ifndef STREAMCORE_BPE_ENCODE_H
#define STREAMCORE_BPE_ENCODE_H

#include "bpe_scan.h"
#include "bpe_vocab.h"

#if defined(__linux__)
#include <sys/mman.h> /* madvise */
#endif

#define BPE_BATCH 256
#define BPE_SHORT 15
#define BPE_LONG_MAX 255

/* Two cached pieces: bytes 0..14 of a key are the piece padded with zeros, the low half of byte 15 its length, the high
 * half the number of ids. */
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
    uint64_t low, high, line;
    size_t end;
} bpe_piece;

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
    size_t ends[BPE_BATCH];
    bpe_piece pieces[BPE_BATCH];
    uint16_t longs[BPE_BATCH];
} bpe_context;

#define BPE_LENGTH(k) ((uint64_t)(k) << 56)
#define BPE_KEY_MASK (~UINT64_C(0) >> 4)

static const uint64_t bpe_low_mask[17] = {
    0, 0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFF, 0xFFFFFFFFFFFF, 0xFFFFFFFFFFFFFF, ~UINT64_C(0), ~UINT64_C(0),
    ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), 0};
static const uint64_t bpe_high_mask[17] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFF, 0xFFFFFFFFFFFF, 0xFFFFFFFFFFFFFF, 0};

/* Key of a piece of at most 15 bytes, 16 of which can be read; a longer one gets a key that no entry has. */
BPE_INLINE void bpe_key(const uint8_t *p, size_t len, uint64_t *low, uint64_t *high) {
    size_t k = len < 16 ? len : 16;
    *low = bpe_load64(p) & bpe_low_mask[k];
    *high = (bpe_load64(p + 8) & bpe_high_mask[k]) | BPE_LENGTH(k);
}

BPE_INLINE uint64_t bpe_hash_key(uint64_t low, uint64_t high) {
    return bpe_fold(low ^ UINT64_C(0xA0761D6478BD642F), high ^ UINT64_C(0xE7037ED1A0B428DB));
}

BPE_INLINE int bpe_compatible(const bpe_vocab *v, bpe_context *c, uint32_t a, uint32_t b) {
    uint64_t key = (uint64_t)a << BPE_INDEX_BITS | b;
    uint64_t *entry = c->compat + (key * UINT64_C(0x9E3779B97F4A7C15) >> c->compat_shift);
    if (*entry >> 1 != key) {
        int yes = v->monotone ? bpe_compatible_monotone(v, a, b)
                              : bpe_compatible_merging(v, a, b, c->parts, c->parts + 2 * (size_t)v->max_len);
        *entry = key << 1 | (uint64_t)yes;
    }
    return (int)(*entry & 1);
}

/* Whether b can stand after a, or first if that is BPE_NONE. */
BPE_INLINE int bpe_follows(const bpe_vocab *v, bpe_context *c, uint32_t a, uint32_t b) {
    return a == BPE_NONE || bpe_compatible(v, c, a, b);
}

/* Token indices of a piece, or of the rest of a piece whose encoding has the token `before` in front of it (BPE_NONE: none),
 * at most len of them; returns their number, or 0 without memory. Takes the longest token and steps back where it is not
 * compatible with the one before (backtracking with dead ends noted, so each position fails once: linear in len, times
 * the longest token). */
static size_t bpe_encode_after(const bpe_vocab *v, bpe_context *c, uint32_t before, const uint8_t *p, size_t len,
                               uint32_t *out) {
    uint64_t few[8], *dead = few;
    size_t pos = 0, k = 0, words = len / 64 + 1, end;
    const uint8_t *stop = p;
    uint32_t token;
    if (words > 8) {
        if (words > c->dead_words) {
            uint64_t *grown = (uint64_t *)PyMem_RawRealloc(c->dead, words * sizeof *grown);
            if (!grown) return 0;
            c->dead = grown;
            c->dead_words = words;
        }
        dead = c->dead;
    }
    memset(dead, 0, words * sizeof *dead);
    token = bpe_longest(v, p, p + len, &stop);
    end = (size_t)(stop - p);
    for (;;) {
        if (!(dead[end >> 6] >> (end & 63) & 1) && bpe_follows(v, c, k ? out[k - 1] : before, token)) {
            out[k++] = token;
            pos = end;
            if (pos == len) break;
            token = bpe_longest(v, p + pos, p + len, &stop);
            end = (size_t)(stop - p);
            continue;
        }
        if (v->token[token].shorter != BPE_NONE) {
            token = v->token[token].shorter;
        } else { /* nothing fits here: step back over the last token */
            dead[pos >> 6] |= UINT64_C(1) << (pos & 63);
            token = out[--k];
            pos -= bpe_token_len(v, token);
        }
        end = pos + bpe_token_len(v, token);
    }
    if (c->dead_words > 8192) { /* half a million bytes in one piece: do not keep its memory */
        PyMem_RawFree(c->dead);
        c->dead = NULL;
        c->dead_words = 0;
    }
    return k;
}

static size_t bpe_encode_bytes(const bpe_vocab *v, bpe_context *c, const uint8_t *p, size_t len, uint32_t *out) {
    return bpe_encode_after(v, c, BPE_NONE, p, len, out);
}

/* Ids of one piece that no cache holds. */
static size_t bpe_encode_piece(const bpe_vocab *v, bpe_context *c, const uint8_t *p, size_t len, uint32_t *out) {
    size_t k, i;
    if (v->unreachable && v->whole_pieces) {
        uint32_t t = bpe_find_whole(v, p, len);
        if (t != BPE_NONE) {
            out[0] = v->ids[t];
            return 1;
        }
    }
    k = bpe_encode_bytes(v, c, p, len, out);
    if (!v->identity)
        for (i = 0; i < k; i++) out[i] = v->ids[out[i]];
    return k;
}

static inline void bpe_insert_short(bpe_line *line, uint64_t low, uint64_t high, const uint32_t *ids, size_t count) {
    line->key[1][0] = line->key[0][0];
    line->key[1][1] = line->key[0][1];
    memcpy(line->ids[1], line->ids[0], sizeof line->ids[0]);
    line->key[0][0] = low;
    line->key[0][1] = high | (uint64_t)count << 60;
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

static void bpe_insert_slot(bpe_context *c, const uint8_t *p, size_t len, uint64_t hash, const uint32_t *ids, size_t count) {
    bpe_slot *set = c->slots + (hash & c->slot_mask) * 4, *slot = set;
    size_t body = (len + 3) & ~(size_t)3, need = (body + count * sizeof *ids + 7) & ~(size_t)7;
    uint64_t start = c->head & (c->ring_size - 1);
    for (int w = 1; w < 4; w++)
        if (set[w].at < slot->at) slot = set + w;
    if (start + need > c->ring_size) {
        c->head += c->ring_size - start;
        start = 0;
    }
    memcpy(c->ring + start, p, len);
    memcpy(c->ring + start + body, ids, count * sizeof *ids);
    slot->at = c->head;
    slot->tag = (uint32_t)(hash >> 32);
    slot->len = (uint16_t)len;
    slot->count = (uint16_t)count;
    c->head += need;
}

/* Ids of a piece that is in no line, whose hash by bytes is given if len > 15: from the ring, or made, and then put into
 * line if there are few, else into the ring. 0 without memory. */
static size_t bpe_encode_miss(const bpe_vocab *v, bpe_context *c, const uint8_t *p, size_t len, uint64_t hash,
                              bpe_line *line, uint64_t low, uint64_t high, uint32_t *out) {
    size_t count;
    int ring = len > 4 && len <= BPE_LONG_MAX && c->slots; /* up to 4 bytes are up to 4 ids, which fit into a line */
    if (ring) {
        bpe_slot *slot;
        if (len <= BPE_SHORT) hash = bpe_hash_bytes(p, len);
        slot = bpe_find_slot(c, p, len, hash);
        if (slot) {
            const uint8_t *ids = c->ring + (slot->at & (c->ring_size - 1)) + ((len + 3) & ~(size_t)3);
            memcpy(out, ids, slot->count * sizeof *out);
            return slot->count;
        }
    }
    count = bpe_encode_piece(v, c, p, len, out);
    if (count == 0) return 0;
    if (len <= BPE_SHORT && count <= 4)
        bpe_insert_short(line, low, high, out, count);
    else if (ring)
        bpe_insert_slot(c, p, len, hash, out, count);
    return count;
}

/* Ids of one piece, from the cache or made and put into it; out has room for len + 4. 0 without memory. */
static size_t bpe_encode_cached(const bpe_vocab *v, bpe_context *c, const uint8_t *p, size_t len, uint32_t *out) {
    uint8_t copy[16] = {0};
    uint64_t low, high;
    bpe_line *line;
    if (len > BPE_SHORT) {
        uint64_t hash = len <= BPE_LONG_MAX ? bpe_hash_bytes(p, len) : 0;
        return bpe_encode_miss(v, c, p, len, hash, NULL, 0, 0, out);
    }
    memcpy(copy, p, len);
    bpe_key(copy, len, &low, &high);
    line = c->lines + (bpe_hash_key(low, high) & c->line_mask);
    for (int way = 0; way < 2; way++) {
        if (((line->key[way][0] ^ low) | ((line->key[way][1] & BPE_KEY_MASK) ^ high)) != 0) continue;
        memcpy(out, line->ids[way], sizeof line->ids[way]);
        return (size_t)(line->key[way][1] >> 60);
    }
    return bpe_encode_miss(v, c, p, len, 0, line, low, high, out);
}

/* Hashes the long ones among the pieces (into low, which nothing else uses for them) and fetches what they will be looked
 * up in. */
static void bpe_prepare_long(const bpe_context *c, const uint8_t *text, size_t at, bpe_piece *pieces, const uint16_t *longs,
                             int count) {
    int i;
    if (!c->slots) return;
    for (i = 0; i < count; i++) {
        size_t start = longs[i] ? pieces[longs[i] - 1].end : at, len = pieces[longs[i]].end - start;
        uint64_t hash = len <= BPE_LONG_MAX ? bpe_hash_bytes(text + start, len) : 0;
        pieces[longs[i]].low = hash;
        BPE_PREFETCH(c->slots + (hash & c->slot_mask) * 4);
    }
    for (i = 0; i < count; i++) {
        uint64_t hash = pieces[longs[i]].low;
        const bpe_slot *set = c->slots + (hash & c->slot_mask) * 4;
        for (int w = 0; w < 4; w++)
            if (set[w].tag == (uint32_t)(hash >> 32)) BPE_PREFETCH(c->ring + (set[w].at & (c->ring_size - 1)));
    }
}

/* Encodes text[*pos, n) until its end (final == 0: of the pieces that surely end in it) or until out has no room for
 * one more batch; moves *pos and *count. BPE_OK (then
 * *need is 0, or the room that the next batch asks for) or BPE_NO_MEMORY (*pos is at a piece; nothing is lost). */
static int bpe_encode(const bpe_vocab *v, const bpe_spec *spec, bpe_context *c, const uint8_t *text, size_t *pos, size_t n,
                      int final, uint32_t *out, size_t room, size_t *count, size_t *need) {
    size_t at = *pos, k = *count;
    *need = 0;
    while (at < n) {
        size_t next = at, start = at;
        int pieces = bpe_scan_many(spec, text, &next, n, final, c->ends, BPE_BATCH), i, longs = 0;
        if (pieces == 0) break;
        if (room - k < next - at + 4) {
            *need = next - at + 4;
            break;
        }
        for (i = 0; i < pieces; i++) {
            bpe_piece *piece = c->pieces + i;
            size_t end = c->ends[i];
            if (BPE_LIKELY(n - start >= 16)) {
                bpe_key(text + start, end - start, &piece->low, &piece->high);
            } else {
                uint8_t copy[16] = {0};
                memcpy(copy, text + start, n - start);
                bpe_key(copy, end - start, &piece->low, &piece->high);
            }
            piece->line = bpe_hash_key(piece->low, piece->high) & c->line_mask;
            BPE_PREFETCH(c->lines + piece->line);
            piece->end = end;
            c->longs[longs] = (uint16_t)i;
            longs += end - start > BPE_SHORT;
            start = end;
        }
        if (longs) bpe_prepare_long(c, text, at, c->pieces, c->longs, longs);
        for (i = 0; i < pieces; i++) {
            const bpe_piece *piece = c->pieces + i;
            bpe_line *line = c->lines + piece->line;
            uint64_t low = piece->low, high = piece->high;
            int way = ((line->key[0][0] ^ low) | ((line->key[0][1] & BPE_KEY_MASK) ^ high)) != 0;
            uint64_t found = line->key[way][1];
            size_t made;
            if (BPE_LIKELY(((line->key[way][0] ^ low) | ((found & BPE_KEY_MASK) ^ high)) == 0)) {
                memcpy(out + k, line->ids[way], sizeof line->ids[way]);
                k += found >> 60;
                at = piece->end;
                continue;
            }
            made = bpe_encode_miss(v, c, text + at, piece->end - at, low, line, low, high, out + k);
            if (made == 0) {
                *pos = at;
                *count = k;
                return BPE_NO_MEMORY;
            }
            k += made;
            at = piece->end;
        }
    }
    *pos = at;
    *count = k;
    return BPE_OK;
}

static void bpe_context_free(bpe_context *c) {
    if (!c) return;
    PyMem_RawFree(c->line_block);
    PyMem_RawFree(c->slots);
    PyMem_RawFree(c->ring);
    PyMem_RawFree(c->compat);
    PyMem_RawFree(c->parts);
    PyMem_RawFree(c->dead);
    PyMem_RawFree(c);
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
        bpe_insert_short(c->lines + (bpe_hash_key(low, high) & c->line_mask), low, high, &id, 1);
    }
}

static uint64_t bpe_power_of_two(uint64_t most) { /* the largest that is not above most */
    uint64_t size = 1;
    while (size * 2 <= most) size *= 2;
    return size;
}

/* A context whose cache takes at most cache_bytes and at least a half of it; NULL without memory. */
static bpe_context *bpe_context_new(const bpe_vocab *v, size_t cache_bytes) {
    bpe_context *c = (bpe_context *)PyMem_RawCalloc(1, sizeof *c);
    uint64_t lines = bpe_power_of_two(cache_bytes / 2 / sizeof(bpe_line)), slots = 0, align = 64;
    size_t compat = cache_bytes >= 1 << 20 ? 1 << 15 : 1 << 10;
    if (!c) return NULL;
    if (cache_bytes >= 65536) {
        c->ring_size = bpe_power_of_two(cache_bytes / 4);
        slots = bpe_power_of_two(cache_bytes / 8 / sizeof(bpe_slot));
        c->slot_mask = slots / 4 - 1;
        c->head = c->ring_size + 8; /* so that zeroed slots are out of date */
        c->slots = (bpe_slot *)PyMem_RawCalloc(slots, sizeof(bpe_slot));
        c->ring = (uint8_t *)PyMem_RawMalloc(c->ring_size);
    }
    if (lines * sizeof(bpe_line) >= 2 << 20) align = 2 << 20;
    c->line_mask = lines - 1;
    c->compat_shift = compat == 1 << 15 ? 64 - 15 : 64 - 10;
    c->line_block = PyMem_RawMalloc(lines * sizeof(bpe_line) + align);
    c->compat = (uint64_t *)PyMem_RawMalloc(compat * sizeof(uint64_t));
    if (!v->monotone) c->parts = (uint32_t *)PyMem_RawMalloc(4 * ((size_t)v->max_len + 1) * sizeof(uint32_t));
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
    c->bytes = lines * sizeof(bpe_line) + slots * sizeof(bpe_slot) + c->ring_size + compat * sizeof(uint64_t);
    if (cache_bytes) bpe_seed(v, c);
    return c;
}

#endif

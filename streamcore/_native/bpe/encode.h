/* Text to token ids: pieces in batches, which are looked up in the cache (cache.h), and the encoding of those that it
 * does not hold: short ones by merging (merge.h), long ones by their longest tokens.
 */
#ifndef STREAMCORE_BPE_ENCODE_H
#define STREAMCORE_BPE_ENCODE_H

#include "bpe/cache.h"
#include "bpe/merge.h"
#include "bpe/scan.h"
#include "bpe/vocab.h"

BITS_INLINE int bpe_compatible(const bpe_vocab *v, bpe_context *c, uint32_t a, uint32_t b) {
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
BITS_INLINE int bpe_follows(const bpe_vocab *v, bpe_context *c, uint32_t a, uint32_t b) {
    return a == BPE_NONE || bpe_compatible(v, c, a, b);
}

/* How often the token that ends at p, and stands before it twice, follows once more as far as the text shows: what is
 * taken next depends on the token before and on the next max_len bytes, and both are as they were one token ago. *differs is
 * where the text stops to repeat. */
static size_t bpe_repeats(const bpe_vocab *v, const uint8_t *p, const uint8_t *end, size_t len, const uint8_t **differs) {
    const uint8_t *from = p;
    while (end - p >= 8 && bpe_load64(p) == bpe_load64(p - len)) p += 8;
    while (p < end && *p == *(p - len)) p++;
    *differs = p;
    return (size_t)(p - from) < v->max_len ? 0 : ((size_t)(p - from) - v->max_len) / len + 1;
}

/* Token indices of a piece, or of the rest of a piece whose encoding has the token `before` in front of it (BPE_NONE: none),
 * at most len of them; returns their number, or 0 without memory. Takes the longest token and steps back where it is not
 * compatible with the one before (backtracking with dead ends noted, so each position fails once: linear in len, times
 * the longest token). Where the text repeats, so do the tokens: see bpe_repeats(). */
static size_t bpe_encode_after(const bpe_vocab *v, bpe_context *c, uint32_t before, const uint8_t *p, size_t len,
                               uint32_t *out) {
    uint64_t few[8], *dead = few;
    size_t pos = 0, k = 0, words = len / 64 + 1, end, far = 0; /* far: the last dead end */
    const uint8_t *stop = p, *differs = p; /* compared up to there: so that no byte is compared twice */
    uint32_t token;
    if (words > 8) {
        if (words > c->dead_words) {
            uint64_t *grown = (uint64_t *)BPE_REALLOC(c->dead, words * sizeof *grown);
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
            if (k > 1 && out[k - 2] == token && far <= pos && p + end >= differs) {
                size_t n = bpe_repeats(v, p + end, p + len, end - pos, &differs);
                for (end += n * (end - pos); n; n--) out[k++] = token;
            }
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
            if (pos > far) far = pos;
            token = out[--k];
            pos -= bpe_token_len(v, token);
        }
        end = pos + bpe_token_len(v, token);
    }
    if (c->dead_words > 8192) { /* half a million bytes in one piece: do not keep its memory */
        BPE_FREE(c->dead);
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

/* Ids of one piece, from the cache or made and put into it; out has room for len + 4. 0 without memory. */
static size_t bpe_encode_cached(const bpe_vocab *v, bpe_context *c, const uint8_t *p, size_t len, uint32_t *out) {
    uint8_t copy[16] = {0};
    bpe_piece piece = {0, 0, NULL};
    size_t count;
    if (len > BPE_LONG_MAX) return bpe_encode_piece(v, c, p, len, out);
    if (len > BPE_SHORT) {
        piece.low = bpe_hash_bytes(p, len);
    } else {
        const bpe_line *line;
        memcpy(copy, p, len);
        bpe_key(copy, len, &piece.low, &piece.high);
        line = piece.line = c->lines + (bpe_hash_key(piece.low, piece.high) & c->line_mask);
        for (int way = 0; way < 2; way++) {
            if (((line->key[way][0] ^ piece.low) | ((line->key[way][1] & BPE_KEY_MASK) ^ piece.high)) != 0) continue;
            memcpy(out, line->ids[way], sizeof line->ids[way]);
            return BPE_COUNT(line->key[way][1]);
        }
    }
    count = bpe_find_far(c, p, len, &piece, out);
    if (count) return count;
    count = bpe_encode_piece(v, c, p, len, out);
    if (count) bpe_insert(c, p, len, &piece, out, count);
    return count;
}

BITS_INLINE void bpe_prepare_short(const bpe_context *c, const uint8_t *p, size_t len, bpe_piece *piece) {
    bpe_key(p, len, &piece->low, &piece->high);
    piece->line = c->lines + (bpe_hash_key(piece->low, piece->high) & c->line_mask);
    BITS_PREFETCH(piece->line);
}

static void bpe_prepare_long(bpe_context *c, const uint8_t *p, size_t len, bpe_piece *piece, int *longs) {
    piece->low = 0;
    piece->high = BPE_LONG_KEY;
    piece->line = c->lines;
    if (len > BPE_LONG_MAX || !c->slots) return;
    piece->low = bpe_hash_bytes(p, len);
    c->longs[*longs] = c->slots + (piece->low & c->slot_mask) * 4;
    c->tags[*longs] = (uint32_t)(piece->low >> 32);
    BITS_PREFETCH(c->longs[*longs]);
    ++*longs;
}

/* Makes the keys of the pieces of text[at, n) that end at c->ends, and fetches what they will be looked up in. */
static void bpe_prepare(bpe_context *c, const uint8_t *text, size_t at, size_t n, int pieces) {
    int near = pieces, longs = 0, i; /* near: the first of those whose beginning has not 16 bytes after it */
    size_t start = at, base = n > 16 ? n - 16 : 0;
    while (near > 0 && (near > 1 ? c->ends[near - 2] : at) + 16 > n) near--;
    for (i = 0; i < near; i++) {
        size_t end = c->ends[i], len = end - start;
        if (BITS_LIKELY(len <= BPE_SHORT))
            bpe_prepare_short(c, text + start, len, c->pieces + i);
        else
            bpe_prepare_long(c, text + start, len, c->pieces + i, &longs);
        start = end;
    }
    if (near < pieces) {
        uint8_t copy[32] = {0};
        memcpy(copy, text + base, n - base);
        for (; i < pieces; i++) {
            size_t end = c->ends[i], len = end - start;
            if (len <= BPE_SHORT)
                bpe_prepare_short(c, copy + (start - base), len, c->pieces + i);
            else
                bpe_prepare_long(c, text + start, len, c->pieces + i, &longs);
            start = end;
        }
    }
    for (i = 0; i < longs; i++)
        for (int w = 0; w < 4; w++)
            if (c->longs[i][w].tag == c->tags[i]) BITS_PREFETCH(c->ring + (c->longs[i][w].at & (c->ring_size - 1)));
}

/* Puts a piece off, to be merged with others; 0 if there are too many of them by now. */
static int bpe_put_off(const bpe_vocab *v, bpe_context *c, const uint8_t *p, size_t len, const bpe_piece *piece, size_t place) {
    uint32_t room = (uint32_t)(len + 9) & ~7u;
    bpe_merging *m = c->merging + c->waiting;
    bpe_late *late = c->late + c->waiting;
    if (c->waiting == BPE_PENDING) return 0;
    m->parts = c->merge_parts + c->merge_used;
    m->ranks = c->merge_ranks + c->merge_used;
    m->room = room;
    bpe_merge_begin(v, m, p, len);
    late->piece = piece;
    late->p = p;
    late->len = len;
    late->place = place;
    c->merge_used += room;
    c->waiting++;
    return 1;
}

/* Merges the pieces that were put off and brings their ids to where they belong among the k of out; returns the new k. */
static size_t bpe_place_late(const bpe_vocab *v, bpe_context *c, uint32_t *out, size_t k) {
    size_t more = 0, end = k;
    unsigned i;
    bpe_merge_all(v, c->merging, c->waiting);
    for (i = 0; i < c->waiting; i++) {
        c->late[i].count = bpe_merge_count(c->merging + i, c->late[i].len);
        more += c->late[i].count;
    }
    k += more;
    for (i = c->waiting; i-- > 0;) {
        bpe_late *late = c->late + i;
        memmove(out + late->place + more, out + late->place, (end - late->place) * sizeof *out);
        end = late->place;
        more -= late->count;
        bpe_merge_tokens(v, c->merging + i, late->len, out + end + more);
        bpe_insert(c, late->p, late->len, late->piece, out + end + more, late->count);
    }
    c->waiting = 0;
    c->merge_used = 0;
    return k;
}

/* Finds or prepares the ids of the pieces of a batch that begin at text[*at]; moves *at and *count. */
static int bpe_encode_batch(const bpe_vocab *v, bpe_context *c, const uint8_t *text, size_t *from, int pieces, uint32_t *out,
                            size_t *count) {
    size_t k = *count, at;
    int error = BPE_OK, i;
    for (i = 0; i < pieces; i++) {
        const bpe_piece *piece = c->pieces + i;
        const bpe_line *line = piece->line;
        uint64_t low = piece->low, high = piece->high;
        int way = ((line->key[0][0] ^ low) | ((line->key[0][1] & BPE_KEY_MASK) ^ high)) != 0;
        uint64_t found = line->key[way][1];
        size_t len, made;
        if (BITS_LIKELY(((line->key[way][0] ^ low) | ((found & BPE_KEY_MASK) ^ high)) == 0)) {
            memcpy(out + k, line->ids[way], sizeof line->ids[way]);
            k += BPE_COUNT(found);
            continue;
        }
        at = i ? c->ends[i - 1] : *from;
        len = c->ends[i] - at;
        made = len <= BPE_LONG_MAX ? bpe_find_far(c, text + at, len, piece, out + k) : 0;
        if (!made && len <= BPE_MERGED_MAX && !v->unreachable) {
            if (!bpe_put_off(v, c, text + at, len, piece, k)) {
                k = bpe_place_late(v, c, out, k);
                bpe_put_off(v, c, text + at, len, piece, k);
            }
        } else if (!made) {
            k = bpe_place_late(v, c, out, k);
            made = bpe_encode_piece(v, c, text + at, len, out + k);
            if (made == 0) {
                error = BPE_NO_MEMORY;
                break;
            }
            if (len <= BPE_LONG_MAX) bpe_insert(c, text + at, len, piece, out + k, made);
        }
        k += made;
    }
    if (c->waiting) k = bpe_place_late(v, c, out, k);
    if (i) *from = c->ends[i - 1];
    *count = k;
    return error;
}

/* Encodes text[*pos, n) until its end (final == 0: of the pieces that surely end in it) or until out has no room for
 * one more batch; moves *pos and *count. BPE_OK (then *need is 0, or the room that the next batch asks for) or
 * BPE_NO_MEMORY (*pos is at a piece; nothing is lost). */
static int bpe_encode(const bpe_vocab *v, const bpe_spec *spec, bpe_context *c, const uint8_t *text, size_t *pos, size_t n,
                      int final, uint32_t *out, size_t room, size_t *count, size_t *need) {
    size_t at = *pos;
    *need = 0;
    while (at < n) {
        size_t next = at;
        int whole = spec->family == BPE_WHOLE, error;
        int pieces = whole ? bpe_scan_many_scalar(spec, text, &next, n, final, c->ends, 1)
                           : bpe_scan_many(spec, text, &next, n, final, c->ends, BPE_BATCH);
        if (pieces == 0) break;
        if (room - *count < next - at + 4) {
            *need = next - at + 4;
            break;
        }
        bpe_prepare(c, text, at, n, pieces);
        error = bpe_encode_batch(v, c, text, &at, pieces, out, count);
        *pos = at;
        if (error) return error;
    }
    return BPE_OK;
}

#endif

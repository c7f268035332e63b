/* Vocabulary of a byte pair encoding: tokens by index, and what encoding looks up in them.
 *
 * A token's index is its place in the order of ranks, or in the order of the merges that make the tokens. Three facts
 * carry the encoder, for any assignment of ranks (merging always takes the lowest rank, leftmost first):
 * - A token that merging ever makes is the encoding of its own bytes, so its last merge is one fixed pair. Merging by
 *   bytes therefore equals merging by a table of (left, right) -> token, and no bytes are hashed.
 * - A sequence of such tokens is the encoding of its bytes if and only if each two neighbours are the encoding of
 *   theirs (they are compatible): the first merge across a border would also happen between these two alone.
 * - If each token ranks above both its parts (monotone), merges happen in the order of ranks, and compatibility can be
 *   read off the two chains of parts along the border. Otherwise the pair is merged and looked at.
 * Tokens that merging never makes (unreachable) are only found as a whole piece.
 */
#ifndef STREAMCORE_BPE_VOCAB_H
#define STREAMCORE_BPE_VOCAB_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/bits.h"
#include "bpe/memory.h"

#define BPE_NONE ((uint32_t)-1)
#define BPE_INDEX_BITS 21 /* two tokens and their merge fit into 63 bits */
#define BPE_MAX_TOKENS ((1u << BPE_INDEX_BITS) - 1)
#define BPE_MAX_BASE (1u << 22)
#define BPE_NO_MERGE ((int32_t)1 << 30)

enum { BPE_OK = 0, BPE_NO_MEMORY = -1, BPE_TOO_LARGE = -2 };

typedef struct {
    uint32_t left, right; /* parts of the last merge; the token itself for a single byte, BPE_NONE if unreachable */
    uint32_t shorter;     /* longest reachable token that is a proper prefix, else BPE_NONE */
    uint32_t len;         /* bytes */
} bpe_token;

typedef struct {
    uint32_t count, max_len;
    uint32_t *ids;    /* what is given out for each token */
    uint32_t *starts; /* count + 1 offsets into bytes */
    uint8_t *bytes;
    uint32_t byte_token[256];
    bpe_token *token;
    uint64_t *whole;      /* open addressing by bytes: hash << 32 | index + 1, 0 for empty */
    uint64_t *pairs;      /* left, right, token of 21 bits each, all ones for empty; each has one place (pairs.h) */
    uint8_t *seeds;       /* what a pair's place depends on, by a part of its hash */
    int32_t *byte_merges; /* by two bytes: the token that they merge into << 6, or BPE_NO_MERGE */
    uint64_t pair_salt;
    uint32_t whole_mask, pair_mask, seed_mask;
    uint32_t *units;  /* double-array trie of the reachable tokens: label 9 bits, has token 1 bit, base 22 bits */
    uint32_t *tokens; /* token of each unit */
    uint32_t units_size;
    uint32_t *grown, *grown_starts; /* tokens by the left part of their last merge, in the order of their bytes */
    uint32_t unreachable;
    int monotone;
    int identity;     /* ids[i] == i */
    int whole_pieces; /* a piece that is a token is that token, even one that merging never makes */
} bpe_vocab;

/* Low half of a 64 x 64 bit product xored with its high half. */
static inline uint64_t bpe_fold(uint64_t a, uint64_t b) {
#if defined(CPU_MSVC) && defined(_M_X64)
    uint64_t high, low = _umul128(a, b, &high);
    return low ^ high;
#elif defined(CPU_MSVC) && defined(_M_ARM64)
    return a * b ^ __umulh(a, b);
#elif defined(__SIZEOF_INT128__)
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    uint64_t ah = a >> 32, al = (uint32_t)a, bh = b >> 32, bl = (uint32_t)b;
    uint64_t low = al * bl, mid = ah * bl + (low >> 32), mid2 = al * bh + (uint32_t)mid;
    return a * b ^ (ah * bh + (mid >> 32) + (mid2 >> 32));
#endif
}

/* Little-endian loads: a piece's first byte is a key's lowest, and hashes are the same on every machine. */
static inline uint64_t bpe_load64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, 8);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static inline uint32_t bpe_load32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, 4);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    return v;
}

/* Hash of a byte string; reads nothing outside it. */
static inline uint64_t bpe_hash_bytes(const uint8_t *p, size_t len) {
    uint64_t h = (uint64_t)len * UINT64_C(0x9E3779B97F4A7C15), a, b;
    while (len > 16) {
        h = bpe_fold(bpe_load64(p) ^ h, bpe_load64(p + 8) ^ UINT64_C(0xA0761D6478BD642F));
        p += 16;
        len -= 16;
    }
    if (len >= 8) {
        a = bpe_load64(p);
        b = bpe_load64(p + len - 8);
    } else if (len >= 4) {
        a = (uint64_t)bpe_load32(p) << 32 | bpe_load32(p + len - 4);
        b = 0;
    } else {
        a = len ? (uint64_t)p[0] << 16 | (uint64_t)p[len >> 1] << 8 | p[len - 1] : 0;
        b = 0;
    }
    h = bpe_fold(a ^ h, b ^ UINT64_C(0xE7037ED1A0B428DB));
    return h ^ h >> 32;
}

static inline uint32_t bpe_token_len(const bpe_vocab *v, uint32_t t) { return v->token[t].len; }

/* Token with exactly these bytes, or BPE_NONE. */
static uint32_t bpe_find_whole(const bpe_vocab *v, const uint8_t *p, size_t len) {
    uint64_t h, slot;
    uint32_t at, t;
    if (len > v->max_len) return BPE_NONE;
    h = bpe_hash_bytes(p, len);
    for (at = (uint32_t)h & v->whole_mask; (slot = v->whole[at]) != 0; at = (at + 1) & v->whole_mask) {
        if ((uint32_t)(slot >> 32) != (uint32_t)(h >> 32)) continue;
        t = (uint32_t)slot - 1;
        if (bpe_token_len(v, t) == len && memcmp(v->bytes + v->starts[t], p, len) == 0) return t;
    }
    return BPE_NONE;
}

BITS_INLINE uint64_t bpe_pair_key(uint32_t left, uint32_t right) { return (uint64_t)left << BPE_INDEX_BITS | right; }

/* The only place where a pair can stand: its seed is chosen so that no two pairs share one (hash and displace). One
 * place means that no branch depends on what is looked up, and that it can be fetched ahead. */
BITS_INLINE const uint64_t *bpe_pair_place(const bpe_vocab *v, uint64_t key) {
    uint64_t h = bpe_fold(key ^ v->pair_salt, UINT64_C(0x9E3779B97F4A7C15));
    uint32_t seed = v->seeds[h & v->seed_mask];
    return v->pairs + (((uint32_t)(h >> 20) + seed * ((uint32_t)(h >> 40) | 1)) & v->pair_mask);
}

/* Token that left and right merge into, or BPE_NONE. */
BITS_INLINE uint32_t bpe_find_pair(const bpe_vocab *v, uint32_t left, uint32_t right) {
    uint64_t key = bpe_pair_key(left, right), found = *bpe_pair_place(v, key);
    return found >> BPE_INDEX_BITS == key ? (uint32_t)found & BPE_MAX_TOKENS : BPE_NONE;
}

/* Longest reachable token at p, and its end (there is one: all 256 bytes are tokens). */
BITS_INLINE uint32_t bpe_longest(const bpe_vocab *v, const uint8_t *p, const uint8_t *end, const uint8_t **stop) {
    const uint32_t *units = v->units;
    uint32_t unit = units[0], best = 0, at;
    while (p < end) {
        at = (unit >> 10) + *p;
        unit = units[at];
        if ((unit & 0x1FF) != *p) break;
        p++;
        if (unit & 0x200) best = at, *stop = p;
    }
    return v->tokens[best];
}

/* Whether a followed by b stays as it is, by the chains of parts at their border; the vocabulary is monotone. Undoes the
 * later merge of the two step by step: a crossing pair that was there at the same time with a lower rank would have been
 * merged. On equal ranks the left one comes first. */
static int bpe_compatible_monotone(const bpe_vocab *v, uint32_t a, uint32_t b) {
    uint32_t limit = BPE_NONE, merged;
    for (;;) {
        merged = bpe_find_pair(v, a, b);
        if (merged < limit) return 0; /* BPE_NONE is not below any limit */
        if (a > b) {
            limit = a;
            a = v->token[a].right;
            if (a == limit) {
                limit = b + 1;
                b = v->token[b].left;
                if (b + 1 == limit) return 1;
            }
        } else {
            limit = b + 1;
            b = v->token[b].left;
            if (b + 1 == limit) {
                limit = a;
                a = v->token[a].right;
                if (a == limit) return 1;
            }
        }
    }
}

/* The same for any vocabulary: merges the bytes of both. parts and ranks hold 2 * max_len entries. */
static int bpe_compatible_merging(const bpe_vocab *v, uint32_t a, uint32_t b, uint32_t *parts, uint32_t *ranks) {
    uint32_t la = bpe_token_len(v, a), lb = bpe_token_len(v, b), n = la + lb, i, border = la;
    for (i = 0; i < la; i++) parts[i] = v->byte_token[v->bytes[v->starts[a] + i]];
    for (i = 0; i < lb; i++) parts[la + i] = v->byte_token[v->bytes[v->starts[b] + i]];
    for (i = 0; i + 1 < n; i++) ranks[i] = bpe_find_pair(v, parts[i], parts[i + 1]);
    for (;;) { /* border: index of the first part of b */
        uint32_t low = BPE_NONE, at = 0;
        for (i = 0; i + 1 < n; i++)
            if (ranks[i] < low) low = ranks[i], at = i;
        if (low == BPE_NONE) return n == 2;
        if (at + 1 == border) return 0;
        parts[at] = low;
        memmove(parts + at + 1, parts + at + 2, (n - at - 2) * sizeof *parts);
        memmove(ranks + at, ranks + at + 1, (n - at - 2) * sizeof *ranks);
        n--;
        if (at < border) border--;
        if (at + 1 < n) ranks[at] = bpe_find_pair(v, parts[at], parts[at + 1]);
        if (at > 0) ranks[at - 1] = bpe_find_pair(v, parts[at - 1], parts[at]);
    }
}

static void bpe_vocab_free(bpe_vocab *v) {
    BPE_FREE(v->ids);
    BPE_FREE(v->starts);
    BPE_FREE(v->bytes);
    BPE_FREE(v->token);
    BPE_FREE(v->seeds);
    BPE_FREE(v->byte_merges);
    BPE_FREE(v->whole);
    BPE_FREE(v->pairs);
    BPE_FREE(v->units);
    BPE_FREE(v->grown);
    BPE_FREE(v->grown_starts);
    BPE_FREE(v->tokens);
    memset(v, 0, sizeof *v);
}

static uint32_t bpe_table_size(uint32_t count) { /* at most half full */
    uint32_t size = 1024;
    while (size < 2 * count) size *= 2;
    return size;
}

#endif

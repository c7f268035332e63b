/* The table of the pairs of tokens that merge (vocab.h): a perfect hash, made once.
 *
 * Hash and displace (Belazzougui, Botelho, Dietzfelbinger: "Hash, displace, and compress", ESA 2009): pairs fall into
 * buckets of about four, and each bucket gets the first seed that brings all of it to places not yet taken, the largest
 * bucket first. At most 4/5 of the places are taken.
 */
#ifndef STREAMCORE_BPE_PAIRS_H
#define STREAMCORE_BPE_PAIRS_H

#include "bpe/vocab.h"

/* Puts one bucket into the table; 0 if no seed fits. */
static int bpe_place_bucket(bpe_vocab *v, const uint64_t *bucket, uint32_t size) {
    uint64_t h = bpe_fold((bucket[0] >> BPE_INDEX_BITS) ^ v->pair_salt, UINT64_C(0x9E3779B97F4A7C15));
    uint8_t *seed = v->seeds + (h & v->seed_mask);
    for (unsigned tried = 0; tried < 256; tried++) {
        uint32_t k;
        *seed = (uint8_t)tried;
        for (k = 0; k < size; k++) {
            uint64_t *place = v->pairs + (bpe_pair_place(v, bucket[k] >> BPE_INDEX_BITS) - v->pairs);
            if (*place != ~UINT64_C(0)) break;
            *place = bucket[k];
        }
        if (k == size) return 1;
        while (k-- > 0) v->pairs[bpe_pair_place(v, bucket[k] >> BPE_INDEX_BITS) - v->pairs] = ~UINT64_C(0);
    }
    return 0;
}

/* Puts all n pairs into the table; list: the pairs, sorted: room for them by buckets, starts: one entry more than there
 * are buckets, order: as many as there are. 0 if a bucket does not fit. */
static int bpe_place_pairs(bpe_vocab *v, const uint64_t *list, uint32_t n, uint64_t *sorted, uint32_t *starts, uint32_t *order) {
    uint32_t buckets = v->seed_mask + 1, i, sizes[66] = {0};
#define BPE_BUCKET(pair) \
    (uint32_t)(bpe_fold((pair) >> BPE_INDEX_BITS ^ v->pair_salt, UINT64_C(0x9E3779B97F4A7C15)) & v->seed_mask)
    memset(v->pairs, 0xFF, ((size_t)v->pair_mask + 1) * sizeof *v->pairs);
    memset(v->seeds, 0, buckets);
    memset(starts, 0, (buckets + 2) * sizeof *starts);
    for (i = 0; i < n; i++) starts[BPE_BUCKET(list[i]) + 2]++;
    for (i = 0; i < buckets; i++) {
        if (starts[i + 2] > 63) return 0;
        sizes[64 - starts[i + 2]]++; /* the largest first */
        starts[i + 2] += starts[i + 1];
    }
    for (i = 0; i < n; i++) sorted[starts[BPE_BUCKET(list[i]) + 1]++] = list[i];
#undef BPE_BUCKET
    for (i = 0; i < 64; i++) sizes[i + 1] += sizes[i];
    for (i = 0; i < buckets; i++) order[sizes[63 - (starts[i + 1] - starts[i])]++] = i;
    for (i = 0; i < buckets; i++) {
        uint32_t start = starts[order[i]], size = starts[order[i] + 1] - start;
        if (size == 0) break;
        if (!bpe_place_bucket(v, sorted + start, size)) return 0;
    }
    return 1;
}

static int bpe_hash_pairs(bpe_vocab *v, const uint64_t *list, uint32_t n) {
    uint32_t places = 1024, buckets = 256, tries;
    while ((uint64_t)places * 4 < (uint64_t)n * 5) places *= 2;
    while ((uint64_t)buckets * 4 < n) buckets *= 2;
    for (tries = 1;; tries++) { /* one try has been enough for every vocabulary so far */
        uint64_t *sorted = (uint64_t *)BPE_ALLOC((size_t)n * sizeof *sorted + sizeof *sorted);
        uint32_t *starts = (uint32_t *)BPE_ALLOC((2 * (size_t)buckets + 2) * sizeof *starts);
        int done = 0;
        BPE_FREE(v->pairs);
        BPE_FREE(v->seeds);
        v->pairs = (uint64_t *)BPE_ALLOC((size_t)places * sizeof *v->pairs);
        v->seeds = (uint8_t *)BPE_ALLOC(buckets);
        v->pair_mask = places - 1;
        v->seed_mask = buckets - 1;
        v->pair_salt = tries * UINT64_C(0xA0761D6478BD642F);
        if (sorted && starts && v->pairs && v->seeds)
            done = bpe_place_pairs(v, list, n, sorted, starts, starts + buckets + 2);
        BPE_FREE(sorted);
        BPE_FREE(starts);
        if (done) return BPE_OK;
        if (!sorted || !starts || !v->pairs || !v->seeds) return BPE_NO_MEMORY;
        if (tries % 4 == 0) places *= 2, buckets *= 2;
    }
}

/* The table of all pairs, and the one of the pairs of single bytes. */
static int bpe_build_pairs(bpe_vocab *v) {
    uint64_t *list = (uint64_t *)BPE_ALLOC(((size_t)v->count + 1) * sizeof *list);
    uint32_t n = 0, i;
    int error;
    v->byte_merges = (int32_t *)BPE_ALLOC(65536 * sizeof *v->byte_merges);
    if (!list || !v->byte_merges) {
        BPE_FREE(list);
        return BPE_NO_MEMORY;
    }
    v->monotone = 1;
    v->unreachable = 0;
    for (uint32_t t = 0; t < v->count; t++) {
        uint32_t left = v->token[t].left, right = v->token[t].right;
        if (left == BPE_NONE) {
            v->unreachable++;
        } else if (left != t) {
            list[n++] = bpe_pair_key(left, right) << BPE_INDEX_BITS | t;
            if (left > t || right > t) v->monotone = 0;
        }
    }
    error = bpe_hash_pairs(v, list, n);
    BPE_FREE(list);
    for (i = 0; !error && i < 65536; i++) {
        uint32_t t = bpe_find_pair(v, v->byte_token[i >> 8], v->byte_token[i & 0xFF]);
        v->byte_merges[i] = t == BPE_NONE ? BPE_NO_MERGE : (int32_t)(t << 6);
    }
    return error;
}

#endif

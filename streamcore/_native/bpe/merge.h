/* Merging of short pieces, several at a time.
 *
 * Each piece is merged pair by pair, lowest rank first. What that costs is waiting for the pair table, which lies in no
 * near cache: so all pieces that a batch has not found are merged in step, one merge of each in turn, and what the next
 * merge of a piece has to know is fetched while the others have theirs. (New English text on a Zen 4: 188 MB/s with the
 * pieces one after the other, by longest tokens and backtracking; 290 in step.)
 */
#ifndef STREAMCORE_BPE_MERGE_H
#define STREAMCORE_BPE_MERGE_H

#include "bpe/vocab.h"

#define BPE_MERGED_MAX 22 /* bytes of a piece. Longer ones are mostly CJK or Cyrillic, of many tokens: by longest tokens is faster (10 %) */
#define BPE_PENDING 32    /* pieces at a time */
#define BPE_MERGE_ROOM (BPE_PENDING * (BPE_MERGED_MAX + 2))
#define BPE_NO_TOKEN BPE_MAX_TOKENS /* one more than any index: it is in no pair */

/* Part i begins at byte i - 1; parts 0 and len + 1 are sentinels. */
typedef struct {
    uint64_t alive;   /* bit i: part i has not been merged into the one before */
    uint32_t *parts;
    int32_t *ranks;   /* token that part i and the next one merge into << 6 | i; at least BPE_NO_MERGE for none */
    uint32_t room;    /* entries of both, a multiple of 8 */
    uint32_t at, before;      /* the part that was merged last, the part before it: their ranks are not known yet, */
    uint64_t keys[2];         /* but these pairs' */
    const uint64_t *places[2]; /* will be found here */
} bpe_merging;

static void bpe_merge_begin(const bpe_vocab *v, bpe_merging *m, const uint8_t *p, size_t len) {
    size_t i;
    m->alive = (UINT64_C(2) << (len + 1)) - 1;
    m->parts[0] = m->parts[len + 1] = BPE_NO_TOKEN;
    m->parts[1] = v->byte_token[p[0]];
    m->ranks[0] = BPE_NO_MERGE;
    for (i = 1; i < len; i++) {
        m->parts[i + 1] = v->byte_token[p[i]];
        m->ranks[i] = v->byte_merges[(size_t)p[i - 1] << 8 | p[i]] | (int32_t)i;
    }
    for (i = len; i < m->room; i++) m->ranks[i] = BPE_NO_MERGE;
}

BITS_INLINE void bpe_merge_learn(bpe_merging *m) {
    uint64_t right = *m->places[0], left = *m->places[1];
    int32_t rank = (int32_t)(((uint32_t)right & BPE_MAX_TOKENS) << 6);
    m->ranks[m->at] = (right >> BPE_INDEX_BITS == m->keys[0] ? rank : BPE_NO_MERGE) | (int32_t)m->at;
    rank = (int32_t)(((uint32_t)left & BPE_MAX_TOKENS) << 6);
    m->ranks[m->before] = (left >> BPE_INDEX_BITS == m->keys[1] ? rank : BPE_NO_MERGE) | (int32_t)m->before;
}

/* Lowest of the ranks, by several kinds of vectors. */
#if defined(CPU_SSE2)
BITS_INLINE __m128i bpe_min_sse2(__m128i a, __m128i b) {
    __m128i less = _mm_cmplt_epi32(a, b);
    return _mm_or_si128(_mm_and_si128(less, a), _mm_andnot_si128(less, b));
}
BITS_INLINE int32_t bpe_lowest_base(const int32_t *ranks, uint32_t room) {
    __m128i a = _mm_loadu_si128((const __m128i *)ranks), b = _mm_loadu_si128((const __m128i *)(ranks + 4));
    for (uint32_t at = 8; at < room; at += 8) {
        a = bpe_min_sse2(a, _mm_loadu_si128((const __m128i *)(ranks + at)));
        b = bpe_min_sse2(b, _mm_loadu_si128((const __m128i *)(ranks + at + 4)));
    }
    a = bpe_min_sse2(a, b);
    a = bpe_min_sse2(a, _mm_shuffle_epi32(a, 0x4E));
    return _mm_cvtsi128_si32(bpe_min_sse2(a, _mm_shuffle_epi32(a, 0xB1)));
}
#elif defined(CPU_NEON)
BITS_INLINE int32_t bpe_lowest_base(const int32_t *ranks, uint32_t room) {
    int32x4_t a = vld1q_s32(ranks), b = vld1q_s32(ranks + 4);
    for (uint32_t at = 8; at < room; at += 8) {
        a = vminq_s32(a, vld1q_s32(ranks + at));
        b = vminq_s32(b, vld1q_s32(ranks + at + 4));
    }
    return vminvq_s32(vminq_s32(a, b));
}
#endif
BITS_INLINE int32_t bpe_lowest_scalar(const int32_t *ranks, uint32_t room) {
    int32_t low = ranks[0];
    for (uint32_t at = 1; at < room; at++) low = ranks[at] < low ? ranks[at] : low;
    return low;
}

#define BPE_NAME(name) name##_scalar
#include "bpe/merge_body.h"
#undef BPE_NAME

#if defined(CPU_SSE2) || defined(CPU_NEON)
#define BPE_NAME(name) name##_base
#include "bpe/merge_body.h"
#undef BPE_NAME
#endif

#if defined(CPU_AVX2)
CPU_AVX2_BEGIN
BITS_INLINE int32_t bpe_lowest_avx2(const int32_t *ranks, uint32_t room) {
    __m256i low = _mm256_loadu_si256((const __m256i *)ranks);
    __m128i a;
    for (uint32_t at = 8; at < room; at += 8) low = _mm256_min_epi32(low, _mm256_loadu_si256((const __m256i *)(ranks + at)));
    a = _mm_min_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    a = _mm_min_epi32(a, _mm_shuffle_epi32(a, 0x4E));
    return _mm_cvtsi128_si32(_mm_min_epi32(a, _mm_shuffle_epi32(a, 0xB1)));
}
#define BPE_NAME(name) name##_avx2
#include "bpe/merge_body.h"
#undef BPE_NAME
CPU_AVX2_END
#endif

/* bpe_choose_scanner (scan.h) chooses this one too. */
#if defined(CPU_SSE2) || defined(CPU_NEON)
static void (*bpe_merge_all)(const bpe_vocab *, bpe_merging *, unsigned) = bpe_merge_all_base;
#else
static void (*bpe_merge_all)(const bpe_vocab *, bpe_merging *, unsigned) = bpe_merge_all_scalar;
#endif

static inline size_t bpe_merge_count(const bpe_merging *m, size_t len) {
    return bits_count(m->alive & ((UINT64_C(2) << len) - 2));
}

/* Writes the id of each part. */
static void bpe_merge_tokens(const bpe_vocab *v, const bpe_merging *m, size_t len, uint32_t *out) {
    uint64_t left = m->alive & ((UINT64_C(2) << len) - 2);
    for (; left; left &= left - 1) *out++ = v->ids[m->parts[bits_first(left)]];
}

#endif

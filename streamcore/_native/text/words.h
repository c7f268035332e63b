/* Where words begin and end, on (pointer, length, state), for bytes and for the three widths of a CPython str.
 *
 * Whitespace of bytes is that of bytes.isspace: 9-13 and 32. Of str it is that of str.isspace, 29 code points, whose
 * set has not changed since Unicode 6.3 (a test compares every code point). Plan: sixteen units at a time become one
 * vector of bytes that are 0xFF for whitespace; 64 of those are one bit mask; a bit that differs from the one before
 * is a change. Wide units are narrowed first: saturation keeps every whitespace apart from the rest.
 */
#ifndef STREAMCORE_WORDS_H
#define STREAMCORE_WORDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/bits.h"

/* What the units are. */
enum { WORDS_BYTES = 0, WORDS_UCS1 = 1, WORDS_UCS2 = 2, WORDS_UCS4 = 4 };

/* Places that a block of changes must have; a kernel stops when fewer than this many are left. */
#define WORDS_ROOM 72

/* Writes the offsets in p[0..n) at which a word begins or ends (only begins, if `starts`): a change from the class of
 * the unit before. *space is the class before p (0 in a word, 1 in whitespace) and then of the last unit decided.
 * *done says how many units were decided: n, or less when the block of `cap` offsets was full. n < 2^32. */
typedef size_t (*words_scan)(const void *p, size_t n, int *space, uint32_t *out, size_t cap, size_t *done);

typedef struct {
    const char *name;
    words_scan changes[4]; /* bytes, UCS1, UCS2, UCS4 */
    words_scan starts[4];
} words_kernel;

/* ---- scalar ----------------------------------------------------------------------------------------------------- */

static const uint8_t words_latin1[256] = {
    [9] = 3, [10] = 3, [11] = 3, [12] = 3, [13] = 3, [32] = 3, /* of bytes and of str */
    [0x1C] = 2, [0x1D] = 2, [0x1E] = 2, [0x1F] = 2, [0x85] = 2, [0xA0] = 2};

static inline int words_is_space(uint32_t c, int kind) {
    if (c < 256) return words_latin1[c] >> (kind != WORDS_BYTES) & 1;
    if (c < 0x1680) return 0;
    return c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
           c == 0x3000;
}

BITS_INLINE uint32_t words_unit(const void *p, size_t i, int kind) {
    if (kind <= WORDS_UCS1) return ((const uint8_t *)p)[i];
    if (kind == WORDS_UCS2) { /* by memcpy: p may be bytes on the stack, which are aligned for neither */
        uint16_t unit;
        memcpy(&unit, (const uint8_t *)p + 2 * i, sizeof unit);
        return unit;
    } else {
        uint32_t unit;
        memcpy(&unit, (const uint8_t *)p + 4 * i, sizeof unit);
        return unit;
    }
}

BITS_INLINE size_t words_scalar_body(const void *p, size_t n, int kind, int starts, int *space, uint32_t *out,
                                      size_t cap, size_t *done) {
    size_t i, k = 0;
    int before = *space;
    for (i = 0; i < n; i++) {
        int now;
        if ((i & 63) == 0 && cap - k < WORDS_ROOM) break;
        now = words_is_space(words_unit(p, i, kind), kind);
        if (now != before && !(starts && now)) out[k++] = (uint32_t)i;
        before = now;
    }
    *space = before;
    *done = i;
    return k;
}

/* ---- vectors ---------------------------------------------------------------------------------------------------- */

#if defined(CPU_SSE2)
typedef __m128i words_vec;
#define W_LOAD(p) _mm_loadu_si128((const __m128i *)(const void *)(p))
#define W_OR(a, b) _mm_or_si128(a, b)
#define W_IS(v, x) _mm_cmpeq_epi8(v, _mm_set1_epi8((char)(x)))
#define W_IS16(v, x) _mm_cmpeq_epi16(v, _mm_set1_epi16((short)(x)))
/* first <= v <= first + more */
#define W_IN(v, first, more)                                                                                          \
    _mm_cmpeq_epi8(_mm_min_epu8(_mm_sub_epi8(v, _mm_set1_epi8((char)(first))), _mm_set1_epi8(more)),                  \
                   _mm_sub_epi8(v, _mm_set1_epi8((char)(first))))
/* 16-bit units to bytes, 256 and more to 255 or 0; their high bytes; all-ones lanes to all-ones bytes */
#define W_LOW(a, b) _mm_packus_epi16(a, b)
#define W_HIGH(a, b) _mm_packus_epi16(_mm_srli_epi16(a, 8), _mm_srli_epi16(b, 8))
#define W_MASKS(a, b) _mm_packs_epi16(a, b)
/* 32-bit units to 16 bits, 0x8000 and more to 0x7FFF */
#define W_NARROW32(a, b) _mm_packs_epi32(a, b)

BITS_INLINE uint64_t words_bits(words_vec a, words_vec b, words_vec c, words_vec d) {
    uint64_t low = (uint64_t)(uint32_t)_mm_movemask_epi8(a) | (uint64_t)(uint32_t)_mm_movemask_epi8(b) << 16;
    uint64_t high = (uint64_t)(uint32_t)_mm_movemask_epi8(c) | (uint64_t)(uint32_t)_mm_movemask_epi8(d) << 16;
    return low | high << 32;
}

#elif defined(CPU_NEON)
typedef uint8x16_t words_vec;
#define W_U16(v) vreinterpretq_u16_u8(v)
#define W_LOAD(p) vld1q_u8((const uint8_t *)(p))
#define W_OR(a, b) vorrq_u8(a, b)
#define W_IS(v, x) vceqq_u8(v, vdupq_n_u8(x))
#define W_IS16(v, x) vreinterpretq_u8_u16(vceqq_u16(W_U16(v), vdupq_n_u16(x)))
#define W_IN(v, first, more) vcleq_u8(vsubq_u8(v, vdupq_n_u8(first)), vdupq_n_u8(more))
#define W_LOW(a, b) vcombine_u8(vqmovn_u16(W_U16(a)), vqmovn_u16(W_U16(b)))
#define W_HIGH(a, b) vcombine_u8(vshrn_n_u16(W_U16(a), 8), vshrn_n_u16(W_U16(b), 8))
#define W_MASKS(a, b) vcombine_u8(vmovn_u16(W_U16(a)), vmovn_u16(W_U16(b)))
#define W_NARROW32(a, b)                                                                                              \
    vreinterpretq_u8_u16(                                                                                             \
        vcombine_u16(vqmovn_u32(vreinterpretq_u32_u8(a)), vqmovn_u32(vreinterpretq_u32_u8(b))))

BITS_INLINE uint64_t words_bits(words_vec a, words_vec b, words_vec c, words_vec d) {
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t bit = vld1q_u8(weights);
    uint8x16_t ab = vpaddq_u8(vandq_u8(a, bit), vandq_u8(b, bit)), cd = vpaddq_u8(vandq_u8(c, bit), vandq_u8(d, bit));
    ab = vpaddq_u8(ab, cd);
    ab = vpaddq_u8(ab, ab);
    return vgetq_lane_u64(vreinterpretq_u64_u8(ab), 0);
}
#endif

#if defined(CPU_SSE2) || defined(CPU_NEON)

BITS_INLINE words_vec words_spaces8(words_vec v, int kind) {
    if (kind == WORDS_BYTES) return W_OR(W_IN(v, 9, 4), W_IS(v, 32));
    return W_OR(W_OR(W_IN(v, 9, 4), W_IN(v, 0x1C, 4)), W_OR(W_IS(v, 0x85), W_IS(v, 0xA0)));
}

/* Bits of the 64 units at p that are whitespace. */
BITS_INLINE uint64_t words_spaces(const uint8_t *p, int kind) {
    words_vec space[4], maybe[4];
    uint64_t bits, unsure;
    int i;
    if (kind <= WORDS_UCS1)
        return words_bits(words_spaces8(W_LOAD(p), kind), words_spaces8(W_LOAD(p + 16), kind),
                          words_spaces8(W_LOAD(p + 32), kind), words_spaces8(W_LOAD(p + 48), kind));
    for (i = 0; i < 4; i++) {
        const uint8_t *q = p + (size_t)i * 16 * (size_t)kind;
        words_vec a, b, high;
        if (kind == WORDS_UCS2) {
            a = W_LOAD(q);
            b = W_LOAD(q + 16);
        } else {
            a = W_NARROW32(W_LOAD(q), W_LOAD(q + 16));
            b = W_NARROW32(W_LOAD(q + 32), W_LOAD(q + 48));
        }
        high = W_HIGH(a, b);
        space[i] = W_OR(words_spaces8(W_LOW(a, b), kind), W_MASKS(W_IS16(a, 0x3000), W_IS16(b, 0x3000)));
        maybe[i] = W_OR(W_IS(high, 0x16), W_IS(high, 0x20));
    }
    bits = words_bits(space[0], space[1], space[2], space[3]);
    unsure = words_bits(maybe[0], maybe[1], maybe[2], maybe[3]); /* ogham and general punctuation: one by one */
    for (; unsure; unsure &= unsure - 1) {
        unsigned at = bits_first(unsure);
        bits |= (uint64_t)words_is_space(words_unit(p, at, kind), kind) << at;
    }
    return bits;
}

BITS_INLINE size_t words_vector_body(const void *units, size_t n, int kind, int starts, int *space, uint32_t *out,
                                      size_t cap, size_t *done) {
    const size_t width = kind ? (size_t)kind : 1;
    const uint8_t *p = (const uint8_t *)units;
    uint64_t before = (uint64_t)*space;
    size_t i = 0, k = 0;
    while (i < n && cap - k >= WORDS_ROOM) {
        uint8_t tail[64 * 4];
        const uint8_t *from = p + i * width;
        size_t left = n - i;
        uint64_t spaces, changes;
        unsigned count;
        if (left < 64) {
            memset(tail, 0, sizeof tail);
            memcpy(tail, from, left * width);
            from = tail;
        }
        spaces = words_spaces(from, kind);
        changes = spaces ^ (spaces << 1 | before);
        if (starts) changes &= ~spaces;
        if (left < 64) {
            changes &= ((uint64_t)1 << left) - 1;
            before = spaces >> (left - 1) & 1;
        } else {
            before = spaces >> 63;
            left = 64;
        }
        /* Eight places at a time whether needed or not: one branch per block instead of one per change. */
        count = bits_count(changes);
        if (count) {
            uint32_t *to = out + k;
            do {
                int j;
                for (j = 0; j < 8; j++) {
                    to[j] = (uint32_t)(i + bits_first(changes | (uint64_t)1 << 63));
                    changes &= changes - 1;
                }
                to += 8;
            } while (changes);
            k += count;
        }
        i += left;
    }
    *space = (int)before;
    *done = i;
    return k;
}
#endif

/* ---- the functions of each kernel ------------------------------------------------------------------------------- */

#define WORDS_ARGS const void *p, size_t n, int *space, uint32_t *out, size_t cap, size_t *done
#define WORDS_ONE(NAME, BODY, ATTR, KIND)                                                                             \
    ATTR static size_t NAME##_changes_##KIND(WORDS_ARGS) { return BODY(p, n, KIND, 0, space, out, cap, done); }       \
    ATTR static size_t NAME##_starts_##KIND(WORDS_ARGS) { return BODY(p, n, KIND, 1, space, out, cap, done); }
#define WORDS_KERNEL(NAME, LABEL, BODY, ATTR)                                                                         \
    WORDS_ONE(NAME, BODY, ATTR, 0)                                                                                    \
    WORDS_ONE(NAME, BODY, ATTR, 1)                                                                                    \
    WORDS_ONE(NAME, BODY, ATTR, 2)                                                                                    \
    WORDS_ONE(NAME, BODY, ATTR, 4)                                                                                    \
    static const words_kernel NAME = {LABEL,                                                                          \
                                      {NAME##_changes_0, NAME##_changes_1, NAME##_changes_2, NAME##_changes_4},       \
                                      {NAME##_starts_0, NAME##_starts_1, NAME##_starts_2, NAME##_starts_4}};

WORDS_KERNEL(words_scalar, "scalar", words_scalar_body, )
#if defined(CPU_SSE2)
WORDS_KERNEL(words_sse2, "sse2", words_vector_body, )
#endif
#if defined(CPU_AVX2)
WORDS_KERNEL(words_avx2, "avx2", words_vector_body, CPU_AVX2_TARGET)
#endif
#if defined(CPU_NEON)
WORDS_KERNEL(words_neon, "neon", words_vector_body, )
#endif

/* The index-th kernel that this machine can run, the scalar reference first; NULL after the last. */
static const words_kernel *words_kernel_at(int index) {
    const words_kernel *found[4];
    int count = 0;
    found[count++] = &words_scalar;
#if defined(CPU_SSE2)
    found[count++] = &words_sse2;
#endif
#if defined(CPU_AVX2)
    if (cpu_features() & CPU_HAS_AVX2) found[count++] = &words_avx2;
#endif
#if defined(CPU_NEON)
    found[count++] = &words_neon;
#endif
    return index >= 0 && index < count ? found[index] : NULL;
}

#endif

/* Byte-scanning kernels: where in a span do the bytes that end an item lie?
 *
 * Every kernel is called once a span, on (pointer, length, state), and writes the offsets of its hits into a block
 * that stays in L1. It stops early, at a border of 64 bytes, when no more than 64 places of the block are left; *done
 * says how many bytes it decided. No kernel reads outside [p, p + n). n < 2^32, cap > 64.
 * Places of the block behind the last hit may be overwritten.
 *
 * One body, three ways to turn 64 bytes into a bit mask (SC_ISA_*): SSE2, NEON and a scalar reference; AVX2 is a fourth,
 * compiled for its target alone and chosen at run time: it makes batches of lines of 100 bytes in 4.4 ns a line where
 * SSE2 takes 6.5, and of 10 kB in 129 ns where SSE2 takes 161 (Zen 4, data in L2). A test holds all of them equal.
 */
#ifndef STREAMCORE_SCAN_H
#define STREAMCORE_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/bits.h"

/* More delimiters than this and the compare chain costs more than a table. */
#define SC_MAX_SET 8

/* Bytes to look for: the first `count` of `bytes` when count <= SC_MAX_SET, and `table` in any case. */
typedef struct {
    int count;
    uint8_t bytes[SC_MAX_SET];
    uint8_t table[256];
} sc_set;

typedef struct {
    const char *name;
    /* Offsets of `byte`. */
    size_t (*byte)(const uint8_t *p, size_t n, uint8_t byte, uint32_t *out, size_t cap, size_t *done);
    /* Offsets of every byte of a set. */
    size_t (*set)(const uint8_t *p, size_t n, const sc_set *set, uint32_t *out, size_t cap, size_t *done);
    /* Where universal line ends start: LF, CR, and the CR of CRLF but not its LF. *after_cr: the byte before p was CR; on
       return, whether the byte before p + *done was. */
    size_t (*newline)(const uint8_t *p, size_t n, int *after_cr, uint32_t *out, size_t cap, size_t *done);
    /* First i >= 0 with p[i] == first and p[i + gap] == other, i + gap < n; n when there is none. */
    size_t (*pair)(const uint8_t *p, size_t n, uint8_t first, uint8_t other, size_t gap);
    /* First i with p[i] in the set, or n. */
    size_t (*find_set)(const uint8_t *p, size_t n, const sc_set *set);
    /* Length of the run of bytes below 0x80 at p. */
    size_t (*ascii)(const uint8_t *p, size_t n);
} sc_kernels;

static inline void sc_set_init(sc_set *set)
{
    memset(set, 0, sizeof *set);
}

static inline void sc_set_add(sc_set *set, uint8_t byte)
{
    if (set->table[byte])
        return;
    set->table[byte] = 1;
    if (set->count < SC_MAX_SET)
        set->bytes[set->count] = byte;
    set->count++;
}

/* ---- scalar: the reference that the others are held against ---- */

static size_t sc_byte_scalar(const uint8_t *p, size_t n, uint8_t byte, uint32_t *out, size_t cap, size_t *done)
{
    size_t i, k = 0;
    for (i = 0; i < n; i++) {
        if ((i & 63) == 0 && cap - k <= 64)
            break;
        if (p[i] == byte)
            out[k++] = (uint32_t)i;
    }
    *done = i;
    return k;
}

static size_t sc_set_scalar(const uint8_t *p, size_t n, const sc_set *set, uint32_t *out, size_t cap, size_t *done)
{
    size_t i, k = 0;
    for (i = 0; i < n; i++) {
        if ((i & 63) == 0 && cap - k <= 64)
            break;
        if (set->table[p[i]])
            out[k++] = (uint32_t)i;
    }
    *done = i;
    return k;
}

static size_t sc_newline_scalar(const uint8_t *p, size_t n, int *after_cr, uint32_t *out, size_t cap, size_t *done)
{
    size_t i, k = 0;
    int cr = *after_cr;
    for (i = 0; i < n; i++) {
        if ((i & 63) == 0 && cap - k <= 64)
            break;
        if (p[i] == '\r' || (p[i] == '\n' && !cr))
            out[k++] = (uint32_t)i;
        cr = p[i] == '\r';
    }
    *after_cr = cr;
    *done = i;
    return k;
}

static size_t sc_pair_scalar(const uint8_t *p, size_t n, uint8_t first, uint8_t other, size_t gap)
{
    size_t i;
    for (i = 0; gap < n && i < n - gap; i++)
        if (p[i] == first && p[i + gap] == other)
            return i;
    return n;
}

static size_t sc_find_set_scalar(const uint8_t *p, size_t n, const sc_set *set)
{
    size_t i;
    for (i = 0; i < n; i++)
        if (set->table[p[i]])
            return i;
    return n;
}

static size_t sc_ascii_scalar(const uint8_t *p, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++)
        if (p[i] & 0x80)
            return i;
    return n;
}

static const sc_kernels sc_scalar = {
    "scalar", sc_byte_scalar, sc_set_scalar, sc_newline_scalar, sc_pair_scalar, sc_find_set_scalar, sc_ascii_scalar,
};

/* ---- vector instruction sets: SC_NAME(x) makes the names, SC_FN the attributes, eq64 the only primitive ---- */

#if defined(CPU_SSE2)
static inline uint64_t sc_join4(__m128i a, __m128i b, __m128i c, __m128i d)
{
    uint64_t lo = (uint32_t)_mm_movemask_epi8(a) | ((uint32_t)_mm_movemask_epi8(b) << 16);
    uint64_t hi = (uint32_t)_mm_movemask_epi8(c) | ((uint32_t)_mm_movemask_epi8(d) << 16);
    return lo | (hi << 32);
}

static inline uint64_t sc_eq64_sse2(const uint8_t *p, uint8_t byte)
{
    const __m128i v = _mm_set1_epi8((char)byte);
    const __m128i a = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)p), v);
    const __m128i b = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(p + 16)), v);
    const __m128i c = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(p + 32)), v);
    const __m128i d = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(p + 48)), v);
    return sc_join4(a, b, c, d);
}

/* Whether 256 bytes hold `byte`: one movemask, where four masks take sixteen. */
static inline int sc_any256_sse2(const uint8_t *p, uint8_t byte)
{
    const __m128i v = _mm_set1_epi8((char)byte);
    __m128i any = _mm_setzero_si128();
    int i;
    for (i = 0; i < 256; i += 64) {
        const __m128i a = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(p + i)), v);
        const __m128i b = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(p + i + 16)), v);
        const __m128i c = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(p + i + 32)), v);
        const __m128i d = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(p + i + 48)), v);
        any = _mm_or_si128(any, _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d)));
    }
    return _mm_movemask_epi8(any) != 0;
}

static inline uint64_t sc_high64_sse2(const uint8_t *p)
{
    return sc_join4(_mm_loadu_si128((const __m128i *)p), _mm_loadu_si128((const __m128i *)(p + 16)),
                    _mm_loadu_si128((const __m128i *)(p + 32)), _mm_loadu_si128((const __m128i *)(p + 48)));
}

#define SC_NAME(x) sc_##x##_sse2
#define SC_KERNELS sc_sse2
#define SC_LABEL "sse2"
#define SC_FN static
#include "kernels/scan_body.h"
#undef SC_NAME
#undef SC_KERNELS
#undef SC_LABEL
#undef SC_FN
#endif

#if defined(CPU_NEON)
/* 64 compare results (0x00 or 0xff) to 64 bits: weigh, then add pairwise three times. */
static inline uint64_t sc_join4(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d)
{
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t w = vld1q_u8(weights);
    uint8x16_t lo = vpaddq_u8(vandq_u8(a, w), vandq_u8(b, w));
    uint8x16_t hi = vpaddq_u8(vandq_u8(c, w), vandq_u8(d, w));
    lo = vpaddq_u8(lo, hi);
    lo = vpaddq_u8(lo, lo);
    return vgetq_lane_u64(vreinterpretq_u64_u8(lo), 0);
}

static inline uint64_t sc_eq64_neon(const uint8_t *p, uint8_t byte)
{
    const uint8x16_t v = vdupq_n_u8(byte);
    return sc_join4(vceqq_u8(vld1q_u8(p), v), vceqq_u8(vld1q_u8(p + 16), v), vceqq_u8(vld1q_u8(p + 32), v),
                    vceqq_u8(vld1q_u8(p + 48), v));
}

static inline int sc_any256_neon(const uint8_t *p, uint8_t byte)
{
    const uint8x16_t v = vdupq_n_u8(byte);
    uint8x16_t any = vdupq_n_u8(0);
    int i;
    for (i = 0; i < 256; i += 16)
        any = vorrq_u8(any, vceqq_u8(vld1q_u8(p + i), v));
    return vmaxvq_u8(any) != 0;
}

static inline uint64_t sc_high64_neon(const uint8_t *p)
{
    const uint8x16_t v = vdupq_n_u8(0x80);
    return sc_join4(vcgeq_u8(vld1q_u8(p), v), vcgeq_u8(vld1q_u8(p + 16), v), vcgeq_u8(vld1q_u8(p + 32), v),
                    vcgeq_u8(vld1q_u8(p + 48), v));
}

#define SC_NAME(x) sc_##x##_neon
#define SC_KERNELS sc_neon
#define SC_LABEL "neon"
#define SC_FN static
#include "kernels/scan_body.h"
#undef SC_NAME
#undef SC_KERNELS
#undef SC_LABEL
#undef SC_FN
#endif

#if defined(CPU_AVX2)
CPU_AVX2_TARGET static inline uint64_t sc_eq64_avx2(const uint8_t *p, uint8_t byte)
{
    const __m256i v = _mm256_set1_epi8((char)byte);
    const __m256i a = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)p), v);
    const __m256i b = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + 32)), v);
    return (uint32_t)_mm256_movemask_epi8(a) | ((uint64_t)(uint32_t)_mm256_movemask_epi8(b) << 32);
}

CPU_AVX2_TARGET static inline int sc_any256_avx2(const uint8_t *p, uint8_t byte)
{
    const __m256i v = _mm256_set1_epi8((char)byte);
    __m256i any = _mm256_setzero_si256();
    int i;
    for (i = 0; i < 256; i += 64) {
        const __m256i a = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + i)), v);
        const __m256i b = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + i + 32)), v);
        any = _mm256_or_si256(any, _mm256_or_si256(a, b));
    }
    return _mm256_movemask_epi8(any) != 0;
}

CPU_AVX2_TARGET static inline uint64_t sc_high64_avx2(const uint8_t *p)
{
    const __m256i a = _mm256_loadu_si256((const __m256i *)p);
    const __m256i b = _mm256_loadu_si256((const __m256i *)(p + 32));
    return (uint32_t)_mm256_movemask_epi8(a) | ((uint64_t)(uint32_t)_mm256_movemask_epi8(b) << 32);
}

#define SC_NAME(x) sc_##x##_avx2
#define SC_KERNELS sc_avx2
#define SC_LABEL "avx2"
#define SC_COUNT(mask) ((size_t)bits_popcnt(mask))
#define SC_FN CPU_AVX2_TARGET static
#include "kernels/scan_body.h"
#undef SC_NAME
#undef SC_KERNELS
#undef SC_LABEL
#undef SC_COUNT
#undef SC_FN
#endif

/* The kernels that this machine can run, baseline first; NULL ends the list. */
static const sc_kernels *sc_available(int index)
{
    const sc_kernels *list[4];
    int n = 0;
    list[n++] = &sc_scalar;
#if defined(CPU_SSE2)
    list[n++] = &sc_sse2;
#endif
#if defined(CPU_NEON)
    list[n++] = &sc_neon;
#endif
#if defined(CPU_AVX2)
    if (cpu_features() & CPU_HAS_AVX2)
        list[n++] = &sc_avx2;
#endif
    return index >= 0 && index < n ? list[index] : NULL;
}

#endif

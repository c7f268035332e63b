/* 64 bytes of text to one bit mask per ASCII class; and the few bit operations that compilers spell differently.
 *
 * SSE2 on x86, NEON on ARM64, plain C elsewhere or with BPE_SCALAR defined. Bit i stands for byte i.
 */
#ifndef STREAMCORE_BPE_SIMD_H
#define STREAMCORE_BPE_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER)
#include <intrin.h>
#endif

#if !defined(BPE_SCALAR) && (defined(__SSE2__) || defined(_M_X64))
#define BPE_SSE2 1
#include <emmintrin.h>
#elif !defined(BPE_SCALAR) && (defined(__ARM_NEON) || defined(_M_ARM64)) && (defined(__aarch64__) || defined(_M_ARM64))
#define BPE_NEON 1
#include <arm_neon.h>
#endif

#if defined(__GNUC__) || defined(__clang__)
#define BPE_LIKELY(x) __builtin_expect(!!(x), 1)
#define BPE_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define BPE_INLINE static inline __attribute__((always_inline))
#define BPE_NOINLINE static __attribute__((noinline))
#define BPE_PREFETCH(p) __builtin_prefetch(p)
static inline unsigned bpe_ctz64(uint64_t x) { return (unsigned)__builtin_ctzll(x); }
static inline unsigned bpe_top64(uint64_t x) { return 63u - (unsigned)__builtin_clzll(x); }
#elif defined(_MSC_VER)
#define BPE_LIKELY(x) (x)
#define BPE_UNLIKELY(x) (x)
#define BPE_INLINE static __forceinline
#define BPE_NOINLINE static __declspec(noinline)
#if defined(_M_X64)
#define BPE_PREFETCH(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
#else
#define BPE_PREFETCH(p) __prefetch(p)
#endif
static inline unsigned bpe_ctz64(uint64_t x) {
    unsigned long i;
    _BitScanForward64(&i, x);
    return i;
}
static inline unsigned bpe_top64(uint64_t x) {
    unsigned long i;
    _BitScanReverse64(&i, x);
    return i;
}
#else
#error "streamcore's BPE needs GCC, Clang or MSVC"
#endif

/* Low half of a 64 x 64 bit product xored with its high half. */
static inline uint64_t bpe_fold(uint64_t a, uint64_t b) {
#if defined(_MSC_VER) && defined(_M_X64)
    uint64_t high, low = _umul128(a, b, &high);
    return low ^ high;
#elif defined(_MSC_VER)
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

typedef struct {
    uint64_t letter, upper, digit, blank /* white space but no line end */, newline, space /* 0x20 */, quote, slash, other, high;
} bpe_masks;

#if defined(BPE_SSE2)

static inline uint64_t bpe_bits(__m128i a, __m128i b, __m128i c, __m128i d) {
    return (uint64_t)(uint32_t)_mm_movemask_epi8(a) | (uint64_t)(uint32_t)_mm_movemask_epi8(b) << 16 |
           (uint64_t)(uint32_t)_mm_movemask_epi8(c) << 32 | (uint64_t)(uint32_t)_mm_movemask_epi8(d) << 48;
}
/* first <= byte < first + count, as a signed compare after a shift to the lowest value */
#define BPE_RANGE(x, first, count) \
    _mm_cmplt_epi8(_mm_add_epi8(x, _mm_set1_epi8((char)(0x80 - (first)))), _mm_set1_epi8((char)(-128 + (count))))
#define BPE_IS(x, c) _mm_cmpeq_epi8(x, _mm_set1_epi8(c))
#define BPE_ALL(op) bpe_bits(op(v[0]), op(v[1]), op(v[2]), op(v[3]))

static inline __m128i bpe_v_letter(__m128i x) { return BPE_RANGE(_mm_or_si128(x, _mm_set1_epi8(0x20)), 'a', 26); }
static inline __m128i bpe_v_upper(__m128i x) { return BPE_RANGE(x, 'A', 26); }
static inline __m128i bpe_v_digit(__m128i x) { return BPE_RANGE(x, '0', 10); }
static inline __m128i bpe_v_control(__m128i x) { return BPE_RANGE(x, 9, 5); }
static inline __m128i bpe_v_newline(__m128i x) { return _mm_or_si128(BPE_IS(x, '\n'), BPE_IS(x, '\r')); }
static inline __m128i bpe_v_space(__m128i x) { return BPE_IS(x, ' '); }
static inline __m128i bpe_v_quote(__m128i x) { return BPE_IS(x, '\''); }
static inline __m128i bpe_v_slash(__m128i x) { return BPE_IS(x, '/'); }
static inline __m128i bpe_v_self(__m128i x) { return x; }

BPE_INLINE void bpe_classify(const uint8_t *p, bpe_masks *m) {
    __m128i v[4];
    for (int i = 0; i < 4; i++) v[i] = _mm_loadu_si128((const __m128i *)(p + 16 * i));
    m->high = BPE_ALL(bpe_v_self);
    m->letter = BPE_ALL(bpe_v_letter);
    m->upper = BPE_ALL(bpe_v_upper);
    m->digit = BPE_ALL(bpe_v_digit);
    m->newline = BPE_ALL(bpe_v_newline);
    m->space = BPE_ALL(bpe_v_space);
    m->blank = (BPE_ALL(bpe_v_control) | m->space) & ~m->newline;
    m->quote = BPE_ALL(bpe_v_quote);
    m->slash = BPE_ALL(bpe_v_slash);
}

#elif defined(BPE_NEON)

static inline uint64_t bpe_bits(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d) {
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t w = vld1q_u8(weights), s = vpaddq_u8(vandq_u8(a, w), vandq_u8(b, w));
    s = vpaddq_u8(s, vpaddq_u8(vandq_u8(c, w), vandq_u8(d, w)));
    s = vpaddq_u8(s, s);
    return vgetq_lane_u64(vreinterpretq_u64_u8(s), 0);
}
#define BPE_RANGE(x, first, count) vcltq_u8(vsubq_u8(x, vdupq_n_u8(first)), vdupq_n_u8(count))
#define BPE_IS(x, c) vceqq_u8(x, vdupq_n_u8(c))
#define BPE_ALL(op) bpe_bits(op(v[0]), op(v[1]), op(v[2]), op(v[3]))

static inline uint8x16_t bpe_v_letter(uint8x16_t x) { return BPE_RANGE(vorrq_u8(x, vdupq_n_u8(0x20)), 'a', 26); }
static inline uint8x16_t bpe_v_upper(uint8x16_t x) { return BPE_RANGE(x, 'A', 26); }
static inline uint8x16_t bpe_v_digit(uint8x16_t x) { return BPE_RANGE(x, '0', 10); }
static inline uint8x16_t bpe_v_control(uint8x16_t x) { return BPE_RANGE(x, 9, 5); }
static inline uint8x16_t bpe_v_newline(uint8x16_t x) { return vorrq_u8(BPE_IS(x, '\n'), BPE_IS(x, '\r')); }
static inline uint8x16_t bpe_v_space(uint8x16_t x) { return BPE_IS(x, ' '); }
static inline uint8x16_t bpe_v_quote(uint8x16_t x) { return BPE_IS(x, '\''); }
static inline uint8x16_t bpe_v_slash(uint8x16_t x) { return BPE_IS(x, '/'); }
static inline uint8x16_t bpe_v_high(uint8x16_t x) { return vcgeq_u8(x, vdupq_n_u8(0x80)); }

BPE_INLINE void bpe_classify(const uint8_t *p, bpe_masks *m) {
    uint8x16_t v[4];
    for (int i = 0; i < 4; i++) v[i] = vld1q_u8(p + 16 * i);
    m->high = BPE_ALL(bpe_v_high);
    m->letter = BPE_ALL(bpe_v_letter);
    m->upper = BPE_ALL(bpe_v_upper);
    m->digit = BPE_ALL(bpe_v_digit);
    m->newline = BPE_ALL(bpe_v_newline);
    m->space = BPE_ALL(bpe_v_space);
    m->blank = (BPE_ALL(bpe_v_control) | m->space) & ~m->newline;
    m->quote = BPE_ALL(bpe_v_quote);
    m->slash = BPE_ALL(bpe_v_slash);
}

#else

BPE_INLINE void bpe_classify(const uint8_t *p, bpe_masks *m) {
    memset(m, 0, sizeof *m);
    for (int i = 0; i < 64; i++) {
        uint8_t c = p[i];
        m->high |= (uint64_t)(c >> 7) << i;
        m->letter |= (uint64_t)((uint8_t)((c | 0x20) - 'a') < 26) << i;
        m->upper |= (uint64_t)((uint8_t)(c - 'A') < 26) << i;
        m->digit |= (uint64_t)((uint8_t)(c - '0') < 10) << i;
        m->newline |= (uint64_t)(c == '\n' || c == '\r') << i;
        m->space |= (uint64_t)(c == ' ') << i;
        m->blank |= (uint64_t)(c == ' ' || c == '\t' || c == '\v' || c == '\f') << i;
        m->quote |= (uint64_t)(c == '\'') << i;
        m->slash |= (uint64_t)(c == '/') << i;
    }
}

#endif
#endif

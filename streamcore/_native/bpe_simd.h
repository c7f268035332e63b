/* The vectors there are, and what compilers spell differently. */
#ifndef STREAMCORE_BPE_SIMD_H
#define STREAMCORE_BPE_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER)
#include <intrin.h>
#endif

/* What lies between these two may use AVX2 and BMI, and is only called where bpe_use_avx2() says so. */
#if defined(__clang__)
#define BPE_AVX2_BEGIN                                                                                           \
    _Pragma("clang attribute push(__attribute__((target(\"avx2,bmi,bmi2,lzcnt,popcnt\"))), apply_to = function)")
#define BPE_AVX2_END _Pragma("clang attribute pop")
#elif defined(__GNUC__)
#define BPE_AVX2_BEGIN _Pragma("GCC push_options") _Pragma("GCC target(\"avx2,bmi,bmi2,lzcnt,popcnt\")")
#define BPE_AVX2_END _Pragma("GCC pop_options")
#else
#define BPE_AVX2_BEGIN
#define BPE_AVX2_END
#endif

#if defined(__SSE2__) || defined(_M_X64)
#define BPE_SSE2 1
#include <immintrin.h>
#elif defined(__aarch64__) || defined(_M_ARM64)
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
static inline unsigned bpe_count64(uint64_t x) { return (unsigned)__builtin_popcountll(x); }
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
static inline unsigned bpe_count64(uint64_t x) {
    unsigned n = 0;
    for (; x; x &= x - 1) n++;
    return n;
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

#endif

/* Operations on the bits of a word, and hints to the compiler, as each compiler spells them. */
#ifndef STREAMCORE_BITS_H
#define STREAMCORE_BITS_H

#include "kernels/cpu.h"

#if defined(CPU_GNU)
#define BITS_LIKELY(x) __builtin_expect(!!(x), 1)
#define BITS_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define BITS_INLINE static inline __attribute__((always_inline))
#define BITS_NOINLINE static __attribute__((noinline))
#define BITS_PREFETCH(p) __builtin_prefetch(p)
#else
#define BITS_LIKELY(x) (x)
#define BITS_UNLIKELY(x) (x)
#if defined(CPU_MSVC)
#define BITS_INLINE static __forceinline
#define BITS_NOINLINE static __declspec(noinline)
#else
#define BITS_INLINE static inline
#define BITS_NOINLINE static
#endif
#if defined(CPU_MSVC) && defined(CPU_SSE2)
#define BITS_PREFETCH(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
#elif defined(CPU_MSVC) && defined(_M_ARM64)
#define BITS_PREFETCH(p) __prefetch(p)
#else
#define BITS_PREFETCH(p) ((void)(p))
#endif
#endif

/* Place of the lowest bit; x is not 0. */
BITS_INLINE unsigned bits_first(uint64_t x) {
#if defined(CPU_GNU)
    return (unsigned)__builtin_ctzll(x);
#elif defined(CPU_MSVC) && (defined(_M_X64) || defined(_M_ARM64))
    unsigned long at;
    _BitScanForward64(&at, x);
    return (unsigned)at;
#else
    unsigned at = 0;
    while (!(x & 0xFF)) x >>= 8, at += 8;
    while (!(x & 1)) x >>= 1, at++;
    return at;
#endif
}

/* Place of the highest bit; x is not 0. */
BITS_INLINE unsigned bits_top(uint64_t x) {
#if defined(CPU_GNU)
    return 63u - (unsigned)__builtin_clzll(x);
#elif defined(CPU_MSVC) && (defined(_M_X64) || defined(_M_ARM64))
    unsigned long at;
    _BitScanReverse64(&at, x);
    return (unsigned)at;
#else
    unsigned at = 0;
    while (x >> 8) x >>= 8, at += 8;
    while (x >> 1) x >>= 1, at++;
    return at;
#endif
}

/* How many bits are set, without an instruction for it. */
BITS_INLINE unsigned bits_count_slowly(uint64_t x) {
    x -= x >> 1 & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
    return (unsigned)(((x + (x >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F)) * UINT64_C(0x0101010101010101) >> 56);
}

BITS_INLINE unsigned bits_count(uint64_t x) {
#if defined(CPU_GNU)
    return (unsigned)__builtin_popcountll(x);
#else
    return bits_count_slowly(x);
#endif
}

/* The same where the processor has popcnt. GCC and Clang know that from the function's target. */
#if defined(CPU_MSVC) && defined(CPU_AVX2)
BITS_INLINE unsigned bits_popcnt(uint64_t x) { return (unsigned)__popcnt64(x); }
#else
BITS_INLINE unsigned bits_popcnt(uint64_t x) { return bits_count(x); }
#endif

#endif

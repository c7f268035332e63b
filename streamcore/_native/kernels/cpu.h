/* Which vector instructions this build has, and which of them this processor runs: decided here and nowhere else.
 *
 * CPU_SSE2 and CPU_NEON are baselines of the build. CPU_AVX2 means that code for AVX2, BMI, BMI2, LZCNT and POPCNT is
 * compiled beside them, between CPU_AVX2_BEGIN and CPU_AVX2_END or with CPU_AVX2_TARGET, and is called only where
 * cpu_features() found all five. LZCNT where there is none runs as BSR and gives another number, so asking for AVX2
 * alone is not enough. With CPU_SCALAR_ONLY defined there are no vectors. No Python in here.
 */
#ifndef STREAMCORE_CPU_H
#define STREAMCORE_CPU_H

#include <stdint.h>
#include <string.h>

/* Who compiles. clang-cl also defines _MSC_VER, but takes the attributes, builtins and inline assembly of GCC. */
#if defined(__GNUC__) || defined(__clang__)
#define CPU_GNU 1
#elif defined(_MSC_VER)
#define CPU_MSVC 1
#include <intrin.h>
#endif

/* Lanes are numbered from the low end only on little-endian ARM; ARM64EC calls itself x64, but emulates it. */
#if defined(CPU_SCALAR_ONLY) || defined(_M_ARM64EC) || defined(__AARCH64EB__)
#elif defined(__SSE2__) || defined(_M_X64) || (defined(_M_IX86_FP) && _M_IX86_FP >= 2)
#define CPU_SSE2 1
#include <emmintrin.h>
#elif defined(__aarch64__) || defined(_M_ARM64)
#define CPU_NEON 1
#include <arm_neon.h>
#endif

/* Not on i386, which has no pext, pdep and tzcnt of 64 bits. clang-cl may declare the intrinsics only with /arch:AVX2. */
#if defined(CPU_SSE2) && (defined(__x86_64__) || defined(_M_X64)) && (defined(CPU_GNU) || defined(CPU_MSVC)) && \
    !(defined(__clang__) && defined(_MSC_VER) && !defined(__AVX2__))
#define CPU_AVX2 1
#include <immintrin.h>
#endif

/* The same five for each compiler; cpu_ask() asks for them. MSVC compiles any intrinsic anywhere. */
#if defined(CPU_AVX2) && defined(CPU_GNU)
#define CPU_AVX2_TARGET __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))
#if defined(__clang__)
#define CPU_AVX2_BEGIN                                                                                           \
    _Pragma("clang attribute push(__attribute__((target(\"avx2,bmi,bmi2,lzcnt,popcnt\"))), apply_to = function)")
#define CPU_AVX2_END _Pragma("clang attribute pop")
#else
#define CPU_AVX2_BEGIN _Pragma("GCC push_options") _Pragma("GCC target(\"avx2,bmi,bmi2,lzcnt,popcnt\")")
#define CPU_AVX2_END _Pragma("GCC pop_options")
#endif
#else
#define CPU_AVX2_TARGET
#define CPU_AVX2_BEGIN
#define CPU_AVX2_END
#endif

enum {
    CPU_HAS_AVX2 = 1,     /* and BMI, BMI2, LZCNT, POPCNT, and the system keeps the wide registers */
    CPU_HAS_FAST_PEXT = 2 /* and pext and pdep take a few cycles: before the third Zen, hundreds */
};

/* Where the answers come from: the processor, or a test. xcr0 must not be called where OSXSAVE is not set. */
typedef struct {
    void (*id)(uint32_t leaf, uint32_t regs[4]); /* eax, ebx, ecx, edx of a leaf, subleaf 0 */
    uint64_t (*xcr0)(void);
} cpu_source;

static unsigned cpu_ask(const cpu_source *from) {
    uint32_t top[4], one[4], seven[4], extended[4], family;
    const uint32_t avx_osxsave_popcnt = UINT32_C(1) << 28 | UINT32_C(1) << 27 | UINT32_C(1) << 23;
    const uint32_t bmi2_avx2_bmi = UINT32_C(1) << 8 | UINT32_C(1) << 5 | UINT32_C(1) << 3;
    int amd;
    from->id(0, top);
    if (top[0] < 7) return 0;
    from->id(1, one);
    if ((one[2] & avx_osxsave_popcnt) != avx_osxsave_popcnt || (from->xcr0() & 6) != 6) return 0;
    from->id(7, seven);
    if ((seven[1] & bmi2_avx2_bmi) != bmi2_avx2_bmi) return 0;
    from->id(UINT32_C(0x80000000), extended);
    if (extended[0] < UINT32_C(0x80000001)) return 0;
    from->id(UINT32_C(0x80000001), extended);
    if (!(extended[2] >> 5 & 1)) return 0; /* LZCNT */
    family = one[0] >> 8 & 0xF;
    if (family == 0xF) family += one[0] >> 20 & 0xFF;
    amd = top[1] == UINT32_C(0x68747541) || top[1] == UINT32_C(0x6F677948); /* "Auth", "Hygo" */
    return amd && family < 0x19 ? CPU_HAS_AVX2 : CPU_HAS_AVX2 | CPU_HAS_FAST_PEXT;
}

#if defined(CPU_AVX2)
static void cpu_id(uint32_t leaf, uint32_t regs[4]) {
#if defined(CPU_GNU)
    __asm__ volatile("cpuid" : "=a"(regs[0]), "=b"(regs[1]), "=c"(regs[2]), "=d"(regs[3]) : "0"(leaf), "2"(0));
#else
    int all[4];
    __cpuidex(all, (int)leaf, 0);
    memcpy(regs, all, sizeof all);
#endif
}

static uint64_t cpu_xcr0(void) {
#if defined(CPU_GNU)
    uint32_t low, high;
    __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(low), "=d"(high) : "c"(0)); /* xgetbv, for any assembler */
    return (uint64_t)high << 32 | low;
#else
    return _xgetbv(0);
#endif
}
#endif

/* What the processor has of CPU_HAS_...; 0 where the build has no use for it. */
static unsigned cpu_features(void) {
#if defined(CPU_AVX2)
    static int asked = 0; /* under the import lock: the answer is the same for whoever asks */
    static unsigned features = 0;
    if (!asked) {
        const cpu_source processor = {cpu_id, cpu_xcr0};
        features = cpu_ask(&processor);
        asked = 1;
    }
    return features;
#else
    return 0;
#endif
}

enum { CPU_RUNS = 0, CPU_LACKS = 1, CPU_NOT_BUILT = 2, CPU_UNKNOWN = 3 };

/* What keeps the kernels of this name from running. Every dispatcher has the same names. */
static int cpu_why_not(const char *name) {
    if (strcmp(name, "scalar") == 0) return CPU_RUNS;
    if (strcmp(name, "sse2") == 0) {
#if defined(CPU_SSE2)
        return CPU_RUNS;
#else
        return CPU_NOT_BUILT;
#endif
    }
    if (strcmp(name, "neon") == 0) {
#if defined(CPU_NEON)
        return CPU_RUNS;
#else
        return CPU_NOT_BUILT;
#endif
    }
    if (strcmp(name, "avx2") == 0) {
#if defined(CPU_AVX2)
        return cpu_features() & CPU_HAS_AVX2 ? CPU_RUNS : CPU_LACKS;
#else
        return CPU_NOT_BUILT;
#endif
    }
    return CPU_UNKNOWN;
}

#endif

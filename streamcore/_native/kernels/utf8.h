/* UTF-8 to the code units of a CPython str: check, count and widen, on (pointer, length).
 *
 * Goals: one pass that checks and finds the width, one that writes at that width; an ASCII span is copied and checked
 * in the same pass; what is bad is found to the byte, by the rule of maximal subparts (Unicode 16, 3.9, table 3-8).
 * Plan: utf8_char.h knows what a character is, and the scalar kernel is made of it. The vector kernels check
 * with the nibble tables of Keiser and Lemire ("Validating UTF-8 in less than one instruction per byte", 2021) and
 * widen with the shuffles of Lemire and Clausecker ("Transcoding billions of Unicode characters per second", 2022);
 * wherever they see an error they hand over to the scalar code. No Python in here: tests may compile it alone.
 */
#ifndef STREAMCORE_UTF8_H
#define STREAMCORE_UTF8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/bits.h"
#include "kernels/utf8_char.h"

/* ---- scalar kernel ---------------------------------------------------------------------------------------------- */

/* Characters in valid p[0..n), and into *top the largest byte, which tells how wide they are. */
static size_t utf8_measure(const uint8_t *p, size_t n, uint8_t *top) {
    size_t i, chars = 0;
    uint8_t most = *top;
    for (i = 0; i < n; i++) {
        chars += (p[i] & 0xC0) != 0x80;
        most = p[i] > most ? p[i] : most;
    }
    *top = most;
    return chars;
}

static size_t utf8_check_scalar(const uint8_t *p, size_t n, size_t *chars, uint8_t *top) {
    size_t valid = utf8_valid(p, n);
    *chars += utf8_measure(p, valid, top);
    return valid;
}

/* Copies the ASCII bytes at the start of p[0..n) and says how many (it may stop up to 63 bytes early, but is exact
 * when all are ASCII). */
static size_t utf8_ascii_scalar(const uint8_t *p, size_t n, uint8_t *out) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word = utf8_load64(p + i);
        if (word & UTF8_HIGH_BITS) return i;
        memcpy(out + i, &word, 8);
    }
    for (; i < n && p[i] < 0x80; i++) out[i] = p[i];
    return i;
}

#define UTF8_DEFINE_WIDEN(NAME, UNIT)                                                                                 \
    static void NAME(const uint8_t *p, size_t n, void *into) {                                                        \
        UNIT *out = (UNIT *)into;                                                                                     \
        const uint8_t *end = p + n;                                                                                   \
        while (p < end) {                                                                                             \
            uint8_t lead = *p;                                                                                        \
            if (lead < 0x80 && end - p >= 8 && !(utf8_load64(p) & UTF8_HIGH_BITS)) {                                  \
                int i;                                                                                                \
                for (i = 0; i < 8; i++) *out++ = *p++;                                                                \
                continue;                                                                                             \
            }                                                                                                         \
            int length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;                                     \
            *out++ = (UNIT)utf8_code_point(p, length);                                                                \
            p += length;                                                                                              \
        }                                                                                                             \
    }
UTF8_DEFINE_WIDEN(utf8_widen1_scalar, uint8_t)
UTF8_DEFINE_WIDEN(utf8_widen2_scalar, uint16_t)
UTF8_DEFINE_WIDEN(utf8_widen4_scalar, uint32_t)

/* check: as utf8_check_scalar; a character that the end cuts off is an error like others.
 * ascii: as utf8_ascii_scalar. widen[0, 1, 2]: valid bytes to 1, 2, 4 byte units; `out` holds exactly the characters. */
typedef struct {
    const char *name;
    size_t (*check)(const uint8_t *p, size_t n, size_t *chars, uint8_t *top);
    size_t (*ascii)(const uint8_t *p, size_t n, uint8_t *out);
    void (*widen[3])(const uint8_t *p, size_t n, void *out);
} utf8_kernel;

static const utf8_kernel utf8_scalar = {
    "scalar", utf8_check_scalar, utf8_ascii_scalar, {utf8_widen1_scalar, utf8_widen2_scalar, utf8_widen4_scalar}};

#if defined(CPU_SSE2) || defined(CPU_NEON)
#include "kernels/utf8_simd.h"
#endif
#if !defined(CPU_AVX2) && !defined(CPU_NEON)
static void utf8_prepare(void) {}
#endif

/* ---- choice of a kernel ----------------------------------------------------------------------------------------- */

/* The index-th kernel that this machine can run, the scalar reference first; NULL after the last. */
static const utf8_kernel *utf8_kernel_at(int index) {
    const utf8_kernel *found[4];
    int count = 0;
    found[count++] = &utf8_scalar;
#if defined(CPU_SSE2)
    found[count++] = &utf8_sse2;
#endif
#if defined(CPU_AVX2)
    if (cpu_features() & CPU_HAS_AVX2) found[count++] = &utf8_avx2;
#endif
#if defined(CPU_NEON)
    found[count++] = &utf8_neon;
#endif
    return index >= 0 && index < count ? found[index] : NULL;
}

/* ---- spans with errors ------------------------------------------------------------------------------------------ */

#define UTF8_MAX_BAD 32

/* What one str can be made of: p[0..n) is valid but for `bads` pieces, each at[i] .. at[i] + length[i]. */
typedef struct {
    size_t n;
    size_t chars;  /* of the valid parts */
    uint8_t top;   /* their largest byte */
    int bads;
    size_t at[UTF8_MAX_BAD];
    size_t before[UTF8_MAX_BAD]; /* characters before it */
    uint8_t length[UTF8_MAX_BAD];
} utf8_span;

/* Length of the bad piece at p (nothing valid starts there): its maximal subpart. */
static inline int utf8_bad_length(const uint8_t *p, size_t n) {
    int need, right = utf8_match(p, n, 0, &need);
    return right ? right : 1;
}

/* Measures p[0..n) up to and with the `limit`-th bad piece, limit <= UTF8_MAX_BAD (0: stops before the first). */
static void utf8_span_scan(const utf8_kernel *kernel, const uint8_t *p, size_t n, int limit, utf8_span *span) {
    size_t i = 0, run = 64;
    span->chars = 0;
    span->top = 0;
    span->bads = 0;
    for (;;) {
        size_t from = i;
        /* Errors come in clusters: within one, a short scalar look ahead is cheaper than starting a vector loop. */
        if (run < 32 && n - i > 64) {
            size_t near = utf8_valid(p + i, 32);
            span->chars += utf8_measure(p + i, near, &span->top);
            i += near;
            if (near > 28) i += kernel->check(p + i, n - i, &span->chars, &span->top);
        } else
            i += kernel->check(p + i, n - i, &span->chars, &span->top);
        if (i == n || span->bads == limit) break;
        run = i - from;
        span->at[span->bads] = i;
        span->before[span->bads] = span->chars;
        span->length[span->bads] = (uint8_t)utf8_bad_length(p + i, n - i);
        i += span->length[span->bads++];
    }
    span->n = i;
}

/* Writes the span at `width` (0, 1, 2: 1, 2, 4 bytes a unit), with U+FFFD for each bad piece if `replace`. */
static void utf8_span_write(const utf8_kernel *kernel, const uint8_t *p, const utf8_span *span, int width, int replace,
                            void *into) {
    uint8_t *out = (uint8_t *)into;
    size_t from = 0;
    int i;
    for (i = 0; i <= span->bads; i++) {
        size_t to = i < span->bads ? span->at[i] : span->n;
        if (to > from) kernel->widen[width](p + from, to - from, out);
        if (i == span->bads) break;
        out += (span->before[i] - (i ? span->before[i - 1] : 0)) << width;
        if (replace) {
            const uint16_t two = 0xFFFD;
            const uint32_t four = 0xFFFD;
            memcpy(out, width == 1 ? (const void *)&two : (const void *)&four, (size_t)1 << width);
            out += (size_t)1 << width;
        }
        from = to + span->length[i];
    }
}

#endif

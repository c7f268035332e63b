/* The vector kernels of utf8.h (which includes this file): NEON, and on x86-64 one that needs a byte shuffle (SSSE3)
 * and so stands behind a run-time check, for AVX2 as in scan.h; SSE2 alone gets only the ASCII copy.
 *
 * The code is written once on 16-byte vectors; the few operations that differ by machine stand first. utf8_avx2.h has
 * the check and the widening on 32 bytes.
 */
#ifndef STREAMCORE_UTF8_SIMD_H
#define STREAMCORE_UTF8_SIMD_H

/* ---- operations ------------------------------------------------------------------------------------------------- */

#if defined(CPU_SSE2)
typedef __m128i utf8_vec;
#define V_LOAD(p) _mm_loadu_si128((const __m128i *)(const void *)(p))
#define V_STORE(p, v) _mm_storeu_si128((__m128i *)(void *)(p), v)
#define V_FILL(x) _mm_set1_epi8((char)(x))
#define V_FILL16(x) _mm_set1_epi16((short)(x))
#define V_AND(a, b) _mm_and_si128(a, b)
#define V_OR(a, b) _mm_or_si128(a, b)
#define V_XOR(a, b) _mm_xor_si128(a, b)
#define V_MAX(a, b) _mm_max_epu8(a, b)
#define V_SUBS(a, b) _mm_subs_epu8(a, b)
#define V_SHR16(a, n) _mm_srli_epi16(a, n)
#define V_SHL16(a, n) _mm_slli_epi16(a, n)
#define V_NIBBLE(a) _mm_and_si128(_mm_srli_epi16(a, 4), _mm_set1_epi8(15))
#define V_LOOKUP(table, at) _mm_shuffle_epi8(table, at)
#define V_BEFORE(now, last, n) _mm_alignr_epi8(now, last, 16 - (n))
#define V_PICK(mask, yes, no) _mm_blendv_epi8(no, yes, mask)
#define V_ABOVE16(a, x) _mm_cmpgt_epi16(a, _mm_set1_epi16(x))
/* eight bytes to 16-bit lanes; the lower and upper half of a vector's bytes to 16-bit lanes; 16-bit lanes of two by turns */
#define V_LOAD_WIDE(p) _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)(p)))
#define V_WIDEN_LOW(a) _mm_unpacklo_epi8(a, _mm_setzero_si128())
#define V_WIDEN_HIGH(a) _mm_unpackhi_epi8(a, _mm_setzero_si128())
#define V_ZIP16_LOW(a, b) _mm_unpacklo_epi16(a, b)
#define V_ZIP16_HIGH(a, b) _mm_unpackhi_epi16(a, b)
#define V_NARROW16(a) _mm_packus_epi16(a, a)
#define V_HIGH_BITS(v) (_mm_movemask_epi8(v) != 0)
#define V_ANY(v) (_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_setzero_si128())) != 0xFFFF)

/* One bit for each of 64 bytes: set where the byte is 10xxxxxx. */
static inline uint64_t utf8_continuations(utf8_vec a, utf8_vec b, utf8_vec c, utf8_vec d) {
    const utf8_vec limit = _mm_set1_epi8(-64);
    uint64_t low = (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmplt_epi8(a, limit)) |
                   (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmplt_epi8(b, limit)) << 16;
    uint64_t high = (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmplt_epi8(c, limit)) |
                    (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmplt_epi8(d, limit)) << 16;
    return low | high << 32;
}
#define UTF8_POPCOUNT(x) ((size_t)bits_popcnt(x))

#else /* NEON */
typedef uint8x16_t utf8_vec;
#define V_LOAD(p) vld1q_u8((const uint8_t *)(p))
#define V_STORE(p, v) vst1q_u8((uint8_t *)(p), v)
#define V_FILL(x) vdupq_n_u8((uint8_t)(x))
#define V_FILL16(x) vreinterpretq_u8_u16(vdupq_n_u16((uint16_t)(x)))
#define V_AND(a, b) vandq_u8(a, b)
#define V_OR(a, b) vorrq_u8(a, b)
#define V_XOR(a, b) veorq_u8(a, b)
#define V_MAX(a, b) vmaxq_u8(a, b)
#define V_SUBS(a, b) vqsubq_u8(a, b)
#define V_U16(a) vreinterpretq_u16_u8(a)
#define V_SHR16(a, n) vreinterpretq_u8_u16(vshrq_n_u16(V_U16(a), n))
#define V_SHL16(a, n) vreinterpretq_u8_u16(vshlq_n_u16(V_U16(a), n))
#define V_NIBBLE(a) vshrq_n_u8(a, 4)
#define V_LOOKUP(table, at) vqtbl1q_u8(table, at)
#define V_BEFORE(now, last, n) vextq_u8(last, now, 16 - (n))
#define V_PICK(mask, yes, no) vbslq_u8(mask, yes, no)
#define V_ABOVE16(a, x) vreinterpretq_u8_u16(vcgtq_u16(V_U16(a), vdupq_n_u16(x)))
#define V_LOAD_WIDE(p) vreinterpretq_u8_u16(vmovl_u8(vld1_u8(p)))
#define V_WIDEN_LOW(a) vreinterpretq_u8_u16(vmovl_u8(vget_low_u8(a)))
#define V_WIDEN_HIGH(a) vreinterpretq_u8_u16(vmovl_u8(vget_high_u8(a)))
#define V_ZIP16_LOW(a, b) vreinterpretq_u8_u16(vzip1q_u16(V_U16(a), V_U16(b)))
#define V_ZIP16_HIGH(a, b) vreinterpretq_u8_u16(vzip2q_u16(V_U16(a), V_U16(b)))
#define V_NARROW16(a) vcombine_u8(vmovn_u16(V_U16(a)), vmovn_u16(V_U16(a)))
#define V_HIGH_BITS(v) (vmaxvq_u8(v) >= 0x80)
#define V_ANY(v) (vmaxvq_u8(v) != 0)

static inline uint64_t utf8_continuations(utf8_vec a, utf8_vec b, utf8_vec c, utf8_vec d) {
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t bit = vld1q_u8(weights);
    const int8x16_t limit = vdupq_n_s8(-64);
    uint8x16_t ab = vpaddq_u8(vandq_u8(vcltq_s8(vreinterpretq_s8_u8(a), limit), bit),
                              vandq_u8(vcltq_s8(vreinterpretq_s8_u8(b), limit), bit));
    uint8x16_t cd = vpaddq_u8(vandq_u8(vcltq_s8(vreinterpretq_s8_u8(c), limit), bit),
                              vandq_u8(vcltq_s8(vreinterpretq_s8_u8(d), limit), bit));
    uint8x16_t all = vpaddq_u8(ab, cd);
    all = vpaddq_u8(all, all);
    return vgetq_lane_u64(vreinterpretq_u64_u8(all), 0);
}
static inline size_t UTF8_POPCOUNT(uint64_t x) { return vaddv_u8(vcnt_u8(vcreate_u8(x))); }
#endif

/* ---- ASCII ------------------------------------------------------------------------------------------------------ */

static size_t utf8_ascii_vec(const uint8_t *p, size_t n, uint8_t *out) {
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        utf8_vec a = V_LOAD(p + i), b = V_LOAD(p + i + 16), c = V_LOAD(p + i + 32), d = V_LOAD(p + i + 48);
        if (V_HIGH_BITS(V_OR(V_OR(a, b), V_OR(c, d)))) return i;
        V_STORE(out + i, a);
        V_STORE(out + i + 16, b);
        V_STORE(out + i + 32, c);
        V_STORE(out + i + 48, d);
    }
    for (; i + 16 <= n; i += 16) {
        utf8_vec a = V_LOAD(p + i);
        if (V_HIGH_BITS(a)) return i;
        V_STORE(out + i, a);
    }
    return i + utf8_ascii_scalar(p + i, n - i, out + i);
}

#if defined(CPU_AVX2) || defined(CPU_NEON)
/* ---- check ------------------------------------------------------------------------------------------------------ */

/* The three tables by nibble: a bit left set in all of them is an error of that kind; bit 7 marks the second of two
 * continuation bytes, which is right only after a lead of 3 or 4 bytes. */
enum {
    TOO_SHORT = 1, TOO_LONG = 2, OVERLONG_3 = 4, TOO_LARGE = 8, SURROGATE = 16, OVERLONG_2 = 32, TOO_LARGE_1000 = 64,
    OVERLONG_4 = 64, TWO_CONTS = 128, CARRY = TOO_SHORT | TOO_LONG | TWO_CONTS, BIG = CARRY | TOO_LARGE | TOO_LARGE_1000
};
static const uint8_t utf8_first_high[16] = {
    TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TWO_CONTS, TWO_CONTS, TWO_CONTS,
    TWO_CONTS, TOO_SHORT | OVERLONG_2, TOO_SHORT, TOO_SHORT | OVERLONG_3 | SURROGATE,
    TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4};
static const uint8_t utf8_first_low[16] = {
    CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4, CARRY | OVERLONG_2, CARRY, CARRY, CARRY | TOO_LARGE, BIG, BIG, BIG,
    BIG, BIG, BIG, BIG, BIG, BIG | SURROGATE, BIG, BIG};
#define UTF8_AFTER (TOO_LONG | OVERLONG_2 | TWO_CONTS)
static const uint8_t utf8_second_high[16] = {
    TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
    UTF8_AFTER | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4, UTF8_AFTER | OVERLONG_3 | TOO_LARGE,
    UTF8_AFTER | SURROGATE | TOO_LARGE, UTF8_AFTER | SURROGATE | TOO_LARGE, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT};

CPU_AVX2_TARGET static inline utf8_vec utf8_errors(utf8_vec now, utf8_vec last) {
    utf8_vec one = V_BEFORE(now, last, 1), two = V_BEFORE(now, last, 2), three = V_BEFORE(now, last, 3);
    utf8_vec special = V_AND(V_AND(V_LOOKUP(V_LOAD(utf8_first_high), V_NIBBLE(one)),
                                   V_LOOKUP(V_LOAD(utf8_first_low), V_AND(one, V_FILL(15)))),
                             V_LOOKUP(V_LOAD(utf8_second_high), V_NIBBLE(now)));
    utf8_vec inside = V_OR(V_SUBS(two, V_FILL(0xE0 - 0x80)), V_SUBS(three, V_FILL(0xF0 - 0x80)));
    return V_XOR(V_AND(inside, V_FILL(0x80)), special);
}

/* Ends a check when an error shows at p[at] (or at n) in the block at i; `count` and `most` are of p[0..i). A lead shows as
 * bad only with what follows it, up to three bytes on. */
CPU_AVX2_TARGET static size_t utf8_locate(const uint8_t *p, size_t n, size_t at, size_t i, size_t count, utf8_vec most,
                                      size_t *chars, uint8_t *top) {
    uint8_t each[16];
    size_t start = at > 3 ? at - 3 : 0, valid, k;
    while (start < at && (p[start] & 0xC0) == 0x80) start++;
    valid = start + utf8_valid(p + start, n - start);
    if (valid < i) { /* in the block before */
        *chars += utf8_measure(p, valid, top);
        return valid;
    }
    V_STORE(each, most);
    for (k = 0; k < 16; k++) *top = each[k] > *top ? each[k] : *top;
    *chars += count + utf8_measure(p + i, valid - i, top);
    return valid;
}

CPU_AVX2_TARGET static size_t utf8_check_vec(const uint8_t *p, size_t n, size_t *chars, uint8_t *top) {
    utf8_vec last = V_FILL(0), most = V_FILL(0);
    uint8_t tail[64], each[16];
    size_t i = 0, count = 0, k;
    while (i < n) {
        const uint8_t *from = p + i;
        utf8_vec a, b, c, d, errors[4];
        size_t before = count;
        utf8_vec most_before = most;
        if (n - i < 64) { /* the end, filled up with zeros, which are characters of their own */
            memset(tail, 0, 64);
            memcpy(tail, from, n - i);
            count -= 64 - (n - i);
            from = tail;
        }
        a = V_LOAD(from), b = V_LOAD(from + 16), c = V_LOAD(from + 32), d = V_LOAD(from + 48);
        if (!V_HIGH_BITS(V_OR(V_OR(a, b), V_OR(c, d)))) {
            /* A lead in the last three bytes before a block of ASCII shows in its first vector. */
            errors[0] = errors[1] = errors[2] = errors[3] = utf8_errors(a, last);
            count += 64;
        } else {
            errors[0] = utf8_errors(a, last);
            errors[1] = utf8_errors(b, a);
            errors[2] = utf8_errors(c, b);
            errors[3] = utf8_errors(d, c);
            count += 64 - UTF8_POPCOUNT(utf8_continuations(a, b, c, d));
            most = V_MAX(most, V_MAX(V_MAX(a, b), V_MAX(c, d)));
        }
        if (V_ANY(V_OR(V_OR(errors[0], errors[1]), V_OR(errors[2], errors[3])))) {
            for (k = 0; k < 4; k++) V_STORE(tail + 16 * k, errors[k]);
            for (k = 0; !tail[k]; k++) {}
            return utf8_locate(p, n, i + k < n ? i + k : n, i, before, most_before, chars, top);
        }
        last = d;
        i += 64;
    }
    if (i == n && V_ANY(utf8_errors(V_FILL(0), last))) return utf8_locate(p, n, n, n, count, most, chars, top);
    V_STORE(each, most);
    for (k = 0; k < 16; k++) *top = each[k] > *top ? each[k] : *top;
    *chars += count;
    return n;
}

/* ---- widen ------------------------------------------------------------------------------------------------------ */

/* Which bytes of eight 16-bit lanes to keep, by a bit for each lane, packed to the front. */
static uint8_t utf8_pack[256][16];
/* The same for eight bytes. */
static uint8_t utf8_pack8[256][8];

/* Fills the tables; called once, at import, under the import lock. */
static void utf8_prepare(void) {
    int bits, lane;
    for (bits = 0; bits < 256; bits++) {
        uint8_t *to = utf8_pack[bits], *to8 = utf8_pack8[bits];
        memset(to, 0x80, 16);
        memset(to8, 0x80, 8);
        for (lane = 0; lane < 8; lane++)
            if (bits >> lane & 1) {
                *to++ = (uint8_t)(2 * lane);
                *to++ = (uint8_t)(2 * lane + 1);
                *to8++ = (uint8_t)lane;
            }
    }
}

/* Sixteen ASCII bytes. */
CPU_AVX2_TARGET static inline void utf8_put_ascii(utf8_vec bytes, int width, uint8_t *out) {
    utf8_vec low = V_WIDEN_LOW(bytes), high = V_WIDEN_HIGH(bytes);
    if (width == 0) V_STORE(out, bytes);
    else if (width == 1) {
        V_STORE(out, low);
        V_STORE(out + 16, high);
    } else {
        V_STORE(out, V_ZIP16_LOW(low, V_FILL(0)));
        V_STORE(out + 16, V_ZIP16_HIGH(low, V_FILL(0)));
        V_STORE(out + 32, V_ZIP16_LOW(high, V_FILL(0)));
        V_STORE(out + 48, V_ZIP16_HIGH(high, V_FILL(0)));
    }
}

/* Writes the characters that begin in the eight bytes at p, of which `leads` has the bits. Every byte is taken for a
 * lead, in a lane of its own, and the lanes that are none are packed away: no branch and nothing serial but `out`, which
 * is returned moved. Reads 11 bytes, writes 8 units (16 of one byte). */
CPU_AVX2_TARGET static inline uint8_t *utf8_step(const uint8_t *p, unsigned leads, int width, uint8_t *out) {
    const utf8_vec pack = V_LOAD(utf8_pack[leads]);
    utf8_vec first = V_LOAD_WIDE(p), second = V_LOAD_WIDE(p + 1), units;
    utf8_vec low = V_AND(second, V_FILL16(0x3F));
    utf8_vec two = V_OR(V_AND(V_SHL16(first, 6), V_FILL16(0x7C0)), low);
    units = V_PICK(V_ABOVE16(first, 0xBF), two, first);
    if (width > 0) {
        utf8_vec third = V_AND(V_LOAD_WIDE(p + 2), V_FILL16(0x3F));
        utf8_vec tail = V_OR(V_SHL16(low, 6), third); /* of the second and third byte */
        units = V_PICK(V_ABOVE16(first, 0xDF), V_OR(V_SHL16(first, 12), tail), units);
        if (width == 2) {
            utf8_vec four = V_ABOVE16(first, 0xEF), fourth = V_AND(V_LOAD_WIDE(p + 3), V_FILL16(0x3F));
            utf8_vec high = V_OR(V_SHL16(V_AND(first, V_FILL16(7)), 2), V_SHR16(low, 4));
            units = V_LOOKUP(V_PICK(four, V_OR(V_SHL16(tail, 6), fourth), units), pack);
            high = V_LOOKUP(V_AND(four, high), pack);
            V_STORE(out, V_ZIP16_LOW(units, high));
            V_STORE(out + 16, V_ZIP16_HIGH(units, high));
            return out + (UTF8_POPCOUNT(leads) << 2);
        }
    }
    units = V_LOOKUP(units, pack);
    V_STORE(out, width == 0 ? V_NARROW16(units) : units);
    return out + (UTF8_POPCOUNT(leads) << width);
}

/* Valid bytes to units. Whatever a step writes too much must lie inside of `out`: 36 bytes from a step on hold at
 * least 8 more characters even if 3 of them end one before (16 if these are of two bytes). The rest goes through the
 * stack. */
CPU_AVX2_TARGET static inline void utf8_widen_vec(const uint8_t *p, size_t n, int width, uint8_t *out) {
    uint8_t rest[112], units[112 * 4], *end = units;
    size_t i = 0, k;
    for (; n - i >= 56 + 36; i += 64) {
        utf8_vec a = V_LOAD(p + i), b = V_LOAD(p + i + 16), c = V_LOAD(p + i + 32), d = V_LOAD(p + i + 48);
        if (!V_HIGH_BITS(V_OR(V_OR(a, b), V_OR(c, d)))) {
            utf8_put_ascii(a, width, out);
            utf8_put_ascii(b, width, out + ((size_t)16 << width));
            utf8_put_ascii(c, width, out + ((size_t)32 << width));
            utf8_put_ascii(d, width, out + ((size_t)48 << width));
            out += (size_t)64 << width;
        } else {
            uint64_t leads = ~utf8_continuations(a, b, c, d);
            for (k = 0; k < 64; k += 8) out = utf8_step(p + i + k, leads >> k & 0xFF, width, out);
        }
    }
    memset(rest, 0x80, sizeof rest);
    memcpy(rest, p + i, n - i);
    for (k = 0; k < n - i; k += 16) {
        utf8_vec a = V_LOAD(rest + k);
        uint64_t leads = ~utf8_continuations(a, a, a, a);
        end = utf8_step(rest + k, leads & 0xFF, width, end);
        end = utf8_step(rest + k + 8, leads >> 8 & 0xFF, width, end);
    }
    memcpy(out, units, (size_t)(end - units));
}

#endif

#if defined(CPU_SSE2)
static const utf8_kernel utf8_sse2 = {
    "sse2", utf8_check_scalar, utf8_ascii_vec, {utf8_widen1_scalar, utf8_widen2_scalar, utf8_widen4_scalar}};
#endif
#if defined(CPU_AVX2)
#include "kernels/utf8_avx2.h"
#endif
#if defined(CPU_NEON)
CPU_AVX2_TARGET static void utf8_widen1_vec(const uint8_t *p, size_t n, void *out) { utf8_widen_vec(p, n, 0, (uint8_t *)out); }
CPU_AVX2_TARGET static void utf8_widen2_vec(const uint8_t *p, size_t n, void *out) { utf8_widen_vec(p, n, 1, (uint8_t *)out); }
CPU_AVX2_TARGET static void utf8_widen4_vec(const uint8_t *p, size_t n, void *out) { utf8_widen_vec(p, n, 2, (uint8_t *)out); }
static const utf8_kernel utf8_neon = {
    "neon", utf8_check_vec, utf8_ascii_vec, {utf8_widen1_vec, utf8_widen2_vec, utf8_widen4_vec}};
#endif

#endif

/* Pre-token scanners of the GPT-2, cl100k and o200k families over UTF-8 text.
 *
 * Goal: exactly the pieces that leftmost-first regex matching gives, without a regex engine.
 * Plan: bpe_scan_one() finds one end code point by code point and is the reference; bpe_scan_many() classifies 64
 * bytes at a time into bit masks, one bit per byte if they are ASCII, else one per character, derives
 * all piece starts of this window by bit arithmetic, and falls back to bpe_scan_one() where a piece outgrows it.
 *
 * Text must be valid UTF-8. With final == 0 the text is a prefix of something longer: a piece whose end depends on
 * what follows gives BPE_MORE.
 */
#ifndef STREAMCORE_BPE_SCAN_H
#define STREAMCORE_BPE_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bpe/merge.h"
#include "bpe/unicode.h"

enum { BPE_GPT2 = 0, BPE_CL100K = 1, BPE_O200K = 2, BPE_WHOLE = 3 }; /* WHOLE: text is one piece */

typedef struct {
    uint8_t family;
    uint8_t digits;   /* most digits in a piece, 0 for any number */
    uint8_t trailing; /* 1: white space at the end of the text is one piece, line ends or not (\s++$ before \s*[\r\n]) */
} bpe_spec;

#define BPE_MORE ((size_t)-1)
#define BPE_LNS (BPE_LETTER | BPE_NUMBER | BPE_SPACE)
#define BPE_BOTH (BPE_UPPER_LIKE | BPE_LOWER_LIKE)

static inline unsigned bpe_flags_of(uint32_t c) {
    return bpe_class_blocks[(uint32_t)bpe_class_index[c >> BPE_CLASS_SHIFT] << BPE_CLASS_SHIFT |
                            (c & ((1u << BPE_CLASS_SHIFT) - 1))];
}

/* Flags of the code point at p, and its length in bytes. */
static inline unsigned bpe_flags(const uint8_t *p, size_t *len) {
    uint32_t c = p[0];
    if (c < 0x80) {
        *len = 1;
        return bpe_class_blocks[c];
    }
    if (c < 0xE0) {
        c = (c & 0x1F) << 6 | (p[1] & 0x3F);
        *len = 2;
    } else if (c < 0xF0) {
        c = (c & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
        *len = 3;
    } else {
        c = (c & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 | (uint32_t)(p[2] & 0x3F) << 6 | (p[3] & 0x3F);
        *len = 4;
    }
    return bpe_flags_of(c);
}

/* End of the run of code points at q that have a flag of want, or none of it when want_none. */
static inline size_t bpe_run(const uint8_t *text, size_t q, size_t n, unsigned mask, int inverted) {
    size_t len;
    while (q < n && (((bpe_flags(text + q, &len) & mask) != 0) ^ inverted)) q += len;
    return q;
}

static inline size_t bpe_run_newlines(const uint8_t *text, size_t q, size_t n, int slash) {
    while (q < n && (text[q] == '\n' || text[q] == '\r' || (slash && text[q] == '/'))) q++;
    return q;
}

/* Bytes of the contraction ('s 't 'm 'd 'll 've 're) at p, which holds an apostrophe; 0: none; BPE_MORE: not yet known.
 * (?i:s) also matches U+017F, the long s. */
static inline size_t bpe_contraction(const uint8_t *text, size_t p, size_t n, int fold, int final) {
    unsigned a, b;
    if (p + 1 >= n) return final ? 0 : BPE_MORE;
    a = text[p + 1];
    if (a >= 0x80) return fold && a == 0xC5 && text[p + 2] == 0xBF ? 3 : 0;
    if (fold && a >= 'A' && a <= 'Z') a |= 0x20;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if (a != 'l' && a != 'v' && a != 'r') return 0;
    if (p + 2 >= n) return final ? 0 : BPE_MORE;
    b = text[p + 2];
    if (fold && b >= 'A' && b <= 'Z') b |= 0x20;
    return b == (a == 'l' ? 'l' : 'e') ? 3 : 0;
}

static inline size_t bpe_scan_digits(const uint8_t *text, size_t p, size_t n, unsigned most, int final) {
    size_t len, q = p;
    unsigned k = 0;
    while (q < n && (bpe_flags(text + q, &len) & BPE_NUMBER)) {
        q += len;
        if (++k == most) return q;
    }
    return q < n || final ? q : BPE_MORE;
}

/* White space at p that no other alternative takes: \s++$ (by spec), \s*[\r\n]+ (by spec), \s+(?!\S), \s+ */
static inline size_t bpe_scan_space(const uint8_t *text, size_t p, size_t n, int newlines, int trailing, int final) {
    size_t len = 0, q = p, last = p, after_newline = 0;
    while (q < n && (bpe_flags(text + q, &len) & BPE_SPACE)) {
        last = q;
        if (newlines && (text[q] == '\n' || text[q] == '\r')) after_newline = q + 1;
        q += len;
    }
    if (q >= n) {
        if (!final) return BPE_MORE;
        if (trailing) return q;
    }
    if (after_newline) return after_newline;
    return q >= n || last == p ? q : last;
}

static inline size_t bpe_scan_gpt2(const uint8_t *text, size_t p, size_t n, const bpe_spec *spec, int final) {
    size_t len, q = p, end;
    unsigned f;
    if (text[p] == '\'') {
        size_t c = bpe_contraction(text, p, n, 0, final);
        if (c) return c == BPE_MORE ? c : p + c;
    }
    f = bpe_flags(text + p, &len);
    if (text[p] == ' ') {
        if (p + 1 >= n) return final ? n : BPE_MORE;
        f = bpe_flags(text + p + 1, &len);
        q = p + 1;
    }
    if (f & BPE_SPACE) return bpe_scan_space(text, p, n, 0, 0, final);
    if (f & BPE_NUMBER) return bpe_scan_digits(text, q, n, spec->digits, final);
    end = f & BPE_LETTER ? bpe_run(text, q, n, BPE_LETTER, 0) : bpe_run(text, q, n, BPE_LNS, 1);
    return end < n || final ? end : BPE_MORE;
}

/* ` ?[^\s\p{L}\p{N}]+[\r\n]*` (o200k: [\r\n/]*) from its first mark q on. */
static inline size_t bpe_scan_marks(const uint8_t *text, size_t q, size_t n, int slash, int final) {
    size_t end = bpe_run_newlines(text, bpe_run(text, q, n, BPE_LNS, 1), n, slash);
    return end < n || final ? end : BPE_MORE;
}

static inline size_t bpe_scan_cl100k(const uint8_t *text, size_t p, size_t n, const bpe_spec *spec, int final) {
    size_t len, q, end, c = text[p];
    unsigned f = bpe_flags(text + p, &len);
    if (c == '\'') {
        size_t k = bpe_contraction(text, p, n, 1, final);
        if (k) return k == BPE_MORE ? k : p + k;
    }
    if (f & BPE_NUMBER) return bpe_scan_digits(text, p, n, spec->digits, final);
    if (c != '\n' && c != '\r') {
        q = f & BPE_LETTER ? p : p + len;
        end = bpe_run(text, q, n, BPE_LETTER, 0);
        if (end >= n && !final) return BPE_MORE;
        if (end > q) return end;
        if (!(f & BPE_SPACE)) return bpe_scan_marks(text, p, n, 0, final);
        if (c == ' ' && q < n && !(bpe_flags(text + q, &len) & BPE_LNS)) return bpe_scan_marks(text, q, n, 0, final);
    }
    return bpe_scan_space(text, p, n, 1, spec->trailing, final);
}

/* End of the o200k word at q by its two alternatives, 0 if neither matches there. U* takes all it can and gives back
 * one by one until W+ matches; as every code point that is in both sets may stand for W, that is the last of them.
 * first: only the first alternative (U*W+). */
static inline size_t bpe_o200k_word(const uint8_t *text, size_t q, size_t n, int *first, int final) {
    size_t len, a = q, both = 0;
    unsigned f = 0;
    while (a < n && ((f = bpe_flags(text + a, &len)) & BPE_UPPER_LIKE)) {
        a += len;
        if (f & BPE_LOWER_LIKE) both = a;
    }
    if (a >= n && !final) return BPE_MORE;
    *first = 1;
    if (a < n && (f & BPE_LOWER_LIKE)) {
        a = bpe_run(text, a, n, BPE_LOWER_LIKE, 0);
        return a < n || final ? a : BPE_MORE;
    }
    if (both) return both;
    *first = 0;
    return a > q ? a : 0;
}

static inline size_t bpe_scan_o200k(const uint8_t *text, size_t p, size_t n, const bpe_spec *spec, int final) {
    size_t len, q, end, c = text[p];
    unsigned f = bpe_flags(text + p, &len);
    if (f & BPE_NUMBER) return bpe_scan_digits(text, p, n, spec->digits, final);
    if (c != '\n' && c != '\r') {
        int first = 0;
        q = f & BPE_LETTER ? p : p + len;
        end = bpe_o200k_word(text, q, n, &first, final);
        if (end == BPE_MORE) return end;
        if (!(f & BPE_LETTER) && !first && (f & BPE_BOTH)) end = q; /* a mark alone: U*W+ without the optional character */
        if (end) {
            if (end >= n && !final) return BPE_MORE;
            if (end < n && text[end] == '\'') {
                size_t k = bpe_contraction(text, end, n, 1, final);
                if (k == BPE_MORE) return k;
                end += k;
            }
            return end;
        }
        if (!(f & BPE_SPACE)) return bpe_scan_marks(text, p, n, 1, final);
        if (c == ' ' && q < n && !(bpe_flags(text + q, &len) & BPE_LNS)) return bpe_scan_marks(text, q, n, 1, final);
    }
    return bpe_scan_space(text, p, n, 1, spec->trailing, final);
}

/* End of the piece that starts at p < n. */
static inline size_t bpe_scan_one(const bpe_spec *spec, const uint8_t *text, size_t p, size_t n, int final) {
    if (spec->family == BPE_CL100K) return bpe_scan_cl100k(text, p, n, spec, final);
    if (spec->family == BPE_WHOLE) return final ? n : BPE_MORE;
    if (spec->family == BPE_O200K) return bpe_scan_o200k(text, p, n, spec, final);
    return bpe_scan_gpt2(text, p, n, spec, final);
}

/* One bit a byte, or a character; other is left to the caller. both: letters that are neither capital nor small. */
typedef struct {
    uint64_t letter, upper, both, digit, blank /* white space but no line end */, newline, space /* 0x20 */, quote, slash;
    uint64_t other, high;
} bpe_masks;

/* Bits from each seed to the end of its run of ones in mask; seeds lie in mask. */
static inline uint64_t bpe_flood(uint64_t seed, uint64_t mask) { return (mask & ~(mask + seed)) | seed; }

static inline uint64_t bpe_starts_digits(uint64_t digits, unsigned most) {
    uint64_t starts = digits & ~(digits << 1), far, step;
    if (most == 0) return starts;
    if (most == 1) return digits;
    far = digits;
    for (unsigned k = 1; k <= most; k++) far &= digits << k; /* all of the last most + 1 are digits */
    for (step = (starts << most) & far; step; step = (step << most) & far) starts |= step;
    return starts;
}

/* Characters of the contraction at the apostrophe `at` of a window, 0 for none; two more bytes can be read. */
static inline unsigned bpe_window_contraction(const uint8_t *at, int fold) {
    unsigned a = at[1], b = at[2];
    if (a >= 0x80) return fold && a == 0xC5 && b == 0xBF ? 2 : 0; /* U+017F */
    if (fold) a |= 0x20, b |= 0x20;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    return (a == 'l' && b == 'l') || ((a == 'v' || a == 'r') && b == 'e') ? 3 : 0;
}

/* Starts of white space pieces (cl100k, o200k), where sep are blanks and newline line ends that are not yet taken. end:
 * bit after the text's last byte if the text ends in this window, else 0. */
static inline uint64_t bpe_starts_space(uint64_t sep, uint64_t newline, uint64_t end, int trailing) {
    uint64_t space = sep | newline, starts = space & ~(space << 1);
    uint64_t after = sep & ~(sep << 1) & (newline << 1); /* blanks just after a line end */
    uint64_t ends = (sep + after) & ~sep;
    if (ends & newline) { /* some of these runs end in another line end: take the others one by one */
        uint64_t kept = 0;
        while (after) {
            uint64_t one = after & (0 - after), stop = (sep + one) & ~sep & ~(one - 1);
            stop &= 0 - stop;
            if (!(stop & newline) && !(trailing && (stop & end))) kept |= one;
            after ^= one;
        }
        after = kept;
    } else if (trailing && (ends & end)) {
        uint64_t tail = after;
        while (tail & (tail - 1)) tail &= tail - 1;
        after ^= tail; /* the last run is the one that reaches the end */
    }
    return starts | after | (sep & ~(space >> 1) & ~(end >> 1));
}

static inline uint64_t bpe_window_gpt2(const bpe_masks *m, const uint8_t *at, const uint8_t *places, uint64_t end,
                                       const bpe_spec *spec) {
    uint64_t space = m->blank | m->newline, other = m->other, starts, quotes;
    uint64_t digits = m->digit & ~(m->digit << 1);
    (void)spec;
    starts = ((m->letter & ~(m->letter << 1)) | digits | (other & ~(other << 1))) & ~(m->space << 1);
    starts |= (space & ~(space << 1)) | (space & ~(space >> 1) & ~(end >> 1));
    quotes = m->quote & ~(other << 1) & ~(m->space << 1) & (m->letter >> 1);
    while (quotes) {
        unsigned i = bits_first(quotes), k = bpe_window_contraction(at + (places ? places[i] : i), 0);
        if (k) starts = (starts & ~(UINT64_C(2) << i)) | (m->letter & (UINT64_C(1) << i << k));
        quotes &= quotes - 1;
    }
    return starts;
}

static inline uint64_t bpe_window_cl100k(const bpe_masks *m, const uint8_t *at, const uint8_t *places, uint64_t end,
                                       const bpe_spec *spec) {
    uint64_t other = m->other, letter = m->letter, starts, quotes;
    uint64_t first = other & ~(other << 1) & ~(m->space << 1);  /* marks that begin a piece */
    uint64_t joined = first & (letter >> 1);                    /* and are the character before letters */
    uint64_t tail = m->newline & (other << 1);                  /* line ends right after marks belong to them */
    if (tail) tail = bpe_flood(tail, m->newline);
    starts = (letter & ~(letter << 1) & ~((m->blank | joined) << 1)) | first;
    starts |= bpe_starts_digits(m->digit, spec->digits);
    starts |= bpe_starts_space(m->blank, m->newline & ~tail, end, spec->trailing);
    quotes = m->quote & joined;
    while (quotes) {
        unsigned i = bits_first(quotes), k = bpe_window_contraction(at + (places ? places[i] : i), 1);
        if (k) starts |= letter & (UINT64_C(1) << i << k);
        quotes &= quotes - 1;
    }
    return starts;
}

static inline uint64_t bpe_window_o200k(const bpe_masks *m, const uint8_t *at, const uint8_t *places, uint64_t end,
                                       const bpe_spec *spec) {
    uint64_t other = m->other, letter = m->letter, starts, quotes, first, joined;
    uint64_t tail = m->newline & (other << 1);
    if (tail) {
        tail = bpe_flood(tail, m->newline | m->slash);
        other &= ~tail;
    }
    first = other & ~(other << 1) & ~(m->space << 1);
    joined = first & (letter >> 1);
    starts = (letter & ~(letter << 1) & ~((m->blank | joined) << 1)) | first;
    starts |= m->upper & ((letter & ~m->upper) << 1);
    starts |= bpe_starts_digits(m->digit, spec->digits);
    starts |= bpe_starts_space(m->blank, m->newline & ~tail, end, spec->trailing);
    quotes = m->quote & (letter << 1) & (letter >> 1);
    while (quotes) {
        unsigned i = bits_first(quotes), k = bpe_window_contraction(at + (places ? places[i] : i), 1);
        quotes &= quotes - 1;
        if (k) {
            uint64_t inside = ((UINT64_C(1) << k) - 1) << i, after = UINT64_C(1) << i << k;
            starts = (starts & ~inside) | (after & letter);
            quotes &= ~after; /* the letter before that apostrophe is no word of its own */
        }
    }
    return starts;
}
/* A mark after a letter is as good as one in an o200k word; elsewhere the window, of n characters, ends before it. It also
 * ends before a capital after a letter without case, where a piece's end depends on what follows the capitals. */
static inline unsigned bpe_join_marks(bpe_masks *m, unsigned n) {
    uint64_t mark = m->both & ~m->letter, stop;
    if (mark) {
        uint64_t inside = mark & (m->letter << 1);
        if (inside) inside = bpe_flood(inside, mark);
        m->letter |= inside;
        mark &= ~inside;
    }
    stop = mark | (m->upper & (m->both << 1));
    return stop && bits_first(stop) < n ? bits_first(stop) : n;
}

static inline void bpe_list_bits(uint64_t bits, uint8_t *places) {
    for (; bits; bits &= bits - 1) *places++ = (uint8_t)bits_first(bits);
}

/* The kinds of vectors. V_LETTER ... V_QUOTE are comparisons with ASCII classes in terms of V_RANGE and V_IS. */
#define V_LETTER(x) V_RANGE(V_LOWER(x), 'a', 26)
#define V_UPPER(x) V_RANGE(x, 'A', 26)
#define V_DIGIT(x) V_RANGE(x, '0', 10)
#define V_CONTROL(x) V_RANGE(x, 9, 5)
#define V_NEWLINE(x) V_OR(V_IS(x, '\n'), V_IS(x, '\r'))
#define V_SPACE(x) V_IS(x, ' ')
#define V_QUOTE(x) V_IS(x, '\'')
#define V_SLASH(x) V_IS(x, '/')
#define V_BIT0(x) V_BIT(x, 0)
#define V_BIT1(x) V_BIT(x, 1)
#define V_BIT2(x) V_BIT(x, 2)
#define V_BIT3(x) V_BIT(x, 3)
#define V_BIT4(x) V_BIT(x, 4)
#define V_BIT5(x) V_BIT(x, 5)
#define V_BIT6(x) V_BIT(x, 6)
#define V_BIT7(x) V_BIT(x, 7)

#if defined(CPU_SSE2)

#define BPE_BASE "sse2"
#define BPE_NAME(name) name##_base
#define V_LOAD(p)                                                                                             \
    __m128i v0 = _mm_loadu_si128((const __m128i *)(p)), v1 = _mm_loadu_si128((const __m128i *)((p) + 16)),    \
            v2 = _mm_loadu_si128((const __m128i *)((p) + 32)), v3 = _mm_loadu_si128((const __m128i *)((p) + 48))
#define V_MASK(op) bpe_join_sse2(op(v0), op(v1), op(v2), op(v3))
/* first <= byte < first + count, as a signed compare after a shift to the lowest value */
#define V_RANGE(x, first, count) \
    _mm_cmplt_epi8(_mm_add_epi8(x, _mm_set1_epi8((char)(0x80 - (first)))), _mm_set1_epi8((char)(-128 + (count))))
#define V_IS(x, c) _mm_cmpeq_epi8(x, _mm_set1_epi8(c))
#define V_OR(x, y) _mm_or_si128(x, y)
#define V_LOWER(x) _mm_or_si128(x, _mm_set1_epi8(0x20))
#define V_HIGH(x) (x)
#define V_LATER(x) _mm_cmplt_epi8(x, _mm_set1_epi8(-64))
#define V_BIT(x, b) _mm_slli_epi16(x, 7 - (b))
static inline uint64_t bpe_join_sse2(__m128i a, __m128i b, __m128i c, __m128i d) {
    return (uint64_t)(uint32_t)_mm_movemask_epi8(a) | (uint64_t)(uint32_t)_mm_movemask_epi8(b) << 16 |
           (uint64_t)(uint32_t)_mm_movemask_epi8(c) << 32 | (uint64_t)(uint32_t)_mm_movemask_epi8(d) << 48;
}

#elif defined(CPU_NEON)

#define BPE_BASE "neon"
#define BPE_NAME(name) name##_base
#define V_LOAD(p) \
    uint8x16_t v0 = vld1q_u8(p), v1 = vld1q_u8((p) + 16), v2 = vld1q_u8((p) + 32), v3 = vld1q_u8((p) + 48)
#define V_MASK(op) bpe_join_neon(op(v0), op(v1), op(v2), op(v3))
#define V_RANGE(x, first, count) vcltq_u8(vsubq_u8(x, vdupq_n_u8(first)), vdupq_n_u8(count))
#define V_IS(x, c) vceqq_u8(x, vdupq_n_u8(c))
#define V_OR(x, y) vorrq_u8(x, y)
#define V_LOWER(x) vorrq_u8(x, vdupq_n_u8(0x20))
#define V_HIGH(x) vcgeq_u8(x, vdupq_n_u8(0x80))
#define V_LATER(x) vcltq_s8(vreinterpretq_s8_u8(x), vdupq_n_s8(-64))
#define V_BIT(x, b) vtstq_u8(x, vdupq_n_u8(1 << (b)))
static inline uint64_t bpe_join_neon(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d) {
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t w = vld1q_u8(weights), s = vpaddq_u8(vandq_u8(a, w), vandq_u8(b, w));
    s = vpaddq_u8(s, vpaddq_u8(vandq_u8(c, w), vandq_u8(d, w)));
    s = vpaddq_u8(s, s);
    return vgetq_lane_u64(vreinterpretq_u64_u8(s), 0);
}

#endif

#if defined(BPE_NAME)
#include "bpe/scan_body.h"
#undef BPE_NAME
#undef V_LOAD
#undef V_MASK
#undef V_RANGE
#undef V_IS
#undef V_OR
#undef V_LOWER
#undef V_HIGH
#undef V_LATER
#undef V_BIT
#endif

#if defined(CPU_AVX2)
CPU_AVX2_BEGIN
#define BPE_NAME(name) name##_avx2
#define V_LOAD(p) \
    __m256i v0 = _mm256_loadu_si256((const __m256i *)(p)), v1 = _mm256_loadu_si256((const __m256i *)((p) + 32))
#define V_MASK(op) \
    ((uint64_t)(uint32_t)_mm256_movemask_epi8(op(v0)) | (uint64_t)(uint32_t)_mm256_movemask_epi8(op(v1)) << 32)
#define V_RANGE(x, first, count)                                                   \
    _mm256_cmpgt_epi8(_mm256_set1_epi8((char)(-128 + (count))),                    \
                      _mm256_add_epi8(x, _mm256_set1_epi8((char)(0x80 - (first)))))
#define V_IS(x, c) _mm256_cmpeq_epi8(x, _mm256_set1_epi8(c))
#define V_OR(x, y) _mm256_or_si256(x, y)
#define V_LOWER(x) _mm256_or_si256(x, _mm256_set1_epi8(0x20))
#define V_HIGH(x) (x)
#define V_LATER(x) _mm256_cmpgt_epi8(_mm256_set1_epi8(-64), x)
#define V_BIT(x, b) _mm256_slli_epi16(x, 7 - (b))
#define V_WIDE(x) _mm256_cmpgt_epi8(x, _mm256_set1_epi8(-33)) /* lead of three bytes or more, or ASCII */
#define V_WIDER(x) _mm256_cmpgt_epi8(x, _mm256_set1_epi8(-17))
#define V_COMPRESS(x, mask) _pext_u64(x, mask)
#define V_EXPAND(x, mask) _pdep_u64(x, mask)
#define V_FIRST(x) _tzcnt_u64(x) /* 64 for none */
#include "bpe/scan_body.h"
#undef BPE_NAME
CPU_AVX2_END
#endif

/* Piece by piece, for processors without vectors, and as the reference of the others. */
static int bpe_scan_many_scalar(const bpe_spec *spec, const uint8_t *text, size_t *at, size_t n, int final, size_t *ends,
                                int max) {
    size_t pos = *at, end;
    int count = 0;
    while (pos < n && count < max && (end = bpe_scan_one(spec, text, pos, n, final)) != BPE_MORE)
        ends[count++] = pos = end;
    *at = pos;
    return count;
}

typedef int (*bpe_scanner)(const bpe_spec *, const uint8_t *, size_t *, size_t, int, size_t *, int);

#if defined(BPE_BASE)
static bpe_scanner bpe_scan_many = bpe_scan_many_base;
#else
static bpe_scanner bpe_scan_many = bpe_scan_many_scalar;
#endif

/* Uses the named kernel ("scalar", "sse2", "avx2", "neon"), or with NULL the one that is fastest here; 0 if it has not
 * the named one. Call before the first scan. AVX2 and BMI make scanning 1.3 to 1.5 times as fast as SSE2 (Zen 4). */
static int bpe_choose_scanner(const char *name) {
#if defined(CPU_AVX2)
    unsigned wanted = name ? CPU_HAS_AVX2 : CPU_HAS_AVX2 | CPU_HAS_FAST_PEXT;
    if ((!name || strcmp(name, "avx2") == 0) && (cpu_features() & wanted) == wanted) {
        bpe_scan_many = bpe_scan_many_avx2;
        bpe_merge_all = bpe_merge_all_avx2;
        return 1;
    }
#endif
#if defined(BPE_BASE)
    if (!name || strcmp(name, BPE_BASE) == 0) {
        bpe_scan_many = bpe_scan_many_base;
        bpe_merge_all = bpe_merge_all_base;
        return 1;
    }
#endif
    if (name && strcmp(name, "scalar") != 0) return 0;
    bpe_scan_many = bpe_scan_many_scalar;
    bpe_merge_all = bpe_merge_all_scalar;
    return 1;
}

#endif

/* The check and the widening of utf8_simd.h (which includes this file) on 32-byte vectors: a fragment of 4 KiB takes
 * 1.1 us in place of 1.5 in Han, and 1.5 in place of 2.0 in Latin, Han and emoji by turns (Zen 4).
 */
#ifndef STREAMCORE_UTF8_AVX2_H
#define STREAMCORE_UTF8_AVX2_H

#define W_LOAD(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define W_STORE(p, v) _mm256_storeu_si256((__m256i *)(void *)(p), v)
#define W_FILL(x) _mm256_set1_epi8((char)(x))
#define W_FILL16(x) _mm256_set1_epi16((short)(x))
#define W_TABLE(table) _mm256_broadcastsi128_si256(V_LOAD(table))
#define W_LOAD_WIDE(p) _mm256_cvtepu8_epi16(V_LOAD(p))
#define W_ANY(v) (!_mm256_testz_si256(v, v))

/* ---- check ------------------------------------------------------------------------------------------------------ */

CPU_AVX2_TARGET static inline __m256i utf8_errors_avx2(__m256i now, __m256i last) {
    const __m256i across = _mm256_permute2x128_si256(last, now, 0x21), nibble = W_FILL(15);
    __m256i one = _mm256_alignr_epi8(now, across, 15), two = _mm256_alignr_epi8(now, across, 14);
    __m256i three = _mm256_alignr_epi8(now, across, 13);
    __m256i by_high = _mm256_shuffle_epi8(W_TABLE(utf8_first_high), _mm256_and_si256(_mm256_srli_epi16(one, 4), nibble));
    __m256i by_low = _mm256_shuffle_epi8(W_TABLE(utf8_first_low), _mm256_and_si256(one, nibble));
    __m256i by_next = _mm256_shuffle_epi8(W_TABLE(utf8_second_high), _mm256_and_si256(_mm256_srli_epi16(now, 4), nibble));
    __m256i special = _mm256_and_si256(_mm256_and_si256(by_high, by_low), by_next);
    __m256i inside = _mm256_or_si256(_mm256_subs_epu8(two, W_FILL(0xE0 - 0x80)),
                                     _mm256_subs_epu8(three, W_FILL(0xF0 - 0x80)));
    return _mm256_xor_si256(_mm256_and_si256(inside, W_FILL(0x80)), special);
}

/* One bit for each of 64 bytes: set where the byte is 10xxxxxx. */
CPU_AVX2_TARGET static inline uint64_t utf8_continuations_avx2(__m256i a, __m256i b) {
    const __m256i limit = W_FILL(-64);
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(limit, a)) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(limit, b)) << 32;
}

CPU_AVX2_TARGET static inline utf8_vec utf8_fold_avx2(__m256i most) {
    return _mm_max_epu8(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
}

CPU_AVX2_TARGET static size_t utf8_check_avx2(const uint8_t *p, size_t n, size_t *chars, uint8_t *top) {
    __m256i last = W_FILL(0), most = W_FILL(0);
    uint8_t tail[64], each[16];
    size_t i = 0, count = 0, k;
    int open = 0; /* the block before ends in a byte that is not ASCII, or nearly */
    while (i < n) {
        const uint8_t *from = p + i;
        __m256i a, b, bad_a, bad_b;
        const size_t before = count;
        const __m256i most_before = most;
        if (n - i < 64) { /* the end, filled up with zeros, which are characters of their own */
            memset(tail, 0, 64);
            memcpy(tail, from, n - i);
            count -= 64 - (n - i);
            from = tail;
        }
        a = W_LOAD(from), b = W_LOAD(from + 32);
        if (!_mm256_movemask_epi8(_mm256_or_si256(a, b))) {
            count += 64;
            i += 64;
            if (!open) continue;
            open = 0;
            bad_a = utf8_errors_avx2(a, last), bad_b = W_FILL(0);
        } else {
            bad_a = utf8_errors_avx2(a, last), bad_b = utf8_errors_avx2(b, a);
            count += 64 - UTF8_POPCOUNT(utf8_continuations_avx2(a, b));
            most = _mm256_max_epu8(most, _mm256_max_epu8(a, b));
            open = (uint32_t)_mm256_movemask_epi8(b) >> 29 != 0;
            i += 64;
        }
        if (W_ANY(_mm256_or_si256(bad_a, bad_b))) {
            i -= 64;
            W_STORE(tail, bad_a);
            W_STORE(tail + 32, bad_b);
            for (k = 0; !tail[k]; k++) {}
            return utf8_locate(p, n, i + k < n ? i + k : n, i, before, utf8_fold_avx2(most_before), chars, top);
        }
        last = open ? b : W_FILL(0);
    }
    if (i == n && open && W_ANY(utf8_errors_avx2(W_FILL(0), last)))
        return utf8_locate(p, n, n, n, count, utf8_fold_avx2(most), chars, top);
    V_STORE(each, utf8_fold_avx2(most));
    for (k = 0; k < 16; k++) *top = each[k] > *top ? each[k] : *top;
    *chars += count;
    return n;
}

/* ---- widen ------------------------------------------------------------------------------------------------------ */

/* The characters that begin in the 64 bytes at p to one byte each, all below U+0100: the second byte of a pair is the
 * character, plus 0x40 after C3. Reads 65 bytes. */
CPU_AVX2_TARGET static inline uint8_t *utf8_block1_avx2(const uint8_t *p, __m256i a, __m256i b, uint64_t leads, uint8_t *out) {
    const __m256i high = W_FILL(0xC3), more = W_FILL(0x40);
    uint8_t units[64];
    int k;
    __m256i after_a = _mm256_add_epi8(W_LOAD(p + 1), _mm256_and_si256(_mm256_cmpeq_epi8(a, high), more));
    __m256i after_b = _mm256_add_epi8(W_LOAD(p + 33), _mm256_and_si256(_mm256_cmpeq_epi8(b, high), more));
    W_STORE(units, _mm256_blendv_epi8(a, after_a, a));
    W_STORE(units + 32, _mm256_blendv_epi8(b, after_b, b));
    for (k = 0; k < 64; k += 8) {
        const unsigned here = (unsigned)(leads >> k) & 0xFF;
        const __m128i pack = _mm_loadl_epi64((const __m128i *)(const void *)utf8_pack8[here]);
        const __m128i eight = _mm_loadl_epi64((const __m128i *)(const void *)(units + k));
        _mm_storel_epi64((__m128i *)(void *)out, _mm_shuffle_epi8(eight, pack));
        out += UTF8_POPCOUNT(here);
    }
    return out;
}

/* As utf8_step() for the sixteen bytes at p and units of two or four bytes: the lower and the upper eight are packed each
 * by itself. Reads 19 bytes. */
CPU_AVX2_TARGET static inline uint8_t *utf8_step_avx2(const uint8_t *p, unsigned leads, int width, uint8_t *out) {
    const unsigned lower = leads & 0xFF, upper = leads >> 8 & 0xFF;
    const __m256i pack = _mm256_inserti128_si256(_mm256_castsi128_si256(V_LOAD(utf8_pack[lower])), V_LOAD(utf8_pack[upper]), 1);
    const __m256i first = W_LOAD_WIDE(p), six = W_FILL16(0x3F);
    const __m256i low = _mm256_and_si256(W_LOAD_WIDE(p + 1), six);
    const __m256i tail = _mm256_or_si256(_mm256_slli_epi16(low, 6), _mm256_and_si256(W_LOAD_WIDE(p + 2), six));
    const __m256i two = _mm256_or_si256(_mm256_and_si256(_mm256_slli_epi16(first, 6), W_FILL16(0x7C0)), low);
    const __m256i three = _mm256_or_si256(_mm256_slli_epi16(first, 12), tail);
    __m256i units = _mm256_blendv_epi8(first, two, _mm256_cmpgt_epi16(first, W_FILL16(0xBF)));
    units = _mm256_blendv_epi8(units, three, _mm256_cmpgt_epi16(first, W_FILL16(0xDF)));
    if (width == 1) {
        units = _mm256_shuffle_epi8(units, pack);
        V_STORE(out, _mm256_castsi256_si128(units));
        out += UTF8_POPCOUNT(lower) << 1;
        V_STORE(out, _mm256_extracti128_si256(units, 1));
        return out + (UTF8_POPCOUNT(upper) << 1);
    } else {
        const __m256i four = _mm256_cmpgt_epi16(first, W_FILL16(0xEF));
        const __m256i last = _mm256_or_si256(_mm256_slli_epi16(tail, 6), _mm256_and_si256(W_LOAD_WIDE(p + 3), six));
        __m256i high = _mm256_or_si256(_mm256_slli_epi16(_mm256_and_si256(first, W_FILL16(7)), 2), _mm256_srli_epi16(low, 4));
        __m256i begin, end;
        high = _mm256_shuffle_epi8(_mm256_and_si256(four, high), pack);
        units = _mm256_shuffle_epi8(_mm256_blendv_epi8(units, last, four), pack);
        begin = _mm256_unpacklo_epi16(units, high);
        end = _mm256_unpackhi_epi16(units, high);
        V_STORE(out, _mm256_castsi256_si128(begin));
        V_STORE(out + 16, _mm256_castsi256_si128(end));
        out += UTF8_POPCOUNT(lower) << 2;
        V_STORE(out, _mm256_extracti128_si256(begin, 1));
        V_STORE(out + 16, _mm256_extracti128_si256(end, 1));
        return out + (UTF8_POPCOUNT(upper) << 2);
    }
}

/* As utf8_widen_vec(), by the same rule for what is written too much. */
CPU_AVX2_TARGET static inline void utf8_widen_avx2(const uint8_t *p, size_t n, int width, uint8_t *out) {
    size_t i = 0, k;
    for (; n - i >= 56 + 36; i += 64) {
        const __m256i a = W_LOAD(p + i), b = W_LOAD(p + i + 32);
        if (!_mm256_movemask_epi8(_mm256_or_si256(a, b))) {
            for (k = 0; k < 64; k += 16) utf8_put_ascii(V_LOAD(p + i + k), width, out + (k << width));
            out += (size_t)64 << width;
        } else {
            const uint64_t leads = ~utf8_continuations_avx2(a, b);
            if (width == 0)
                out = utf8_block1_avx2(p + i, a, b, leads, out);
            else
                for (k = 0; k < 64; k += 16) out = utf8_step_avx2(p + i + k, (unsigned)(leads >> k) & 0xFFFF, width, out);
        }
    }
    utf8_widen_vec(p + i, n - i, width, out);
}

CPU_AVX2_TARGET static void utf8_widen1_avx2(const uint8_t *p, size_t n, void *out) { utf8_widen_avx2(p, n, 0, (uint8_t *)out); }
CPU_AVX2_TARGET static void utf8_widen2_avx2(const uint8_t *p, size_t n, void *out) { utf8_widen_avx2(p, n, 1, (uint8_t *)out); }
CPU_AVX2_TARGET static void utf8_widen4_avx2(const uint8_t *p, size_t n, void *out) { utf8_widen_avx2(p, n, 2, (uint8_t *)out); }

static const utf8_kernel utf8_avx2 = {
    "avx2", utf8_check_avx2, utf8_ascii_vec, {utf8_widen1_avx2, utf8_widen2_avx2, utf8_widen4_avx2}};

#endif

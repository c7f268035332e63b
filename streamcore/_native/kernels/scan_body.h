/* The kernels over 64-byte masks, included by scan.h once an instruction set (no include guard on purpose).
 *
 * The last block of fewer than 64 bytes goes through a zero-padded copy: one extra memcpy a span, and no second loop.
 */

/* Bits of the positions below n. */
#define SC_BELOW(n) (((uint64_t)1 << (n)) - 1)
/* Keeps ctz defined for 0; what is then written is overwritten. */
#define SC_TOP ((uint64_t)1 << 63)
#define SC_PUT do { \
    out[k] = base + bits_first(mask | SC_TOP); \
    k += mask != 0; \
    mask &= mask - 1; \
} while (0)
#define SC_WRITE(i) do { \
    to[i] = base + bits_first(mask | SC_TOP); \
    mask &= mask - 1; \
} while (0)

/* Write the positions of the bits of `mask`, the first two without a branch, the next four with one: whether 64 bytes
   of text hold 0, 1 or 2 line ends, or of short records 3 or 6, is what no branch predictor foresees. */
SC_FN inline size_t SC_NAME(emit)(uint64_t mask, uint32_t base, uint32_t *out, size_t k)
{
#ifdef SC_COUNT
    const size_t count = SC_COUNT(mask);
    uint32_t *to = out + k;
    SC_WRITE(0);
    SC_WRITE(1);
    if (count > 2) {
        SC_WRITE(2);
        SC_WRITE(3);
        SC_WRITE(4);
        SC_WRITE(5);
        SC_WRITE(6);
        SC_WRITE(7);
        for (to += 8; mask; to++)
            SC_WRITE(0);
    }
    return k + count;
#else
    SC_PUT;
    SC_PUT;
    if (mask) {
        SC_PUT;
        SC_PUT;
        SC_PUT;
        SC_PUT;
    }
    while (mask) {
        out[k++] = base + bits_first(mask);
        mask &= mask - 1;
    }
    return k;
#endif
}

SC_FN size_t SC_NAME(byte)(const uint8_t *p, size_t n, uint8_t byte, uint32_t *out, size_t cap, size_t *done)
{
    size_t i = 0, k = 0;
    size_t before = 1;
    /* By 256 bytes, of which nearly all or nearly none hold a hit: a branch that is foreseen. Where the 256 before held
       one, these are not asked first, which saves a quarter of the time at 100 bytes a line. */
    for (; i + 256 <= n && cap - k > 256; i += 256) {
        if (k == before && !SC_NAME(any256)(p + i, byte))
            continue;
        before = k;
        k = SC_NAME(emit)(SC_NAME(eq64)(p + i, byte), (uint32_t)i, out, k);
        k = SC_NAME(emit)(SC_NAME(eq64)(p + i + 64, byte), (uint32_t)i + 64, out, k);
        k = SC_NAME(emit)(SC_NAME(eq64)(p + i + 128, byte), (uint32_t)i + 128, out, k);
        k = SC_NAME(emit)(SC_NAME(eq64)(p + i + 192, byte), (uint32_t)i + 192, out, k);
    }
    for (; i < n && cap - k > 64; i += 64) {
        if (n - i >= 64) {
            k = SC_NAME(emit)(SC_NAME(eq64)(p + i, byte), (uint32_t)i, out, k);
        }
        else {
            uint8_t last[64] = {0};
            memcpy(last, p + i, n - i);
            k = SC_NAME(emit)(SC_NAME(eq64)(last, byte) & SC_BELOW(n - i), (uint32_t)i, out, k);
        }
    }
    *done = i < n ? i : n;
    return k;
}

SC_FN inline uint64_t SC_NAME(any64)(const uint8_t *p, const sc_set *set)
{
    uint64_t mask = SC_NAME(eq64)(p, set->bytes[0]);
    int j;
    for (j = 1; j < set->count; j++)
        mask |= SC_NAME(eq64)(p, set->bytes[j]);
    return mask;
}

SC_FN size_t SC_NAME(set)(const uint8_t *p, size_t n, const sc_set *set, uint32_t *out, size_t cap, size_t *done)
{
    size_t i = 0, k = 0;
    if (set->count > SC_MAX_SET || set->count == 0)
        return sc_set_scalar(p, n, set, out, cap, done);
    for (; i < n && cap - k > 64; i += 64) {
        if (n - i >= 64) {
            k = SC_NAME(emit)(SC_NAME(any64)(p + i, set), (uint32_t)i, out, k);
        }
        else {
            uint8_t last[64] = {0};
            memcpy(last, p + i, n - i);
            k = SC_NAME(emit)(SC_NAME(any64)(last, set) & SC_BELOW(n - i), (uint32_t)i, out, k);
        }
    }
    *done = i < n ? i : n;
    return k;
}

SC_FN size_t SC_NAME(newline)(const uint8_t *p, size_t n, int *after_cr, uint32_t *out, size_t cap, size_t *done)
{
    size_t i = 0, k = 0;
    uint64_t lf, cr, before = *after_cr != 0;
    for (; i < n && cap - k > 64; i += 64) {
        if (n - i >= 64) {
            lf = SC_NAME(eq64)(p + i, '\n');
            cr = SC_NAME(eq64)(p + i, '\r');
        }
        else {
            uint8_t last[64] = {0};
            memcpy(last, p + i, n - i);
            lf = SC_NAME(eq64)(last, '\n') & SC_BELOW(n - i);
            cr = SC_NAME(eq64)(last, '\r') & SC_BELOW(n - i);
        }
        k = SC_NAME(emit)((lf & ~((cr << 1) | before)) | cr, (uint32_t)i, out, k);
        before = cr >> 63;
    }
    *done = i < n ? i : n;
    if (*done)
        *after_cr = p[*done - 1] == '\r';
    return k;
}

SC_FN size_t SC_NAME(pair)(const uint8_t *p, size_t n, uint8_t first, uint8_t other, size_t gap)
{
    size_t i = 0, stop;
    if (gap >= n)
        return n;
    stop = n - gap;
    for (; i + 64 <= stop; i += 64) {
        uint64_t mask = SC_NAME(eq64)(p + i, first);
        if (mask) {
            mask &= SC_NAME(eq64)(p + i + gap, other);
            if (mask)
                return i + bits_first(mask);
        }
    }
    for (; i < stop; i++)
        if (p[i] == first && p[i + gap] == other)
            return i;
    return n;
}

SC_FN size_t SC_NAME(find_set)(const uint8_t *p, size_t n, const sc_set *set)
{
    size_t i = 0;
    if (set->count > SC_MAX_SET || set->count == 0)
        return sc_find_set_scalar(p, n, set);
    for (; i + 64 <= n; i += 64) {
        uint64_t mask = SC_NAME(any64)(p + i, set);
        if (mask)
            return i + bits_first(mask);
    }
    return i + sc_find_set_scalar(p + i, n - i, set);
}

SC_FN size_t SC_NAME(ascii)(const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t mask = SC_NAME(high64)(p + i);
        if (mask)
            return i + bits_first(mask);
    }
    return i + sc_ascii_scalar(p + i, n - i);
}

static const sc_kernels SC_KERNELS = {
    SC_LABEL, SC_NAME(byte), SC_NAME(set), SC_NAME(newline), SC_NAME(pair), SC_NAME(find_set), SC_NAME(ascii),
};

#undef SC_BELOW
#undef SC_TOP
#undef SC_PUT
#undef SC_WRITE

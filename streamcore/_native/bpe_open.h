/* What is final of a piece that has not ended: the tokens that the encodings of all its continuations share.
 *
 * The encoding of each prefix is that of an earlier one and one more token (bpe_vocab.h: two neighbours decide). A
 * continuation passes through the present end, or through a token that began earlier and ends later: through each start
 * where a longer token begins with the bytes since and fits after what comes before. What all of these share is final.
 */
#ifndef STREAMCORE_BPE_OPEN_H
#define STREAMCORE_BPE_OPEN_H

#include "bpe_encode.h"

#define BPE_OPEN_MAX 256 /* bytes of an open piece that are looked at anew with each fragment */

/* Whether a token below the trie's unit, longer than what led to it, fits after `before`. */
static int bpe_extends(const bpe_vocab *v, bpe_context *c, uint32_t before, uint32_t unit, unsigned depth) {
    uint32_t base = v->units[unit] >> 10;
    if (base == 0) return 0;
    for (uint32_t label = 0; label < 256; label++) {
        uint32_t at = base + label;
        if ((v->units[at] & 0x1FF) != label) continue;
        if ((v->units[at] & 0x200) && bpe_compatible(v, c, before, v->tokens[at])) return 1;
        if (bpe_extends(v, c, before, at, depth + 1)) return 1; /* as deep as the longest token at most */
    }
    return 0;
}

/* Number of final tokens of the open piece p[0, n), n <= BPE_OPEN_MAX, and the bytes that they cover. */
static size_t bpe_stable(const bpe_vocab *v, bpe_context *c, const uint8_t *p, size_t n, size_t *bytes) {
    uint32_t last[BPE_OPEN_MAX + 1], node[BPE_OPEN_MAX];
    uint16_t active[BPE_OPEN_MAX], from[BPE_OPEN_MAX + 1];
    uint64_t alive[BPE_OPEN_MAX / 64 + 1] = {0};
    size_t count = 0, i, k, end, tokens = 0;
    *bytes = 0;
    for (end = 1; end <= n; end++) { /* starts from which a token may still come, and the last token of each prefix */
        uint8_t byte = p[end - 1];
        size_t kept = 0;
        int found = 0;
        active[count] = (uint16_t)(end - 1);
        node[count++] = 0;
        for (i = 0; i < count; i++) {
            uint32_t at = (v->units[node[i]] >> 10) + byte, unit = v->units[at];
            if ((unit & 0x1FF) != byte) continue;
            if (!found && (unit & 0x200) && (active[i] == 0 || bpe_compatible(v, c, last[active[i]], v->tokens[at]))) {
                found = 1;
                last[end] = v->tokens[at];
                from[end] = active[i];
            }
            if (unit >> 10) active[kept] = active[i], node[kept++] = at;
        }
        count = kept;
    }
    alive[n >> 6] |= UINT64_C(1) << (n & 63);
    for (i = 0; i < count; i++) {
        if (active[i] == 0) return 0; /* a longer token begins with the whole piece */
        if (bpe_extends(v, c, last[active[i]], node[i], 0)) alive[active[i] >> 6] |= UINT64_C(1) << (active[i] & 63);
    }
    for (end = n; end > 0; end--) { /* replace the last end by the one before it, until one is left */
        size_t others = 0;
        if (!(alive[end >> 6] >> (end & 63) & 1)) continue;
        for (k = 0; k <= end >> 6 && !others; k++)
            others = (alive[k] & (k < end >> 6 ? ~UINT64_C(0) : (UINT64_C(1) << (end & 63)) - 1)) != 0;
        if (!others) break;
        alive[from[end] >> 6] |= UINT64_C(1) << (from[end] & 63);
    }
    *bytes = end;
    for (; end > 0; end = from[end]) tokens++;
    return tokens;
}

/* Whether the open piece can end nowhere but at its present end or later: no white space alone, no contraction begun, no
 * capitals after letters without case, and more than the one character that may come before letters. */
static int bpe_plain_end(const bpe_spec *spec, const uint8_t *p, size_t n) {
    size_t i, len = 0, chars = 0;
    int blank = 1, caseless = 0;
    for (i = 0; i < n; i += len, chars++) {
        unsigned f = bpe_flags(p + i, &len);
        if (!(f & BPE_SPACE)) blank = 0;
        if (p[i] == '\'' && (i + 3 >= n || i == 0)) return 0;
        if (spec->family == BPE_O200K) {
            if ((f & BPE_BOTH) == BPE_BOTH)
                caseless = 1;
            else if ((f & BPE_BOTH) == BPE_UPPER_LIKE && caseless)
                return 0;
        }
    }
    return !blank && chars > 2;
}

#endif

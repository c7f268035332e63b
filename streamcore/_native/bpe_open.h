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
#define BPE_DEEPEST 256  /* length of the longest token of a vocabulary that this serves */

/* Whether a token below the trie's unit, longer than what led to it, fits after `before`: tries them all. */
static int bpe_extends_any(const bpe_vocab *v, bpe_context *c, uint32_t before, uint32_t unit) {
    uint32_t base = v->units[unit] >> 10;
    if (base == 0) return 0;
    for (uint32_t label = 0; label < 256; label++) {
        uint32_t at = base + label;
        if ((v->units[at] & 0x1FF) != label) continue;
        if ((v->units[at] & 0x200) && bpe_compatible(v, c, before, v->tokens[at])) return 1;
        if (bpe_extends_any(v, c, before, at)) return 1; /* as deep as the longest token at most */
    }
    return 0;
}

/* The tokens that stand at the border as the token before it is merged together, from its last byte up; each until the
 * merge (by index) that makes the next. */
typedef struct {
    uint32_t token[BPE_DEEPEST], until[BPE_DEEPEST];
} bpe_edge;

static void bpe_make_edge(const bpe_vocab *v, uint32_t token, bpe_edge *edge) {
    uint32_t n = 0, t;
    for (t = token; v->token[t].right != t; t = v->token[t].right) n++;
    edge->until[n] = BPE_NONE;
    for (t = token;; t = v->token[t].right) {
        edge->token[n] = t;
        if (n == 0) break;
        edge->until[--n] = t;
    }
}

/* Lets `right` stand at the border until it merges at `until`: how far up the edge is then, or BPE_NONE if a merge
 * crosses the border before. Of two merges with one index the left one comes first. */
static uint32_t bpe_pass(const bpe_vocab *v, const bpe_edge *edge, uint32_t at, uint32_t right, uint32_t until) {
    for (;; at++) {
        uint32_t ends = edge->until[at], met = bpe_find_pair(v, edge->token[at], right);
        if (met != BPE_NONE && met < ends && met <= until) return BPE_NONE;
        if (ends > until || ends == BPE_NONE) return at;
    }
}

static int bpe_grows(const bpe_vocab *v, const bpe_edge *edge, uint32_t at, uint32_t right, const uint8_t *p, uint32_t n);

static int bpe_grows_into(const bpe_vocab *v, const bpe_edge *edge, uint32_t at, uint32_t right, uint32_t token,
                          const uint8_t *p, uint32_t n) {
    uint32_t passed = bpe_pass(v, edge, at, right, token);
    if (passed == BPE_NONE) return 0;
    if (bpe_token_len(v, token) > n && bpe_pass(v, edge, passed, token, BPE_NONE) != BPE_NONE) return 1;
    return bpe_grows(v, edge, passed, token, p, n);
}

/* Whether a token longer than p[0, n), which it begins with, fits after the edge's token, its left parts going through
 * `right`, which stands at the border while the edge is at `at`. Whole branches end where a part does not fit. */
static int bpe_grows(const bpe_vocab *v, const bpe_edge *edge, uint32_t at, uint32_t right, const uint8_t *p, uint32_t n) {
    uint32_t low = v->grown_starts[right], high = v->grown_starts[right + 1], stop = high, len = bpe_token_len(v, right);
    if (len < n) {
        uint32_t unit = v->units[0], i, place;
        for (i = 0; i < n; i++) { /* tokens that the bytes begin with */
            unit = v->units[place = (unit >> 10) + p[i]];
            if ((unit & 0x200) && i + 1 > len && v->token[v->tokens[place]].left == right &&
                bpe_grows_into(v, edge, at, right, v->tokens[place], p, n))
                return 1;
        }
        while (low < stop) { /* the first that is not before them */
            uint32_t middle = low + (stop - low) / 2, t = v->grown[middle], size = bpe_token_len(v, t);
            int order = memcmp(v->bytes + v->starts[t], p, size < n ? size : n);
            if (order < 0 || (order == 0 && size < n))
                low = middle + 1;
            else
                stop = middle;
        }
    }
    for (; low < high; low++) {
        uint32_t t = v->grown[low];
        if (len < n) {
            if (bpe_token_len(v, t) == n) continue; /* seen above */
            if (memcmp(v->bytes + v->starts[t], p, n) != 0) break;
        }
        if (bpe_grows_into(v, edge, at, right, t, p, n)) return 1;
    }
    return 0;
}

/* Whether a token longer than p[0, n), which leads to the trie's unit, begins with it and fits after `before`. */
static int bpe_extends(const bpe_vocab *v, bpe_context *c, uint32_t before, uint32_t unit, const uint8_t *p, uint32_t n) {
    bpe_edge edge;
    if (!v->monotone) return bpe_extends_any(v, c, before, unit);
    bpe_make_edge(v, before, &edge);
    return bpe_grows(v, &edge, 0, v->byte_token[p[0]], p, n);
}

/* Where the paths of two ends meet; from: the end before each. */
static size_t bpe_meet(const uint16_t *from, size_t a, size_t b) {
    while (a != b) {
        if (a > b)
            a = from[a];
        else
            b = from[b];
    }
    return a;
}

/* The final tokens of the open piece p[0, n), n <= BPE_OPEN_MAX: their number, and themselves. earlier: another place where
 * the piece may end, or n. */
static size_t bpe_stable(const bpe_vocab *v, bpe_context *c, const uint8_t *p, size_t n, size_t earlier, uint32_t *tokens) {
    uint32_t last[BPE_OPEN_MAX + 1], node[BPE_OPEN_MAX];
    uint16_t active[BPE_OPEN_MAX], from[BPE_OPEN_MAX + 1];
    size_t count = 0, i, end, made = 0;
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
    if (count && active[0] == 0) return 0; /* a longer token begins with the whole piece */
    end = bpe_meet(from, n, earlier);
    for (i = 0; i < count && end; i++) { /* only a start whose path leaves the shared one before its end matters */
        size_t meet = bpe_meet(from, end, active[i]);
        if (meet < end && bpe_extends(v, c, last[active[i]], node[i], p + active[i], (uint32_t)(n - active[i]))) end = meet;
    }
    for (i = end; i > 0; i = from[i]) made++;
    for (i = made; i > 0; end = from[end]) tokens[--i] = last[end];
    return made;
}

/* The final tokens of an open piece of white space. It may still take in a further line end; if it does not, it ends
 * after its last one, and what follows is a piece of its own whose last character may go with a word. Without a line end
 * (or in GPT-2) it ends where it ends now, or one character before. */
static size_t bpe_stable_blank(const bpe_vocab *v, bpe_context *c, const bpe_spec *spec, const uint8_t *p, size_t n,
                               uint32_t *tokens) {
    uint32_t other[BPE_OPEN_MAX];
    size_t line = 0, i, len = 0, chars = 0, tail = 0, made, head, k;
    for (i = 0; i < n; i += len, chars++) {
        (void)bpe_flags(p + i, &len);
        tail = i;
        if (spec->family != BPE_GPT2 && (p[i] == '\n' || p[i] == '\r')) line = i + 1, chars = (size_t)-1;
    }
    if (line == 0) return bpe_stable(v, c, p, n, chars > 1 ? tail : n, tokens);
    made = bpe_stable(v, c, p, n, n, tokens);
    if (line == n || made == 0) return made;
    head = bpe_encode_bytes(v, c, p, line, other);
    if (head == 0) return 0;
    head += bpe_stable(v, c, p + line, n - line, chars > 1 ? tail - line : n - line, other + head);
    for (k = 0; k < made && k < head && tokens[k] == other[k]; k++) {
    }
    return k;
}

/* Whether an open piece can end nowhere but at its present end or later: no contraction begun, no capitals after letters
 * without case, and more than the one character that may come before letters. *blank: whether it is white space. */
static int bpe_plain_end(const bpe_spec *spec, const uint8_t *p, size_t n, int *blank) {
    size_t i, len = 0, chars = 0;
    int caseless = 0;
    *blank = 1;
    for (i = 0; i < n; i += len, chars++) {
        unsigned f = bpe_flags(p + i, &len);
        if (!(f & BPE_SPACE)) *blank = 0;
        if (p[i] == '\'' && (i + 3 >= n || i == 0)) return 0;
        if (spec->family == BPE_O200K) {
            if ((f & BPE_BOTH) == BPE_BOTH)
                caseless = 1;
            else if ((f & BPE_BOTH) == BPE_UPPER_LIKE && caseless)
                return 0;
        }
    }
    return chars > 2;
}

#endif

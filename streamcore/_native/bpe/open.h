/* What is final of a piece that has not ended: the tokens that the encodings of all its continuations share.
 *
 * The encoding of each prefix is that of an earlier one and one more token (vocab.h: two neighbours decide), so they
 * form a tree. A continuation passes through the present end, or through a token that began earlier and ends later:
 * through each start where a longer token begins with the bytes since and fits after what comes before. What all of these
 * share is final. A window holds the tree from the last final token on: the last token of each prefix, and the starts.
 */
#ifndef STREAMCORE_BPE_OPEN_H
#define STREAMCORE_BPE_OPEN_H

#include "bpe/encode.h"

#define BPE_DEEPEST 512 /* left parts in one another; beyond, a token is taken to fit (none is given out too early) */

/* The tokens that stand at the border as the token before it is merged together, from its last byte up; each until the
 * merge (by index) that makes the next. Both arrays have room for max_len. */
typedef struct {
    uint32_t *token, *until;
    uint64_t *asked; /* answers of bpe_extends(): token before, unit, yes or no; 0 for none */
} bpe_edge;

#define BPE_ASKED 256 /* answers that are kept, a power of two */

static void bpe_make_edge(const bpe_vocab *v, uint32_t token, const bpe_edge *edge) {
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

static int bpe_grows(const bpe_vocab *v, const bpe_edge *edge, uint32_t at, uint32_t right, const uint8_t *p, uint32_t n,
                     int depth);

static int bpe_grows_into(const bpe_vocab *v, const bpe_edge *edge, uint32_t at, uint32_t right, uint32_t token,
                          const uint8_t *p, uint32_t n, int depth) {
    uint32_t passed = bpe_pass(v, edge, at, right, token);
    if (passed == BPE_NONE) return 0;
    if (bpe_token_len(v, token) > n && bpe_pass(v, edge, passed, token, BPE_NONE) != BPE_NONE) return 1;
    return depth >= BPE_DEEPEST || bpe_grows(v, edge, passed, token, p, n, depth + 1);
}

/* Whether a token longer than p[0, n), which it begins with, fits after the edge's token, its left parts going through
 * `right`, which stands at the border while the edge is at `at`. Whole branches end where a part does not fit. */
static int bpe_grows(const bpe_vocab *v, const bpe_edge *edge, uint32_t at, uint32_t right, const uint8_t *p, uint32_t n,
                     int depth) {
    uint32_t low = v->grown_starts[right], high = v->grown_starts[right + 1], stop = high, len = bpe_token_len(v, right);
    if (len < n) {
        uint32_t unit = v->units[0], i, place;
        for (i = 0; i < n; i++) { /* tokens that the bytes begin with */
            unit = v->units[place = (unit >> 10) + p[i]];
            if ((unit & 0x200) && i + 1 > len && v->token[v->tokens[place]].left == right &&
                bpe_grows_into(v, edge, at, right, v->tokens[place], p, n, depth))
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
        if (bpe_grows_into(v, edge, at, right, t, p, n, depth)) return 1;
    }
    return 0;
}

/* Whether a token below the trie's unit, longer than what led to it, fits after `before`: tries them all. */
static int bpe_extends_any(const bpe_vocab *v, bpe_context *c, uint32_t before, uint32_t unit, int depth) {
    uint32_t base = v->units[unit] >> 10;
    if (base == 0) return 0;
    if (depth >= BPE_DEEPEST) return 1;
    for (uint32_t label = 0; label < 256; label++) {
        uint32_t at = base + label;
        if ((v->units[at] & 0x1FF) != label) continue;
        if ((v->units[at] & 0x200) && bpe_compatible(v, c, before, v->tokens[at])) return 1;
        if (bpe_extends_any(v, c, before, at, depth + 1)) return 1;
    }
    return 0;
}

/* Whether a token longer than p[0, n), which leads to the trie's unit, begins with it and fits after `before`. Answers are
 * kept: in long runs of one byte, and at the ends of common words, the same is asked again and again. */
static int bpe_extends(const bpe_vocab *v, bpe_context *c, const bpe_edge *edge, uint32_t before, uint32_t unit,
                       const uint8_t *p, uint32_t n) {
    uint64_t key, *entry;
    if (before == BPE_NONE) return v->units[unit] >> 10 != 0;
    key = (uint64_t)before << 32 | unit;
    entry = edge->asked + (key * UINT64_C(0x9E3779B97F4A7C15) >> 40) % BPE_ASKED;
    if (*entry >> 1 != key) {
        int yes;
        if (v->monotone) {
            bpe_make_edge(v, before, edge);
            yes = bpe_grows(v, edge, 0, v->byte_token[p[0]], p, n, 0);
        } else {
            yes = bpe_extends_any(v, c, before, unit, 0);
        }
        *entry = key << 1 | (uint64_t)yes;
    }
    return (int)(*entry & 1);
}

/* Tokens in order, [first, count) of the array. */
typedef struct {
    uint32_t *ids;
    size_t room;
} bpe_list;

typedef struct {
    size_t first, count;
} bpe_range;

static int bpe_list_reserve(bpe_list *list, size_t room) {
    uint32_t *grown;
    if (room <= list->room) return BPE_OK;
    room += room / 2 + 32;
    grown = (uint32_t *)bpe_realloc_array(list->ids, room, sizeof *grown);
    if (!grown) return BPE_NO_MEMORY;
    list->ids = grown;
    list->room = room;
    return BPE_OK;
}

/* Where a window is: text[at, at + size) of a piece of which `taken` bytes lie before. `last` begins at `offset`. */
typedef struct {
    size_t at, size, taken, offset;
    uint32_t before; /* the token that ends at `at`, BPE_NONE at the piece's start */
    uint32_t count;  /* starts */
} bpe_place;

typedef struct {
    bpe_list last;    /* token that ends after each byte; BPE_NONE: no encoding that passes through `at` ends there */
    size_t *starts;   /* where (from `at` on) a token may begin that ends beyond the text, ascending; max_len + 1 */
    uint32_t *nodes;  /* and the trie's unit that the bytes since lead to */
    bpe_place now;
    bpe_list run;     /* `last` of a window of one byte, repeated, that bpe_window_jump() made: */
    size_t run_size;  /* its length, */
    uint32_t run_before; /* the token before it, */
    uint8_t run_byte; /* and the byte */
} bpe_window;

static void bpe_window_begin(bpe_window *w, size_t at, size_t taken, uint32_t before) {
    w->now.at = at;
    w->now.size = w->now.offset = 0;
    w->now.taken = taken;
    w->now.before = before;
    w->now.count = 0;
}

/* Takes in text up to n. */
static int bpe_window_push(bpe_window *w, const bpe_vocab *v, bpe_context *c, const uint8_t *text, size_t n) {
    const uint8_t *p = text + w->now.at;
    const uint32_t *units = v->units;
    size_t size = w->now.size, stop = n - w->now.at;
    uint32_t count = w->now.count, *last;
    if (bpe_list_reserve(&w->last, w->now.offset + stop)) return BPE_NO_MEMORY;
    last = w->last.ids + w->now.offset;
    for (; size < stop; size++) {
        uint32_t kept = 0, found = BPE_NONE, i;
        uint8_t byte = p[size];
        if (size == 0 || last[size - 1] != BPE_NONE) {
            w->starts[count] = size;
            w->nodes[count++] = 0;
        }
        for (i = 0; i < count; i++) {
            uint32_t at = (units[w->nodes[i]] >> 10) + byte, unit = units[at];
            if ((unit & 0x1FF) != byte) continue;
            if (found == BPE_NONE && (unit & 0x200) &&
                bpe_follows(v, c, w->starts[i] ? last[w->starts[i] - 1] : w->now.before, v->tokens[at]))
                found = v->tokens[at];
            if (unit >> 10) w->starts[kept] = w->starts[i], w->nodes[kept++] = at;
        }
        count = kept;
        last[size] = found;
    }
    w->now.size = size;
    w->now.count = count;
    return BPE_OK;
}

/* The same for the window just begun, with text that is often one byte repeated: blanks, dashes. Tokens of such bytes are
 * long, and each may begin anywhere in them, so making a window of them takes 140 us in cl100k, of the 14 that encoding
 * 4 KiB of them takes; but the next one is the same, or one is the beginning of the other. So the longest is kept. */
static int bpe_window_push_run(bpe_window *w, const bpe_vocab *v, bpe_context *c, const uint8_t *text, size_t n) {
    const uint8_t *p = text + w->now.at;
    size_t size = n - w->now.at, known = w->run_size < size ? w->run_size : size, length;
    uint32_t count = 0, unit = 0, i;
    if (size < 2 || size > 3 * (size_t)v->max_len || memcmp(p, p + 1, size - 1) != 0)
        return bpe_window_push(w, v, c, text, n);
    if (w->run_byte != *p || w->run_before != w->now.before) known = w->run_size = 0;
    if (bpe_list_reserve(&w->last, size) || bpe_list_reserve(&w->run, size)) return BPE_NO_MEMORY;
    if (known) memcpy(w->last.ids, w->run.ids, known * sizeof *w->last.ids);
    for (length = 1; length <= known; length++) { /* the last start first */
        uint32_t at = (v->units[unit] >> 10) + *p;
        if ((v->units[at] & 0x1FF) != *p || v->units[at] >> 10 == 0) break;
        unit = at;
        if (length < known && w->last.ids[known - length - 1] == BPE_NONE) continue;
        w->starts[count] = known - length;
        w->nodes[count++] = unit;
    }
    for (i = 0; i < count / 2; i++) {
        size_t start = w->starts[i];
        uint32_t node = w->nodes[i];
        w->starts[i] = w->starts[count - 1 - i];
        w->nodes[i] = w->nodes[count - 1 - i];
        w->starts[count - 1 - i] = start;
        w->nodes[count - 1 - i] = node;
    }
    w->now.size = known;
    w->now.count = count;
    if (bpe_window_push(w, v, c, text, n)) return BPE_NO_MEMORY;
    if (size > w->run_size) {
        memcpy(w->run.ids, w->last.ids, size * sizeof *w->last.ids);
        w->run_size = size;
        w->run_byte = *p;
        w->run_before = w->now.before;
    }
    return BPE_OK;
}

/* Where the paths of two ends meet. */
static size_t bpe_window_meet(const bpe_window *w, const bpe_vocab *v, size_t a, size_t b) {
    const uint32_t *last = w->last.ids + w->now.offset;
    while (a != b) {
        if (a > b)
            a -= bpe_token_len(v, last[a - 1]);
        else
            b -= bpe_token_len(v, last[b - 1]);
    }
    return a;
}

/* How much of the window is behind tokens that all continuations share, where the piece may also end at `earlier`. */
static size_t bpe_window_stable(const bpe_window *w, const bpe_vocab *v, bpe_context *c, const bpe_edge *edge,
                                const uint8_t *text, size_t earlier) {
    const uint32_t *last = w->last.ids + w->now.offset;
    size_t end = bpe_window_meet(w, v, w->now.size, earlier - w->now.at);
    for (uint32_t i = 0; i < w->now.count && end; i++) { /* only a start whose path leaves the shared one matters */
        size_t start = w->starts[i], meet = bpe_window_meet(w, v, end, start);
        if (meet < end && bpe_extends(v, c, edge, start ? last[start - 1] : w->now.before, w->nodes[i],
                                      text + w->now.at + start, (uint32_t)(w->now.size - start)))
            end = meet;
    }
    return end;
}

/* Moves the tokens of the window's first `end` bytes to the list. */
static int bpe_window_take(bpe_window *w, const bpe_vocab *v, size_t end, bpe_list *list, bpe_range *range) {
    const uint32_t *last = w->last.ids + w->now.offset;
    size_t made = 0, i;
    uint32_t kept = 0, k, *out;
    if (end == 0) return BPE_OK;
    for (i = end; i; i -= bpe_token_len(v, last[i - 1])) made++;
    if (bpe_list_reserve(list, range->count + made)) return BPE_NO_MEMORY;
    range->count += made;
    out = list->ids + range->count;
    for (i = end; i; i -= bpe_token_len(v, last[i - 1])) *--out = last[i - 1];
    for (k = 0; k < w->now.count; k++) { /* no continuation passes through a start whose path goes by `end` */
        for (i = w->starts[k]; i > end; i -= bpe_token_len(v, last[i - 1])) {
        }
        if (i == end) w->starts[kept] = w->starts[k] - end, w->nodes[kept++] = w->nodes[k];
    }
    w->now.count = kept;
    w->now.before = last[end - 1];
    w->now.at += end;
    w->now.taken += end;
    w->now.size -= end;
    w->now.offset += end;
    if (w->now.offset > w->now.size) {
        memmove(w->last.ids, w->last.ids + w->now.offset, w->now.size * sizeof *last);
        w->now.offset = 0;
    }
    return BPE_OK;
}

/* Whether all ends that a continuation may pass through (`earlier` is one) are known in the window. */
static int bpe_window_knows(const bpe_window *w, const bpe_vocab *v, const uint8_t *text, size_t earlier) {
    const uint32_t *last = w->last.ids + w->now.offset;
    size_t end = w->now.size, from = end > v->max_len ? end - v->max_len : 1;
    if (earlier < w->now.at || (earlier > w->now.at && last[earlier - w->now.at - 1] == BPE_NONE)) return 0;
    for (; from < end; from++) {
        uint32_t unit = 0;
        size_t i = from;
        if (last[from - 1] != BPE_NONE) continue;
        do { /* does a longer token begin with the bytes since? */
            uint8_t byte = text[w->now.at + i];
            unit = (v->units[unit] >> 10) + byte;
            if ((v->units[unit] & 0x1FF) != byte) break;
        } while (++i < end);
        if (i == end && v->units[unit] >> 10) return 0;
    }
    return 1;
}

/* Takes in much text at once: encodes all of it as if it ended at n, moves to a border near its end that all
 * continuations pass through, and the tokens before that to the list. A border is tried by making the window from there
 * alone: two neighbours decide, so an end that has an encoding there has this one in the whole text. */
static int bpe_window_jump(bpe_window *w, const bpe_vocab *v, bpe_context *c, const uint8_t *text, size_t n,
                           size_t earlier, bpe_list *list, bpe_range *range) {
    bpe_place old = w->now;
    size_t len = n - old.at, reach = v->max_len, made;
    uint32_t *tokens;
    if (bpe_list_reserve(list, range->count + len)) return BPE_NO_MEMORY;
    tokens = list->ids + range->count;
    made = bpe_encode_after(v, c, old.before, text + old.at, len, tokens);
    if (made == 0) return BPE_NO_MEMORY;
    for (;; reach *= 2) {
        size_t border = len, count = made;
        while (count && len - border < reach) border -= bpe_token_len(v, tokens[--count]);
        bpe_window_begin(w, old.at + border, old.taken + border, count ? tokens[count - 1] : old.before);
        if (bpe_window_push_run(w, v, c, text, n)) return BPE_NO_MEMORY;
        if (border == 0 || bpe_window_knows(w, v, text, earlier)) {
            range->count += count;
            return BPE_OK;
        }
    }
}

#endif

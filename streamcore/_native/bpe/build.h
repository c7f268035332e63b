/* Construction of a vocabulary's tables (vocab.h) from its tokens. Called once, without the GIL. */
#ifndef STREAMCORE_BPE_BUILD_H
#define STREAMCORE_BPE_BUILD_H

#include "bpe/pairs.h"
#include "bpe/vocab.h"

static void bpe_build_whole(bpe_vocab *v) {
    memset(v->byte_token, 0xFF, sizeof v->byte_token);
    for (uint32_t t = 0; t < v->count; t++) {
        const uint8_t *p = v->bytes + v->starts[t];
        uint32_t len = bpe_token_len(v, t), at;
        uint64_t h = bpe_hash_bytes(p, len);
        if (len == 1) v->byte_token[*p] = t;
        for (at = (uint32_t)h & v->whole_mask; v->whole[at] != 0; at = (at + 1) & v->whole_mask) {
        }
        v->whole[at] = (h >> 32) << 32 | (t + 1);
    }
}

/* The merges of a tokenizer.json: pairs of tokens (indices) in order of priority, and the token that each makes. */
typedef struct {
    const uint32_t *left, *right, *made;
    uint32_t count;
} bpe_merges;

typedef struct {
    const bpe_merges *merges; /* NULL: two tokens merge if their concatenation is a token, its index is the priority */
    uint64_t *keys;           /* open addressing by pair, all ones for empty */
    uint32_t *places;         /* of each key: its last place in merges */
    uint32_t mask;
    uint32_t *parts, *offsets, *waiting; /* of the token at hand */
    uint32_t *priority;                  /* of the last merge of each token */
} bpe_builder;

static inline uint32_t bpe_merge_hash(uint64_t key) { return (uint32_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 32); }

/* Priority at which two neighbours merge, BPE_NONE if they do not. p: the bytes of both. */
static uint32_t bpe_priority(const bpe_vocab *v, const bpe_builder *w, uint32_t left, uint32_t right, const uint8_t *p,
                             size_t len) {
    uint64_t key = (uint64_t)left << BPE_INDEX_BITS | right;
    uint32_t at;
    if (!w->merges) return bpe_find_whole(v, p, len);
    for (at = bpe_merge_hash(key) & w->mask; w->keys[at] != key; at = (at + 1) & w->mask)
        if (w->keys[at] == ~UINT64_C(0)) return BPE_NONE;
    return w->places[at];
}

/* Merges the bytes of token t and notes its last merge. Quadratic in the token's length, which is at most a few hundred
 * bytes in any published vocabulary. */
static void bpe_build_split(bpe_vocab *v, bpe_builder *w, uint32_t t) {
    const uint8_t *p = v->bytes + v->starts[t];
    uint32_t n = bpe_token_len(v, t), i, *parts = w->parts, *offsets = w->offsets, *waiting = w->waiting;
    v->token[t].left = v->token[t].right = BPE_NONE;
    w->priority[t] = BPE_NONE;
    if (n == 1) {
        v->token[t].left = v->token[t].right = t;
        return;
    }
    for (i = 0; i < n; i++) parts[i] = v->byte_token[p[i]], offsets[i] = i;
    offsets[n] = n;
    for (i = 0; i + 1 < n; i++) waiting[i] = bpe_priority(v, w, parts[i], parts[i + 1], p + i, 2);
    while (n > 1) {
        uint32_t low = BPE_NONE, at = 0;
        for (i = 0; i + 1 < n; i++)
            if (waiting[i] < low) low = waiting[i], at = i;
        if (low == BPE_NONE) return;
        if (n == 2) {
            v->token[t].left = parts[0];
            v->token[t].right = parts[1];
            w->priority[t] = low;
            return;
        }
        parts[at] = w->merges ? w->merges->made[low] : low;
        memmove(parts + at + 1, parts + at + 2, (n - at - 2) * sizeof *parts);
        memmove(offsets + at + 1, offsets + at + 2, (n - at - 1) * sizeof *offsets);
        memmove(waiting + at, waiting + at + 1, (n - at - 2) * sizeof *waiting);
        n--;
        if (at + 1 < n)
            waiting[at] = bpe_priority(v, w, parts[at], parts[at + 1], p + offsets[at], offsets[at + 2] - offsets[at]);
        if (at > 0)
            waiting[at - 1] = bpe_priority(v, w, parts[at - 1], parts[at], p + offsets[at - 1],
                                           offsets[at + 1] - offsets[at - 1]);
    }
}

static void bpe_sort_by_key(uint64_t *list, uint64_t *spare, uint32_t n) { /* least significant digit first */
    for (int shift = 0; shift < 40; shift += 8) {
        uint32_t counts[257] = {0}, i;
        uint64_t *swap;
        for (i = 0; i < n; i++) counts[((list[i] >> (24 + shift)) & 0xFF) + 1]++;
        for (i = 0; i < 256; i++) counts[i + 1] += counts[i];
        for (i = 0; i < n; i++) spare[counts[(list[i] >> (24 + shift)) & 0xFF]++] = list[i];
        swap = list, list = spare, spare = swap;
    }
    memcpy(spare, list, n * sizeof *list); /* five passes: the result lies in what was spare */
}

/* Puts the tokens into the order of the priorities of their last merges: single bytes, what merges make, the rest. */
static int bpe_reorder(bpe_vocab *v, const bpe_builder *w) {
    uint32_t n = v->count, t, *place = (uint32_t *)BPE_ALLOC(2 * (size_t)n * sizeof *place);
    uint64_t *order = (uint64_t *)BPE_ALLOC(2 * (size_t)n * sizeof *order);
    bpe_token *token = (bpe_token *)BPE_ALLOC((size_t)n * sizeof *token);
    if (!place || !order || !token) {
        BPE_FREE(place);
        BPE_FREE(order);
        BPE_FREE(token);
        return BPE_NO_MEMORY;
    }
    for (t = 0; t < n; t++) {
        uint64_t rank = v->token[t].left == t ? 0 : w->priority[t] == BPE_NONE ? BPE_NONE : (uint64_t)w->priority[t] + 1;
        order[t] = rank << 24 | t;
    }
    bpe_sort_by_key(order, order + n, n);
    for (t = 0; t < n; t++) place[order[t] & 0xFFFFFF] = t;
    for (t = 0; t < n; t++) {
        bpe_token old = v->token[t];
        if (old.left != BPE_NONE) old.left = place[old.left], old.right = place[old.right];
        token[place[t]] = old;
        place[n + place[t]] = v->ids[t];
    }
    memcpy(v->ids, place + n, n * sizeof *place);
    for (t = 0; t < n; t++) place[n + place[t]] = v->starts[t];
    memcpy(v->starts, place + n, n * sizeof *place);
    for (t = 0; t < 256; t++) v->byte_token[t] = place[v->byte_token[t]];
    BPE_FREE(v->token);
    v->token = token;
    BPE_FREE(place);
    BPE_FREE(order);
    return BPE_OK;
}

static void bpe_builder_free(bpe_builder *w) {
    BPE_FREE(w->keys);
    BPE_FREE(w->places);
    BPE_FREE(w->parts);
    BPE_FREE(w->priority);
}

/* Finds the parts of every token; with merges, also reorders the tokens. */
static int bpe_build_parts(bpe_vocab *v, const bpe_merges *merges) {
    bpe_builder w = {merges, NULL, NULL, 0, NULL, NULL, NULL, NULL};
    size_t room = (size_t)v->max_len + 2;
    int error = BPE_NO_MEMORY;
    w.parts = (uint32_t *)BPE_ALLOC(3 * room * sizeof(uint32_t));
    w.priority = (uint32_t *)BPE_ALLOC((size_t)v->count * sizeof(uint32_t));
    if (!w.parts || !w.priority) goto done;
    w.offsets = w.parts + room;
    w.waiting = w.offsets + room;
    if (merges) {
        uint32_t size = bpe_table_size(merges->count), i, at;
        w.keys = (uint64_t *)BPE_ALLOC(size * sizeof *w.keys);
        w.places = (uint32_t *)BPE_ALLOC(size * sizeof *w.places);
        if (!w.keys || !w.places) goto done;
        memset(w.keys, 0xFF, size * sizeof *w.keys);
        w.mask = size - 1;
        for (i = 0; i < merges->count; i++) {
            uint64_t key = (uint64_t)merges->left[i] << BPE_INDEX_BITS | merges->right[i];
            at = bpe_merge_hash(key) & w.mask;
            while (w.keys[at] != key && w.keys[at] != ~UINT64_C(0)) at = (at + 1) & w.mask;
            w.keys[at] = key;
            w.places[at] = i;
        }
    }
    for (uint32_t t = 0; t < v->count; t++) bpe_build_split(v, &w, t);
    error = merges ? bpe_reorder(v, &w) : BPE_OK;
done:
    bpe_builder_free(&w);
    return error;
}

static int bpe_compare_tokens(const bpe_vocab *v, uint32_t a, uint32_t b) {
    uint32_t la = bpe_token_len(v, a), lb = bpe_token_len(v, b);
    int order = memcmp(v->bytes + v->starts[a], v->bytes + v->starts[b], la < lb ? la : lb);
    return order ? order : (la > lb) - (la < lb);
}

/* Bottom-up merge sort of the token indices by their bytes; spare has the same size. Returns the sorted one. */
static uint32_t *bpe_sort_tokens(const bpe_vocab *v, uint32_t *list, uint32_t *spare, uint32_t n) {
    for (uint32_t width = 1; width < n; width *= 2) {
        uint32_t *swap;
        for (uint32_t lo = 0; lo < n; lo += 2 * width) {
            uint32_t mid = n - lo > width ? lo + width : n, hi = n - lo > 2 * width ? lo + 2 * width : n;
            uint32_t i = lo, j = mid, k = lo;
            while (i < mid && j < hi) spare[k++] = bpe_compare_tokens(v, list[j], list[i]) < 0 ? list[j++] : list[i++];
            while (i < mid) spare[k++] = list[i++];
            while (j < hi) spare[k++] = list[j++];
        }
        swap = list, list = spare, spare = swap;
        if (width > n / 2) break;
    }
    return list;
}

typedef struct {
    uint32_t at, lo, hi, depth, above; /* unit, its tokens in the sorted list, its depth, longest token so far */
} bpe_node;

typedef struct {
    uint32_t *next_free, *prev_free; /* ring through the free units; unit 0 (the root) is its anchor */
    uint8_t *base_used;
    uint32_t size, cursor; /* cursor: where the search begins, 0 for the first free unit */
} bpe_units;

static int bpe_units_grow(bpe_vocab *v, bpe_units *u, uint32_t size) {
    uint32_t *grown, last;
    uint8_t *used;
    if (size > BPE_MAX_BASE + 256) return BPE_TOO_LARGE;
#define BPE_GROW(field) \
    if (!(grown = (uint32_t *)BPE_REALLOC(field, (size_t)size * sizeof *grown))) return BPE_NO_MEMORY; \
    field = grown
    BPE_GROW(v->units);
    BPE_GROW(v->tokens);
    BPE_GROW(u->next_free);
    BPE_GROW(u->prev_free);
#undef BPE_GROW
    if (!(used = (uint8_t *)BPE_REALLOC(u->base_used, size))) return BPE_NO_MEMORY;
    u->base_used = used;
    memset(used + u->size, 0, size - u->size);
    if (u->size == 0) u->next_free[0] = u->prev_free[0] = 0;
    last = u->prev_free[0];
    for (uint32_t i = u->size; i < size; i++) {
        v->units[i] = 0x1FF;
        v->tokens[i] = BPE_NONE;
        if (i == 0) continue;
        u->next_free[last] = i;
        u->prev_free[i] = last;
        last = i;
    }
    u->next_free[last] = 0;
    u->prev_free[0] = last;
    u->size = size;
    return BPE_OK;
}

/* A base of its own under which all the labels are free; 0: no memory or too large (in *error). Looks from where the last
 * one was found, and gives up what lies further back: with that the search is linear. */
static uint32_t bpe_find_base(bpe_vocab *v, bpe_units *u, const uint8_t *labels, unsigned n, int *error) {
    for (;;) {
        uint32_t free = u->cursor ? u->cursor : u->next_free[0], tries = 0, base;
        for (; free != 0; free = u->next_free[free]) {
            unsigned k = 1;
            if (tries++ == 32) u->cursor = free;
            if (free <= labels[0]) continue;
            base = free - labels[0];
            if (base + 256 > u->size) break;
            if (u->base_used[base]) continue;
            while (k < n && v->units[base + labels[k]] == 0x1FF) k++;
            if (k == n) return base;
        }
        *error = bpe_units_grow(v, u, u->size + (u->size / 4 > 1024 ? u->size / 4 : 1024));
        if (*error) return 0;
    }
}

/* Lists the tokens by their left parts; list: those that merging makes, sorted by their bytes. */
static int bpe_build_grown(bpe_vocab *v, const uint32_t *list, uint32_t n) {
    uint32_t *starts, i;
    v->grown = (uint32_t *)BPE_ALLOC((size_t)v->count * sizeof *v->grown);
    v->grown_starts = starts = (uint32_t *)BPE_ALLOC_ZEROED((size_t)v->count + 2, sizeof *v->grown_starts);
    if (!v->grown || !starts) return BPE_NO_MEMORY;
    for (i = 0; i < n; i++)
        if (v->token[list[i]].left != list[i]) starts[v->token[list[i]].left + 2]++;
    for (i = 0; i < v->count; i++) starts[i + 2] += starts[i + 1];
    for (i = 0; i < n; i++)
        if (v->token[list[i]].left != list[i]) v->grown[starts[v->token[list[i]].left + 1]++] = list[i];
    return BPE_OK;
}

static int bpe_build_trie(bpe_vocab *v) {
    uint32_t n = 0, *list, *sorted, top = 0, capacity = 1024;
    bpe_units u = {NULL, NULL, NULL, 0, 0};
    bpe_node *stack = NULL;
    int error = BPE_NO_MEMORY;
    list = (uint32_t *)BPE_ALLOC(2 * (size_t)v->count * sizeof *list);
    stack = (bpe_node *)BPE_ALLOC(capacity * sizeof *stack);
    if (!list || !stack) goto done;
    for (uint32_t t = 0; t < v->count; t++)
        if (v->token[t].left != BPE_NONE) list[n++] = t;
    sorted = bpe_sort_tokens(v, list, list + n, n);
    if ((error = bpe_build_grown(v, sorted, n)) || (error = bpe_units_grow(v, &u, 4096))) goto done;
    stack[top++] = (bpe_node){0, 0, n, 0, BPE_NONE};
    while (top) {
        bpe_node node = stack[--top];
        uint8_t labels[256];
        uint32_t bounds[257], base;
        unsigned k = 0;
        uint32_t i = node.lo;
        if (node.depth && bpe_token_len(v, sorted[i]) == node.depth) {
            uint32_t t = sorted[i++];
            v->tokens[node.at] = t;
            v->units[node.at] |= 0x200;
            v->token[t].shorter = node.above;
            node.above = t;
        }
        if (i == node.hi) continue;
        while (i < node.hi) {
            uint8_t label = v->bytes[v->starts[sorted[i]] + node.depth];
            labels[k] = label;
            bounds[k++] = i;
            while (i < node.hi && v->bytes[v->starts[sorted[i]] + node.depth] == label) i++;
        }
        bounds[k] = node.hi;
        base = bpe_find_base(v, &u, labels, k, &error);
        if (error) goto done;
        u.base_used[base] = 1;
        v->units[node.at] = (v->units[node.at] & 0x3FF) | base << 10;
        if (base >= BPE_MAX_BASE) {
            error = BPE_TOO_LARGE;
            goto done;
        }
        if (top + k > capacity) {
            bpe_node *grown = (bpe_node *)BPE_REALLOC(stack, 2 * (size_t)(capacity + k) * sizeof *stack);
            error = grown ? BPE_OK : BPE_NO_MEMORY;
            if (!grown) goto done;
            stack = grown;
            capacity = 2 * (capacity + k);
        }
        while (k--) {
            uint32_t at = base + labels[k];
            v->units[at] = labels[k];
            if (u.cursor == at) u.cursor = u.next_free[at];
            u.next_free[u.prev_free[at]] = u.next_free[at];
            u.prev_free[u.next_free[at]] = u.prev_free[at];
            stack[top++] = (bpe_node){at, bounds[k], bounds[k + 1], node.depth + 1, node.above};
        }
    }
    v->units_size = u.size;
done:
    BPE_FREE(list);
    BPE_FREE(stack);
    BPE_FREE(u.next_free);
    BPE_FREE(u.prev_free);
    BPE_FREE(u.base_used);
    return error;
}

/* All tables from count, ids, starts and bytes, which the caller has set: no token twice, each single byte a token.
 * merges: of tokens by their place in that order, or NULL. */
static int bpe_vocab_build(bpe_vocab *v, const bpe_merges *merges) {
    size_t size = bpe_table_size(v->count);
    int error;
    v->max_len = 0;
    v->token = (bpe_token *)BPE_ALLOC((size_t)v->count * sizeof *v->token);
    v->whole = (uint64_t *)BPE_ALLOC_ZEROED(size, sizeof(uint64_t));
    if (!v->token || !v->whole) return BPE_NO_MEMORY;
    v->whole_mask = (uint32_t)size - 1;
    for (uint32_t t = 0; t < v->count; t++) {
        uint32_t len = v->starts[t + 1] - v->starts[t];
        v->token[t].len = len;
        v->token[t].shorter = BPE_NONE;
        if (len > v->max_len) v->max_len = len;
    }
    bpe_build_whole(v);
    if ((error = bpe_build_parts(v, merges))) return error;
    if (merges) { /* the order has changed */
        memset(v->whole, 0, size * sizeof(uint64_t));
        bpe_build_whole(v);
    }
    v->identity = 1;
    for (uint32_t t = 0; t < v->count; t++)
        if (v->ids[t] != t) v->identity = 0;
    if ((error = bpe_build_pairs(v))) return error;
    return bpe_build_trie(v);
}

#endif

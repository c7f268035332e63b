/* Whole texts: special tokens, growing output, ids back to bytes, and offsets. */
#ifndef STREAMCORE_BPE_TEXT_H
#define STREAMCORE_BPE_TEXT_H

#include "bpe/encode.h"

/* Ids being made. ids may be a buffer of the caller's (own == 0) until it is too small. */
typedef struct {
    uint32_t *ids;
    size_t count, room;
    int own;
} bpe_output;

static int bpe_output_reserve(bpe_output *o, size_t more) {
    size_t room = o->room + o->room / 2 + more;
    uint32_t *grown;
    if (o->room - o->count >= more) return BPE_OK;
    if (o->own) {
        grown = (uint32_t *)bpe_realloc_array(o->ids, room, sizeof *grown);
    } else {
        grown = (uint32_t *)bpe_alloc_array(room, sizeof *grown);
        if (grown && o->count) memcpy(grown, o->ids, o->count * sizeof *grown);
    }
    if (!grown) return BPE_NO_MEMORY;
    o->ids = grown;
    o->room = room;
    o->own = 1;
    return BPE_OK;
}

static void bpe_output_free(bpe_output *o) {
    if (o->own) BPE_FREE(o->ids);
    memset(o, 0, sizeof *o);
}

/* Names to look for, the longest first, so that the first that fits is the one to take. */
typedef struct {
    uint32_t count;
    const uint8_t *bytes;
    const size_t *starts; /* count + 1 offsets into bytes */
    const uint32_t *ids;
    uint8_t first[256];   /* whether a name begins with this byte */
    int only;             /* the byte that all names begin with, or -1 */
} bpe_names;

static void bpe_names_index(bpe_names *names) {
    unsigned kinds = 0, i;
    memset(names->first, 0, sizeof names->first);
    for (i = 0; i < names->count; i++) {
        uint8_t byte = names->bytes[names->starts[i]];
        kinds += !names->first[byte];
        names->first[byte] = 1;
        names->only = byte;
    }
    if (kinds != 1) names->only = -1;
}

/* Place of the first name in text[from, n) and its number in *which; n if there is none. */
static size_t bpe_names_find(const bpe_names *names, const uint8_t *text, size_t from, size_t n, uint32_t *which) {
    if (names->count == 0) return n;
    for (; from < n; from++) {
        if (names->only >= 0) {
            const uint8_t *hit = (const uint8_t *)memchr(text + from, names->only, n - from);
            if (!hit) return n;
            from = (size_t)(hit - text);
        } else if (!names->first[text[from]]) {
            continue;
        }
        for (uint32_t i = 0; i < names->count; i++) {
            size_t len = names->starts[i + 1] - names->starts[i];
            if (len <= n - from && memcmp(text + from, names->bytes + names->starts[i], len) == 0) {
                *which = i;
                return from;
            }
        }
    }
    return n;
}

/* Encodes text[*pos, n) with the names as special tokens. With most > 0 it may stop, without an error, as soon as more
 * than most ids are made. *pos moves on; what was made stays valid after an error. */
static int bpe_encode_text(const bpe_vocab *v, const bpe_spec *spec, bpe_context *c, const bpe_names *names,
                           const uint8_t *text, size_t *pos, size_t n, size_t most, bpe_output *o) {
    while (*pos < n) {
        uint32_t which = 0;
        size_t stop = names ? bpe_names_find(names, text, *pos, n, &which) : n, need;
        while (*pos < stop) {
            int error = bpe_encode(v, spec, c, text, pos, stop, 1, o->ids, o->room, &o->count, &need);
            if (!error && most && o->count > most) return BPE_OK;
            /* the first guess of the room grows by what the text so far has needed, and a little */
            if (!error && need) error = bpe_output_reserve(o, need);
            if (error) return error;
        }
        if (stop < n) {
            int error = bpe_output_reserve(o, 1);
            if (error) return error;
            o->ids[o->count++] = names->ids[which];
            *pos = stop + (names->starts[which + 1] - names->starts[which]);
        }
    }
    return BPE_OK;
}

enum { BPE_SLACK = 16 };

/* Bytes of ids: a table by id, where it is dense enough. */
typedef struct {
    uint32_t *starts; /* size + 1 offsets into bytes; empty where there is no such id */
    uint8_t *bytes;   /* BPE_SLACK more than there are tokens for: short ones are copied without a look at their size */
    uint32_t size;
} bpe_decoder;

/* Bytes that the ids have; *bad is the place of the first unknown one, or n. */
static size_t bpe_decoded_size(const bpe_decoder *d, const uint32_t *ids, size_t n, size_t *bad) {
    size_t total = 0, i;
    for (i = 0; i < n; i++) {
        uint32_t len = ids[i] < d->size ? d->starts[ids[i] + 1] - d->starts[ids[i]] : 0;
        if (len == 0) break;
        total += len;
    }
    *bad = i;
    return total;
}

static void bpe_decode(const bpe_decoder *d, const uint32_t *ids, size_t n, uint8_t *out) {
    for (size_t i = 0; i < n; i++) {
        uint32_t start = d->starts[ids[i]], len = d->starts[ids[i] + 1] - start;
        memcpy(out, d->bytes + start, len);
        out += len;
    }
}

/* Where each token begins in text, in bytes and in characters; n + 1 entries each. */
static void bpe_offsets(const bpe_decoder *d, const uint32_t *ids, size_t n, const uint8_t *text, int64_t *bytes,
                        int64_t *chars) {
    int64_t at = 0, begun = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t len = d->starts[ids[i] + 1] - d->starts[ids[i]];
        bytes[i] = at;
        chars[i] = begun - ((text[at] & 0xC0) == 0x80);
        for (uint32_t k = 0; k < len; k++) begun += (text[at + k] & 0xC0) != 0x80;
        at += len;
    }
    bytes[n] = at;
    chars[n] = begun;
}

#endif

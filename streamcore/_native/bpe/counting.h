/* Tokens of a text that grows at its end: what surely stays as it is, is encoded once. */
#ifndef STREAMCORE_BPE_COUNTING_H
#define STREAMCORE_BPE_COUNTING_H

#include "bpe/text.h"

#define BPE_COUNTED_KEPT ((size_t)1 << 20) /* a larger buffer is given back with its text */

typedef struct {
    uint8_t *utf8;       /* of the text from start to stop */
    size_t size, room;
    size_t pos, count;   /* its first pos bytes have count tokens, whatever follows */
    int64_t start, stop; /* code points; start -1: nothing is known */
    bpe_output ids;      /* scratch */
} bpe_counter;

static void bpe_counter_forget(bpe_counter *c) {
    c->start = -1;
    c->stop = 0;
    c->size = c->pos = c->count = 0;
    if (c->room > BPE_COUNTED_KEPT) {
        BPE_FREE(c->utf8);
        c->utf8 = NULL;
        c->room = 0;
    }
}

static void bpe_counter_clear(bpe_counter *c) {
    BPE_FREE(c->utf8);
    bpe_output_free(&c->ids);
}

static inline uint32_t bpe_code_point(const void *data, int width, int64_t i) {
    return width == 1 ? ((const uint8_t *)data)[i] : width == 2 ? ((const uint16_t *)data)[i] : ((const uint32_t *)data)[i];
}

/* Appends n code points: pairs of surrogates joined, lone ones as U+FFFD. There is room for 4 bytes each. */
static void bpe_counter_append(bpe_counter *c, const void *data, int width, int64_t n) {
    uint8_t *p = c->utf8 + c->size;
    for (int64_t i = 0; i < n; i++) {
        uint32_t u = bpe_code_point(data, width, i);
        if (u - 0xD800 < 0x800) {
            uint32_t low = i + 1 < n ? bpe_code_point(data, width, i + 1) : 0;
            if (u < 0xDC00 && low - 0xDC00 < 0x400) {
                u = 0x10000 + ((u - 0xD800) << 10) + (low - 0xDC00);
                i++;
            } else {
                u = 0xFFFD;
            }
        }
        if (u < 0x80) {
            *p++ = (uint8_t)u;
            continue;
        }
        if (u < 0x800) {
            *p++ = (uint8_t)(0xC0 | u >> 6);
        } else {
            if (u < 0x10000) {
                *p++ = (uint8_t)(0xE0 | u >> 12);
            } else {
                *p++ = (uint8_t)(0xF0 | u >> 18);
                *p++ = (uint8_t)(0x80 | (u >> 12 & 0x3F));
            }
            *p++ = (uint8_t)(0x80 | (u >> 6 & 0x3F));
        }
        *p++ = (uint8_t)(0x80 | (u & 0x3F));
    }
    c->size = (size_t)(p - c->utf8);
}

/* Counts the tokens of utf8[*pos, size), with final == 0 of the pieces that surely end there. */
static int bpe_counter_encode(bpe_counter *c, const bpe_vocab *v, const bpe_spec *spec, bpe_context *context, size_t *pos,
                              int final, size_t *count) {
    size_t need;
    do {
        int error;
        c->ids.count = 0;
        error = bpe_encode(v, spec, context, c->utf8, pos, c->size, final, c->ids.ids, c->ids.room, &c->ids.count, &need);
        *count += c->ids.count;
        if (!error && need) error = bpe_output_reserve(&c->ids, need);
        if (error) return error;
    } while (need);
    return BPE_OK;
}

/* Tokens of the text from start to stop, whose code points from `base` on are data; -1: no memory. */
static int64_t bpe_counter_measure(bpe_counter *c, const bpe_vocab *v, const bpe_spec *spec, bpe_context *context,
                                   const void *data, int width, int64_t base, int64_t start, int64_t stop) {
    size_t pos, count, more;
    if (c->start != start || c->stop > stop) bpe_counter_forget(c);
    if (c->start < 0) c->start = c->stop = start;
    more = 4 * (size_t)(stop - c->stop) + BPE_SLACK; /* scanning may read that much further */
    if (c->room - c->size < more) {
        size_t room = c->size + c->size / 2 + more;
        uint8_t *grown = (uint8_t *)BPE_REALLOC(c->utf8, room);
        if (!grown) return -1;
        c->utf8 = grown;
        c->room = room;
    }
    bpe_counter_append(c, (const char *)data + (c->stop - base) * width, width, stop - c->stop);
    c->stop = stop;
    if (bpe_counter_encode(c, v, spec, context, &c->pos, 0, &c->count)) return -1;
    pos = c->pos;
    count = c->count;
    if (bpe_counter_encode(c, v, spec, context, &pos, 1, &count)) return -1;
    if (stop > start && bpe_code_point(data, width, stop - 1 - base) - 0xD800 < 0x400)
        bpe_counter_forget(c); /* what follows may be its other half */
    return (int64_t)count;
}

#endif

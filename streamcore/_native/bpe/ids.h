/* Ids of any integer type to the bytes of their tokens (see bpe_decoder in text.h). */
#ifndef STREAMCORE_BPE_IDS_H
#define STREAMCORE_BPE_IDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bpe/text.h"

enum { BPE_IDS_DONE, BPE_IDS_UNKNOWN, BPE_IDS_FULL };

/* Ids as a buffer holds them: number i is at data + i * stride. */
typedef struct {
    const char *data;
    ptrdiff_t stride; /* bytes */
    size_t n;
    int size;      /* bytes of an id: 1, 2, 4 or 8; negative where it has a sign */
} bpe_ids;

/* Writes the bytes of the ids from *pos on to out, and says how many; *pos becomes the first id that is unknown, or for
 * which there is no room, or n. Each id is read once: where another thread changes them meanwhile, the text is that of
 * other ids, but nothing is written out of bounds. Most tokens are short, and copied as 16 bytes whatever their length:
 * hence BPE_SLACK bytes behind the vocabulary's bytes, and in out. */
#define BPE_DEFINE_COPY(NAME, TYPE)                                                                                   \
    static int NAME(const bpe_decoder *d, const bpe_ids *ids, size_t *pos, uint8_t *out, size_t room, size_t *made) { \
        size_t i = *pos, at = *made;                                                                                  \
        int state = BPE_IDS_DONE;                                                                                     \
        for (; i < ids->n; i++) {                                                                                     \
            TYPE raw;                                                                                                 \
            uint64_t id;                                                                                              \
            uint32_t start, len;                                                                                      \
            memcpy(&raw, ids->data + (ptrdiff_t)i * ids->stride, sizeof raw);                                         \
            id = (uint64_t)raw;                                                                                       \
            if (id >= d->size) { state = BPE_IDS_UNKNOWN; break; }                                                    \
            start = d->starts[id];                                                                                    \
            len = d->starts[id + 1] - start;                                                                          \
            if (len == 0) { state = BPE_IDS_UNKNOWN; break; }                                                         \
            if (room - at < (size_t)len + BPE_SLACK) { state = BPE_IDS_FULL; break; }                                \
            if (len <= BPE_SLACK) memcpy(out + at, d->bytes + start, BPE_SLACK);                                    \
            else memcpy(out + at, d->bytes + start, len);                                                             \
            at += len;                                                                                                \
        }                                                                                                             \
        *pos = i;                                                                                                     \
        *made = at;                                                                                                   \
        return state;                                                                                                 \
    }

BPE_DEFINE_COPY(bpe_copy_u8, uint8_t)
BPE_DEFINE_COPY(bpe_copy_u16, uint16_t)
BPE_DEFINE_COPY(bpe_copy_u32, uint32_t)
BPE_DEFINE_COPY(bpe_copy_u64, uint64_t)
BPE_DEFINE_COPY(bpe_copy_i8, int8_t)
BPE_DEFINE_COPY(bpe_copy_i16, int16_t)
BPE_DEFINE_COPY(bpe_copy_i32, int32_t)
BPE_DEFINE_COPY(bpe_copy_i64, int64_t)

static int bpe_copy_ids(const bpe_decoder *d, const bpe_ids *ids, size_t *pos, uint8_t *out, size_t room, size_t *made) {
    switch (ids->size) {
    case 1: return bpe_copy_u8(d, ids, pos, out, room, made);
    case 2: return bpe_copy_u16(d, ids, pos, out, room, made);
    case 4: return bpe_copy_u32(d, ids, pos, out, room, made);
    case 8: return bpe_copy_u64(d, ids, pos, out, room, made);
    case -1: return bpe_copy_i8(d, ids, pos, out, room, made);
    case -2: return bpe_copy_i16(d, ids, pos, out, room, made);
    case -4: return bpe_copy_i32(d, ids, pos, out, room, made);
    default: return bpe_copy_i64(d, ids, pos, out, room, made);
    }
}

/* The size of an id as bpe_ids has it, for a format of the struct module; 0 where it is no integer of this machine. */
static int bpe_ids_size(const char *format, ptrdiff_t itemsize) {
    const uint16_t one = 1;
    const int little = *(const uint8_t *)&one;
    if (itemsize != 1 && itemsize != 2 && itemsize != 4 && itemsize != 8) return 0;
    if (format == NULL) return 1;
    if (*format == '@' || *format == '=' || (*format == '<' && little) || (*format == '>' && !little)) format++;
    if (format[0] == 0 || format[1] != 0) return 0;
    if (strchr("BHILQN", format[0])) return (int)itemsize; /* no "?": any byte but 0 is true, as Python shows it */
    return strchr("bhilqn", format[0]) ? -(int)itemsize : 0;
}

/* The code point of valid p[0, n) if that is one character of three or four bytes, else 0. */
static int bpe_single_character(const uint8_t *p, size_t n) {
    if (n == 3 && p[0] >= 0xE0) return (p[0] & 0x0F) << 12 | (p[1] & 0x3F) << 6 | (p[2] & 0x3F);
    if (n == 4 && p[0] >= 0xF0) {
        return (p[0] & 0x07) << 18 | (p[1] & 0x3F) << 12 | (p[2] & 0x3F) << 6 | (p[3] & 0x3F);
    }
    return 0;
}

#endif

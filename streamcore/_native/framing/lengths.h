/* Length fields of frames: integers of a fixed width in either byte order, unsigned LEB128, and the digits of a netstring.
 *
 * Each byte is read once: memory that others write to gives a wrong length at worst, never two of them.
 */
#ifndef STREAMCORE_FRAMING_LENGTHS_H
#define STREAMCORE_FRAMING_LENGTHS_H

#include <stddef.h>
#include <stdint.h>

enum { SC_LENGTH_BIG, SC_LENGTH_LITTLE, SC_LENGTH_VARINT, SC_LENGTH_ASCII };

/* What sc_read_length() finds; from SC_LENGTH_VARINT_RANGE on the frame is none. */
enum {
    SC_LENGTH_MORE,
    SC_LENGTH_READY,
    SC_LENGTH_VARINT_RANGE,
    SC_LENGTH_DIGIT,
    SC_LENGTH_ZERO,
    SC_LENGTH_DIGITS,
    SC_LENGTH_NEGATIVE
};

enum { SC_LENGTH_BYTES = 21 }; /* no field is longer: 20 digits and a colon */

typedef struct {
    int kind;
    unsigned width;
    int64_t adjust; /* what is added to the value; within 2^62 + 8 of 0 */
} sc_prefix;

typedef struct {
    uint64_t value; /* of the field; of a netstring's first 19 digits */
    int last;       /* a netstring's 20th digit, else -1 */
    uint8_t wrong;  /* the byte that is no digit */
    uint64_t body;  /* size, UINT64_MAX if that or more */
    size_t used;    /* bytes of the field */
} sc_length;

static inline int sc_body_size(const sc_prefix *f, uint64_t value, sc_length *out) {
    if (f->adjust < 0) {
        if (value < (uint64_t)-f->adjust) return SC_LENGTH_NEGATIVE;
        out->body = value - (uint64_t)-f->adjust;
    } else {
        out->body = value > UINT64_MAX - (uint64_t)f->adjust ? UINT64_MAX : value + (uint64_t)f->adjust;
    }
    return SC_LENGTH_READY;
}

static inline int sc_read_varint(const sc_prefix *f, const uint8_t *p, size_t n, sc_length *out) {
    uint64_t value = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        const uint8_t byte = p[i];
        if (i == 9 && byte > 1) return SC_LENGTH_VARINT_RANGE;
        value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            out->value = value;
            out->used = i + 1;
            return sc_body_size(f, value, out);
        }
    }
    return SC_LENGTH_MORE;
}

static inline int sc_read_digits(const sc_prefix *f, const uint8_t *p, size_t n, sc_length *out) {
    uint64_t value = 0, whole;
    size_t i;
    for (i = 0; i < n; i++) {
        const uint8_t byte = p[i];
        const unsigned digit = (unsigned)byte - '0';
        if (digit > 9) {
            if (byte != ':' || i == 0) {
                out->wrong = byte;
                return SC_LENGTH_DIGIT;
            }
            out->used = i + 1;
            out->value = value;
            whole = value;
            if (out->last >= 0)
                whole = value > (UINT64_MAX - (unsigned)out->last) / 10 ? UINT64_MAX : value * 10 + (unsigned)out->last;
            return sc_body_size(f, whole, out);
        }
        if (i && value == 0) return SC_LENGTH_ZERO;
        if (i < 19) value = value * 10 + digit;
        else if (i == 19) out->last = (int)digit;
        else return SC_LENGTH_DIGITS;
    }
    return SC_LENGTH_MORE;
}

/* The length field at p[0:n]. */
static inline int sc_read_length(const sc_prefix *f, const uint8_t *p, size_t n, sc_length *out) {
    const size_t width = f->width;
    uint64_t value = 0;
    size_t i;
    out->last = -1;
    if (f->kind == SC_LENGTH_VARINT) return sc_read_varint(f, p, n, out);
    if (f->kind == SC_LENGTH_ASCII) return sc_read_digits(f, p, n, out);
    if (n < width) return SC_LENGTH_MORE;
    if (f->kind == SC_LENGTH_BIG)
        for (i = 0; i < width; i++) value = value << 8 | p[i];
    else
        for (i = 0; i < width; i++) value |= (uint64_t)p[i] << (8 * i);
    out->value = value;
    out->used = width;
    return sc_body_size(f, value, out);
}

#endif

/* The check of a fragment of UTF-8, which may end inside a character. */
#ifndef STREAMCORE_BPE_FRAGMENT_H
#define STREAMCORE_BPE_FRAGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/utf8_char.h"

static size_t bpe_count_chars(const uint8_t *p, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += (p[i] & 0xC0) != 0x80;
    return count;
}

/* Bytes of p[0, n) that are whole characters, and their number in *chars; n + 1 if it is not the beginning of valid text. */
static size_t bpe_whole_chars(const uint8_t *p, size_t n, size_t *chars) {
    size_t whole = utf8_whole(p, n, chars);
    return whole < n && utf8_held(p, n, 0) != n - whole ? n + 1 : whole;
}

#endif

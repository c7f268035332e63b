/* The check of a fragment of UTF-8, which may end inside a character. */
#ifndef STREAMCORE_BPE_FRAGMENT_H
#define STREAMCORE_BPE_FRAGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "bpe/vocab.h" /* bpe_load64 */
#include "kernels/utf8_char.h"

static size_t bpe_count_chars(const uint8_t *p, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += (p[i] & 0xC0) != 0x80;
    return count;
}

/* Bytes of the character at p, of which n are at hand: 0 if it is invalid, n + 1 if it is not complete. */
static inline size_t bpe_char_bytes(const uint8_t *p, size_t n) {
    int need, right = utf8_match(p, n, 0, &need);
    if (need && right == need) return (size_t)need;
    return need && (size_t)right == n ? n + 1 : 0;
}

/* Bytes of p[0, n) that are whole characters, and their number in *chars; n + 1 if it is not the beginning of valid text. */
static size_t bpe_whole_chars(const uint8_t *p, size_t n, size_t *chars) {
    size_t i = 0, later = 0, len;
    while (i < n) {
        if (p[i] < 0x80) {
            while (i + 8 <= n && !(bpe_load64(p + i) & UINT64_C(0x8080808080808080))) i += 8;
            while (i < n && p[i] < 0x80) i++;
            continue;
        }
        if (n - i >= 4 && (p[i] & 0xF0) == 0xE0 && p[i] != 0xE0 && p[i] != 0xED && (p[i + 1] & 0xC0) == 0x80 &&
            (p[i + 2] & 0xC0) == 0x80) {
            len = 3;
        } else {
            len = bpe_char_bytes(p + i, n - i);
            if (len == 0) return n + 1;
            if (len > n - i) break;
        }
        i += len;
        later += len - 1;
    }
    *chars = i - later;
    return i;
}

#endif

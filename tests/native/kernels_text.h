/* UTF-8 for the drivers of the kernels: characters of every kind that a table or a mask tells apart. */
#ifndef KERNELS_TEXT_H
#define KERNELS_TEXT_H

#include "kernels.h"

#include "kernels/utf8_char.h"

/* Whole characters at the start of p[0..n), one at a time: the oracle of utf8_valid. */
static size_t valid_by_character(const uint8_t *p, size_t n) {
    size_t i = 0;
    int need;
    while (i < n && utf8_match(p + i, n - i, 0, &need) == need && need) i += (size_t)need;
    return i;
}

static size_t put_character(uint8_t *p, uint32_t c) {
    if (c < 0x80) return p[0] = (uint8_t)c, 1;
    if (c < 0x800) return p[0] = (uint8_t)(0xC0 | c >> 6), p[1] = (uint8_t)(0x80 | (c & 0x3F)), 2;
    if (c < 0x10000)
        return p[0] = (uint8_t)(0xE0 | c >> 12), p[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F)),
               p[2] = (uint8_t)(0x80 | (c & 0x3F)), 3;
    return p[0] = (uint8_t)(0xF0 | c >> 18), p[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F)),
           p[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F)), p[3] = (uint8_t)(0x80 | (c & 0x3F)), 4;
}

static uint32_t some_character(void) {
    static const uint32_t edges[] = {0, 9, 10, 13, 32, 0x7F, 0x80, 0xFF, 0x100, 0x17F, 0x7FF, 0x800, 0xFFF, 0x1000, 0xCFFF, 0xD000, 0xD7FF,
                                     0xE000, 0xFFFD, 0xFFFF, 0x10000, 0x3FFFF, 0x40000, 0xFFFFF, 0x100000, 0x10FFFF, 0x2028, 0x3000, 0x301};
    uint32_t c;
    switch (below(6)) {
    case 0: return edges[below(sizeof edges / sizeof *edges)];
    case 1: return 0x80 + below(0x780);
    case 2: return 0x4E00 + below(0x5000);
    case 3: return 0x10000 + below(0x100000);
    case 4: return below(0x80);
    default: c = below(0x10000);
    }
    return c >= 0xD800 && c < 0xE000 ? 'x' : c;
}

/* Fills p[0, n) with whole characters. style 0: anything, 1: mostly ASCII, 2: Latin, 3: Han, 4: ASCII, 5: code and prose
 * with contractions, digits, blanks and line ends, 6: long runs of few bytes. */
static void fill_text(uint8_t *p, size_t n, uint32_t style) {
    static const char *const words[] = {"'", "''", "'s", "'S", "'t", "'ll", "'LL", "'lL", "'re", "'ve", "'d", "'m", "'\xC5\xBF", "0", "12",
        "123", "1234", "12345", "\xD9\xA1", "\xC2\xB2", "a", "the", "ing", "HTML", "camelCase", "XMLHttp", "\xC3\xA9", "\xC3\x89", "e\xCC\x81",
        "\xC7\x85", "\xCC\x81", "\xE4\xB8\xAD\xE6\x96\x87", "\xE3\x81\x82", "\xD0\xB1\xD1\x83", "\xF0\x9F\x98\x80", "\xEF\xB8\x8F", ".", "...",
        "--", "/", "//", "_", "$", "\xE2\x80\x9C", "\xE2\x80\x94", " ", "  ", "   ", "\t", "\n", "\r", "\r\n", "\n\n", "\x0B", "\xC2\xA0",
        "\xE3\x80\x80", "\xE2\x80\x83", "\xC2\x85", " \n", "\n ", "/\n", ".\n"};
    size_t at = 0;
    while (at < n) {
        uint8_t some[64];
        size_t size, times = style == 6 ? 1 + below(90) : 1;
        if (style >= 5) {
            const char *word = words[below(sizeof words / sizeof *words)];
            memcpy(some, word, size = strlen(word));
        } else
            size = put_character(some, style == 1 ? (below(40) ? 'a' + below(26) : some_character())
                                       : style == 2 ? (below(4) ? 'a' + below(26) : 0xC0 + below(0x100))
                                       : style == 3 ? (below(9) ? 0x4E00 + below(0x5000) : 0x3002)
                                       : style == 4 ? below(0x80) : some_character());
        for (; times && at < n; times--) {
            if (size > n - at) p[at++] = 'z';
            else memcpy(p + at, some, size), at += size;
        }
    }
}

#endif

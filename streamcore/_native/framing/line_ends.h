/* From the offsets of line feeds to the ends of lines in a buffer without line ends: what a batch of lines keeps. */
#ifndef STREAMCORE_LINE_ENDS_H
#define STREAMCORE_LINE_ENDS_H

#include <stddef.h>
#include <stdint.h>

/* How many of the n line feeds at p + found[i] follow a CR; p[-1] is not looked at. */
static size_t sc_count_crlf(const uint8_t *p, const uint32_t *found, size_t n, int at_start)
{
    size_t i = 0, count = 0;
    if (n && at_start && found[0] == 0)
        i = 1;
    for (; i < n; i++)
        count += p[(ptrdiff_t)found[i] - 1] == '\r';
    return count;
}

/* ends[i] = found[i] + shift - i * drop: no line end among them is longer than the others, so this vectorises. */
static void sc_ends_alike(const uint32_t *found, size_t n, int64_t shift, int64_t drop, int64_t *ends)
{
    size_t i;
    for (i = 0; i < n; i++)
        ends[i] = (int64_t)found[i] + shift - (int64_t)i * drop;
}

/* The same where some line feeds follow a CR, which is dropped with them. */
static void sc_ends_mixed(const uint8_t *p, const uint32_t *found, size_t n, int at_start, int64_t shift, int64_t *ends)
{
    size_t i;
    for (i = 0; i < n; i++) {
        const int cr = (found[i] || !at_start) && p[(ptrdiff_t)found[i] - 1] == '\r';
        shift -= cr;
        ends[i] = (int64_t)found[i] + shift;
        shift -= 1;
    }
}

/* Lets no end lie before the one in front of it: memory that changed after its line feeds were found may say so. */
static void sc_ends_rising(int64_t least, size_t n, int64_t *ends)
{
    size_t i;
    for (i = 0; i < n; i++) {
        if (ends[i] < least)
            ends[i] = least;
        least = ends[i];
    }
}

#endif

/* Where the plain part of a JSON string ends, in units of 1, 2 or 4 bytes. */
#ifndef STREAMCORE_JSON_TEXT_H
#define STREAMCORE_JSON_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* The next quote or backslash at or behind `i`, or unit below `control` (32, or 0 to let them pass); `n`: none.
   Blocks of 32 have no early exit, so that compilers make vectors of them. */
#define JSON_PLAIN(NAME, UNIT)                                                          \
    static ptrdiff_t NAME(const UNIT *p, ptrdiff_t i, ptrdiff_t n, UNIT control)        \
    {                                                                                   \
        ptrdiff_t near = n - i < 8 ? n : i + 8;                                         \
        for (; i < near; i++)                                                           \
            if (p[i] == '"' || p[i] == '\\' || p[i] < control)                          \
                return i;                                                               \
        for (; i + 32 <= n; i += 32) {                                                  \
            UNIT any = 0;                                                               \
            int k;                                                                      \
            for (k = 0; k < 32; k++)                                                    \
                any |= (UNIT)((p[i + k] == '"') | (p[i + k] == '\\') | (p[i + k] < control)); \
            if (any)                                                                    \
                break;                                                                  \
        }                                                                               \
        for (; i < n; i++)                                                              \
            if (p[i] == '"' || p[i] == '\\' || p[i] < control)                          \
                return i;                                                               \
        return n;                                                                       \
    }

JSON_PLAIN(json_plain_1, uint8_t)
JSON_PLAIN(json_plain_2, uint16_t)
JSON_PLAIN(json_plain_4, uint32_t)

static inline ptrdiff_t json_plain(const void *p, int width, ptrdiff_t i, ptrdiff_t n, int strict)
{
    const int control = strict ? 32 : 0;
    return width == 1 ? json_plain_1((const uint8_t *)p, i, n, (uint8_t)control)
         : width == 2 ? json_plain_2((const uint16_t *)p, i, n, (uint16_t)control)
                      : json_plain_4((const uint32_t *)p, i, n, (uint32_t)control);
}

static inline uint32_t json_unit(const void *p, int width, ptrdiff_t i)
{
    return width == 1 ? ((const uint8_t *)p)[i] : width == 2 ? ((const uint16_t *)p)[i] : ((const uint32_t *)p)[i];
}

/* How far a number has come. */
enum { JSON_MINUS = 1, JSON_ZERO, JSON_INT, JSON_POINT, JSON_FRACTION, JSON_E, JSON_SIGN, JSON_EXPONENT };

/* What it is after `c`; 0: `c` is no part of it. */
static inline int json_number(int at, uint32_t c)
{
    if (c - '0' < 10) {
        if (at == JSON_MINUS)
            return c == '0' ? JSON_ZERO : JSON_INT;
        if (at == JSON_ZERO)
            return 0;
        return at == JSON_INT ? JSON_INT : at == JSON_POINT || at == JSON_FRACTION ? JSON_FRACTION : JSON_EXPONENT;
    }
    if (c == '.')
        return at == JSON_ZERO || at == JSON_INT ? JSON_POINT : 0;
    if (c == 'e' || c == 'E')
        return at == JSON_ZERO || at == JSON_INT || at == JSON_FRACTION ? JSON_E : 0;
    if (c == '+' || c == '-')
        return at == JSON_E ? JSON_SIGN : 0;
    return 0;
}

static inline int json_number_is_whole(int at)
{
    return at == JSON_ZERO || at == JSON_INT || at == JSON_FRACTION || at == JSON_EXPONENT;
}

static inline int json_hex(uint32_t c)
{
    if (c - '0' < 10)
        return (int)(c - '0');
    c |= 32;
    return c - 'a' < 6 ? (int)(c - 'a') + 10 : -1;
}

/* The character of a short escape, 0 for none. */
static inline uint32_t json_escape(uint32_t c)
{
    switch (c) {
    case '"': case '\\': case '/': return c;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
    }
}

#endif

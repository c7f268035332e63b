/* Pieces and chunks of TextSplitter, counted in characters, bytes of UTF-8 or tokens, without overlap; the rules, and the
 * words for them, are those of _shared/splitting.py. All positions count code points from the start of the stream. */
#ifndef STREAMCORE_SPLITTER_H
#define STREAMCORE_SPLITTER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bpe/counter.h"
#include "kernels/cpu.h"

enum { SPLIT_END, SPLIT_START, SPLIT_NONE };
#define SPLIT_NOWHERE (INT64_C(1) << 62)
#define SPLIT_PROBE 2 /* an open piece is measured when it has so many times `size` characters, and again at each doubling */

typedef struct {
    const void *data;
    int width;          /* bytes a code point has */
    int ascii;          /* each is one byte of UTF-8 */
    int64_t base, stop; /* of the text at data */
} split_text;

typedef struct {
    const uint32_t *separator;
    int64_t size; /* of the separator; 0: between characters; -1: nothing divides */
} split_rule;

typedef struct {
    int64_t start, scan, found;
    int64_t counted, count; /* the piece up to `counted` has so many bytes */
    int divided;
    int probe; /* how often it was measured */
} split_level;

typedef struct {
    int64_t size;
    const split_rule *rules;
    int n_rules, keep, strip, bytes;
    token_counter *counter; /* or NULL */
} split_options;

typedef struct {
    int depth, body, final, queued;
    int64_t start, end, count; /* of the chunk in work; count: its bytes */
    int64_t before;            /* where the chunk before ended */
    int64_t sure;              /* the open piece ends no earlier */
    int64_t queue[4];          /* starts and stops of chunks */
} split_state;

static inline uint32_t split_at(const void *data, int width, int64_t i) {
    return width == 1 ? ((const uint8_t *)data)[i] : width == 2 ? ((const uint16_t *)data)[i] : ((const uint32_t *)data)[i];
}

/* str.isspace() */
static inline int split_is_space(uint32_t c) {
    if (c < 0x80) return c == 32 || (c >= 9 && c <= 13) || (c >= 28 && c <= 31);
    if (c < 0x1680) return c == 0x85 || c == 0xA0;
    return c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
           c == 0x3000;
}

static inline int split_bytes(uint32_t c) { return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; }

#if defined(CPU_SSE2)

/* From i on, 16 at a time: where the first place may be at which two characters stand side by side, before `last`, or where
 * fewer than 17 are left. A line end is frequent and two of them are not: memchr() would stop at each. */
static inline int64_t split_pairs(const uint8_t *p, int64_t i, int64_t last, uint8_t one, uint8_t two) {
    const __m128i first = _mm_set1_epi8((char)one), second = _mm_set1_epi8((char)two);
    for (; i + 16 <= last; i += 16) {
        __m128i here = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(p + i)), first);
        __m128i next = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(p + i + 1)), second);
        int found = _mm_movemask_epi8(_mm_and_si128(here, next));
        if (found) {
            for (; !(found & 1); found >>= 1) i++;
            return i;
        }
    }
    return i;
}
#else
static inline int64_t split_pairs(const uint8_t *p, int64_t i, int64_t last, uint8_t one, uint8_t two) {
    (void)p, (void)last, (void)one, (void)two;
    return i;
}
#endif

/* Where the separator begins first in data[i..n), or -1. */
static int64_t split_search(const void *data, int width, int64_t i, int64_t n, const split_rule *rule) {
    const uint32_t *s = rule->separator, first = s[0];
    int64_t size = rule->size, k, last = n - size;
    if (width == 1) {
        const uint8_t *p = (const uint8_t *)data;
        if (first > 0xFF) return -1;
        while (i <= last) {
            const uint8_t *hit;
            if (size > 1) {
                if (s[1] > 0xFF) return -1;
                i = split_pairs(p, i, last, (uint8_t)first, (uint8_t)s[1]);
            }
            hit = (const uint8_t *)memchr(p + i, (int)first, (size_t)(last - i + 1));
            if (hit == NULL) return -1;
            i = hit - p;
            for (k = 1; k < size && p[i + k] == s[k]; k++) {}
            if (k >= size) return i;
            i++;
        }
        return -1;
    }
    for (; i <= last; i++) {
        if (split_at(data, width, i) != first) continue;
        for (k = 1; k < size && split_at(data, width, i + k) == s[k]; k++) {}
        if (k >= size) return i;
    }
    return -1;
}

static int64_t split_find(split_level *level, const split_rule *rule, const split_text *text) {
    int64_t at;
    if (level->found >= 0 || rule->size < 0) return level->found;
    at = level->scan > text->base ? level->scan - text->base : 0;
    at = split_search(text->data, text->width, at, text->stop - text->base, rule);
    if (at >= 0)
        level->found = text->base + at;
    else if (level->scan < text->stop - rule->size + 1)
        level->scan = text->stop - rule->size + 1;
    return level->found;
}

/* Where the pieces above the open one end, or the least that can be said of it; whether they do. */
static int64_t split_limit(const split_options *o, const split_state *st, split_level *levels, const split_text *text,
                           int *known) {
    int64_t limit = st->final ? text->stop : SPLIT_NOWHERE, at, end, stop;
    int i;
    *known = st->final;
    for (i = 0; i < st->depth; i++) {
        at = split_find(levels + i, o->rules + i, text);
        if (at >= 0) {
            stop = at + o->rules[i].size;
            end = o->keep == SPLIT_END ? stop : at;
            if (stop <= limit) {
                limit = end;
                *known = 1;
            } else if (!*known && end < limit) { /* a piece above it may end within the match */
                limit = end;
            }
        } else if (!st->final && o->rules[i].size >= 0) {
            end = o->keep == SPLIT_END ? text->stop + 1 : levels[i].scan;
            if (end < limit) {
                limit = end;
                *known = 0;
            }
        }
    }
    return limit;
}

static int64_t split_count(const split_options *o, const split_text *text, int64_t start, int64_t stop) {
    int64_t n = 0;
    if (!o->bytes || text->ascii || stop <= start) return stop - start;
    for (; start < stop; start++) n += split_bytes(split_at(text->data, text->width, start - text->base));
    return n;
}

/* Size of the open piece up to `stop`, each character counted once as it grows. */
static int64_t split_open_count(const split_options *o, const split_text *text, split_level *level, int64_t stop) {
    if (!o->bytes) return stop - level->start;
    if (level->counted < level->start) level->counted = level->start, level->count = 0;
    if (level->counted > stop) return split_count(o, text, level->start, stop);
    level->count += split_count(o, text, level->counted, stop);
    level->counted = stop;
    return level->count;
}

static void split_close(const split_options *o, split_state *st, const split_text *text) {
    int64_t start = st->start, stop = st->end;
    if (!st->body) return;
    st->body = 0;
    if (o->strip) {
        while (start < stop && split_is_space(split_at(text->data, text->width, start - text->base))) start++;
        while (start < stop && split_is_space(split_at(text->data, text->width, stop - 1 - text->base))) stop--;
    }
    if (start < stop && stop > st->before) {
        st->before = stop;
        st->queue[2 * st->queued] = start;
        st->queue[2 * st->queued + 1] = stop;
        st->queued++;
    }
}

static int64_t split_tokens(const split_options *o, const split_text *text, int64_t start, int64_t stop) {
    return o->counter->measure(o->counter, text->data, text->width, text->base, start, stop);
}

/* Whether the open piece, which ends no earlier than `sure`, has `size` already (-1: no memory). Tokens do not grow evenly,
 * so it is asked at few places. */
static int split_reaches(const split_options *o, const split_text *text, split_level *level, int64_t sure) {
    if (o->counter == NULL) return split_open_count(o, text, level, sure) >= o->size;
    for (; level->probe < 62; level->probe++) {
        int64_t far = o->size > (SPLIT_NOWHERE >> (level->probe + 1)) ? SPLIT_NOWHERE : SPLIT_PROBE * o->size << level->probe, n;
        if (far > sure - level->start) return 0;
        n = split_tokens(o, text, level->start, level->start + far);
        if (n < 0) return -1;
        if (n >= o->size) return 1;
    }
    return 0;
}

/* Whether the open piece has `size` if it ends at `stop` (-1: no memory); *fits: whether it goes into the chunk in work, if
 * it is measured in tokens. */
static int split_is_large(const split_options *o, const split_state *st, const split_text *text, split_level *level,
                          int64_t stop, int *fits) {
    int64_t n;
    int large = split_reaches(o, text, level, stop);
    *fits = 0;
    if (o->counter == NULL || large) return large;
    if (st->body) {
        n = split_tokens(o, text, st->start, stop);
        if (n < 0) return -1;
        *fits = n <= o->size;
        if (*fits) return 0;
    }
    n = split_tokens(o, text, level->start, stop);
    return n < 0 ? -1 : n >= o->size;
}

/* A piece that fits as it was measured. */
static void split_add_measured(const split_options *o, split_state *st, const split_text *text, int64_t start, int64_t stop,
                               int fits) {
    if (!fits) split_close(o, st, text);
    if (!st->body) {
        st->body = 1;
        st->start = start;
    }
    st->end = stop;
}

static void split_add(const split_options *o, split_state *st, const split_text *text, int64_t start, int64_t stop) {
    int64_t more = st->body ? split_count(o, text, st->end, stop) : 0;
    if (st->body && st->count + more > o->size) split_close(o, st, text);
    if (!st->body) {
        st->body = 1;
        st->start = start;
        st->count = 0;
        more = split_count(o, text, start, stop);
    }
    st->count += more;
    st->end = stop;
}

/* Characters that may be divided anywhere, one by one, in tokens. -1: no memory. */
static int split_measure_characters(const split_options *o, split_state *st, split_level *level, const split_text *text,
                                    int64_t stop) {
    int fits = 0;
    while (level->start < stop) {
        if (st->body) {
            int64_t n = split_tokens(o, text, st->start, level->start + 1);
            if (n < 0) return -1;
            fits = n <= o->size;
            if (!fits) {
                split_close(o, st, text);
                break;
            }
        }
        split_add_measured(o, st, text, level->start, level->start + 1, fits);
        level->start++;
    }
    return 0;
}

/* Characters that may be divided anywhere: as many as fit, at least one if none are there. */
static void split_add_characters(const split_options *o, split_state *st, split_level *level, const split_text *text,
                                 int64_t stop) {
    int64_t at = level->start;
    if (!o->bytes || text->ascii) {
        int64_t room = o->size - (st->body ? st->count + at - st->end : 0);
        if (room <= 0) {
            split_close(o, st, text);
            return;
        }
        if (stop - at > room) stop = at + room;
        split_add(o, st, text, at, stop);
        level->start = stop;
        return;
    }
    do {
        if (st->body && st->count + split_count(o, text, st->end, at + 1) > o->size) {
            split_close(o, st, text);
            break;
        }
        split_add(o, st, text, at, at + 1);
        at++;
    } while (at < stop);
    level->start = at;
}

static void split_enter(const split_options *o, split_state *st, split_level *levels, const split_text *text) {
    split_level *level = levels + st->depth;
    split_close(o, st, text);
    level->divided = 1;
    st->depth++;
    memset(level + 1, 0, sizeof *level);
    level[1].start = level[1].scan = level->start;
    level[1].counted = -1;
    level[1].found = -1;
}

static int split_leave(const split_options *o, split_state *st, const split_text *text) {
    if (st->depth == 0) return 0;
    split_close(o, st, text);
    st->depth--;
    return 1;
}

/* Where c stands last in data[i..n), or -1. */
static int64_t split_search_back(const void *data, int width, int64_t i, int64_t n, uint32_t c) {
    if (width == 1) {
        const uint8_t *p = (const uint8_t *)data;
        if (c > 0xFF) return -1;
        while (n - i >= 64 && memchr(p + n - 64, (int)c, 64) == NULL) n -= 64;
    }
    while (n > i)
        if (split_at(data, width, --n) == c) return n;
    return -1;
}

/* With a separator of one character the last cut that still fits is found from behind, without a look at the pieces before
 * it: those are shorter than `size`, and fit. Whether there was such a cut behind the start of the open piece. */
static int split_skip(const split_options *o, split_state *st, split_level *level, const split_rule *rule,
                      const split_text *text, int64_t limit) {
    int64_t start = st->body ? st->start : level->start, low = level->start, high = start + o->size, at, cut;
    int end = o->keep == SPLIT_END;
    if (high > limit - !end) high = limit - !end;
    if (high > text->stop - !end) high = text->stop - !end;
    if (!end) low++;
    if (level->scan > low) low = level->scan;
    if (level->found >= low) low = level->found;
    high += !end; /* matches begin in [low, high) */
    if (low >= high) return 0;
    at = split_search_back(text->data, text->width, low - text->base, high - text->base, rule->separator[0]);
    if (at < 0) return 0;
    cut = text->base + at + end;
    if (cut <= level->start || cut - level->start >= o->size) return 0; /* it may be one piece, which is divided */
    st->body = 1;
    st->start = start;
    st->end = cut;
    st->count = cut - start;
    level->start = cut;
    level->scan = high;
    level->found = level->counted = -1;
    return 1;
}

/* Go on until there is a chunk in the queue (1), or all that can be done without more text is done (0). -1: no memory for
 * measuring; nothing is lost. */
static int split_run(const split_options *o, split_state *st, split_level *levels, const split_text *text) {
    while (st->queued == 0) {
        split_level *level = levels + st->depth;
        const split_rule *rule = o->rules + st->depth;
        int known, large, divided, fits = 0, matched = 0;
        int64_t limit = split_limit(o, st, levels, text, &known), at, start, stop, size = rule->size;
        if (size == 0) {
            stop = limit < text->stop ? limit : text->stop;
            if (level->start < stop) {
                if (o->counter == NULL) split_add_characters(o, st, level, text, stop);
                else if (split_measure_characters(o, st, level, text, stop) < 0) return -1;
                continue;
            }
            st->sure = stop;
            if (known && split_leave(o, st, text)) continue;
            break;
        }
        if (size == 1 && o->keep != SPLIT_NONE && !level->divided && o->counter == NULL &&
            (!o->bytes || text->ascii) && split_skip(o, st, level, rule, text, limit))
            continue;
        at = split_find(level, rule, text);
        if (at >= 0 && at + size <= limit) {
            if (at == level->start && o->keep != SPLIT_END) { /* it begins with its separator */
                level->scan = at + size;
                level->found = -1;
                if (o->keep == SPLIT_NONE) level->start = at + size;
                continue;
            }
            matched = 1;
            stop = o->keep == SPLIT_END ? at + size : at;
        } else if (known) {
            stop = limit;
            if (level->divided || level->start >= limit) {
                st->sure = limit;
                if (split_leave(o, st, text)) continue;
                break;
            }
        } else {
            st->sure = o->keep == SPLIT_END || size < 0 ? text->stop : at >= 0 ? at : level->scan;
            if (limit < st->sure) st->sure = limit;
            large = level->divided || st->depth + 1 == o->n_rules ? 0 : split_reaches(o, text, level, st->sure);
            if (large < 0) return -1;
            if (!large) break;
            split_enter(o, st, levels, text);
            continue;
        }
        start = level->start;
        divided = level->divided;
        large = divided ? 0 : split_is_large(o, st, text, level, stop, &fits);
        if (large < 0) return -1;
        if (large && st->depth + 1 < o->n_rules) {
            split_enter(o, st, levels, text);
            continue;
        }
        level->start = stop;
        if (matched) {
            if (o->keep == SPLIT_NONE) level->start = at + size;
            level->scan = at + size;
            level->found = -1;
        }
        level->divided = level->probe = 0;
        level->counted = -1;
        if (divided) continue;
        if (large) split_close(o, st, text);
        if (o->counter) split_add_measured(o, st, text, start, stop, fits);
        else split_add(o, st, text, start, stop);
        if (large) split_close(o, st, text); /* nothing divides it */
    }
    if (st->queued) return 1;
    if (st->final)
        split_close(o, st, text);
    else if (o->counter == NULL && st->body && st->sure > levels[st->depth].start &&
             st->count + split_count(o, text, st->end, st->sure) > o->size)
        split_close(o, st, text); /* the piece that is open does not fit, whatever comes */
    return st->queued != 0;
}

/* Where the text begins that is still needed. */
static int64_t split_needed(const split_options *o, const split_state *st, const split_level *levels) {
    int64_t start = levels[st->depth].start;
    int i;
    if (st->body && st->start < start) start = st->start;
    for (i = 0; i <= st->depth; i++)
        if (levels[i].found < 0 && o->rules[i].size > 0 && levels[i].scan < start) start = levels[i].scan;
    return start;
}

static void split_widen(void *to, int to_width, const void *from, int from_width, int64_t n) {
    int64_t i;
    if (to_width == from_width) {
        memmove(to, from, (size_t)(n * to_width));
        return;
    }
    for (i = n - 1; i >= 0; i--) { /* from the end: they may be the same memory */
        uint32_t c = split_at(from, from_width, i);
        if (to_width == 2) ((uint16_t *)to)[i] = (uint16_t)c;
        else ((uint32_t *)to)[i] = c;
    }
}

#endif

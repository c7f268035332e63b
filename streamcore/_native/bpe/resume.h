/* Resumable scanner of one piece, for text that comes in fragments (twin: _pure/bpe/piece_scanner.py, which says more).
 *
 * No byte is looked at twice, but for what a contraction looks ahead and the text after an end that later text decides:
 * white space with a line end in it ends after its last line end, if no other comes; in o200k, capitals after letters
 * without case begin a new piece, unless a small letter follows them.
 */
#ifndef STREAMCORE_BPE_RESUME_H
#define STREAMCORE_BPE_RESUME_H

#include "bpe/scan.h"

enum {
    BPE_AT_START,
    BPE_AT_LETTERS,
    BPE_AT_DIGITS,
    BPE_AT_MARKS,
    BPE_AT_TAIL,
    BPE_AT_UPPER,
    BPE_AT_LOWER,
    BPE_AT_SUFFIX,
    BPE_AT_BLANK
};

/* Positions are in the text that is held. */
typedef struct {
    int phase, several; /* several: white space of more than one character */
    unsigned digits;    /* that the piece may still take, if the family has a limit */
    size_t start;       /* of the piece, while it has no phase */
    size_t scanned;
    size_t word;        /* end of a word that a contraction may follow */
    size_t blank;       /* start of the last character of white space */
    size_t other;       /* the end that the piece has if what came since does not belong to it; BPE_MORE: there is none */
} bpe_progress;

static void bpe_progress_begin(bpe_progress *s, size_t start, const bpe_spec *spec) {
    memset(s, 0, sizeof *s);
    s->start = s->scanned = s->word = s->blank = start;
    s->digits = spec->digits;
    s->other = BPE_MORE;
}

/* The least position that the scanner needs again. */
static size_t bpe_progress_floor(const bpe_progress *s) {
    if (s->phase == BPE_AT_START) return s->start;
    if (s->phase == BPE_AT_SUFFIX) return s->word;
    if (s->other != BPE_MORE) return s->other;
    return s->phase == BPE_AT_BLANK ? s->blank : s->scanned;
}

static void bpe_progress_move(bpe_progress *s, size_t less) {
    s->start -= less < s->start ? less : s->start;
    s->word -= less < s->word ? less : s->word;
    s->blank -= less < s->blank ? less : s->blank;
    s->scanned -= less;
    if (s->other != BPE_MORE) s->other -= less;
}

/* Finds the kind of piece from its first characters: BPE_OK with the phase set, BPE_MORE, or its end. */
static size_t bpe_resume_start(const bpe_spec *spec, bpe_progress *s, const uint8_t *text, size_t n, int final) {
    size_t p = s->start, len, second_len;
    unsigned f = bpe_flags(text + p, &len), word = spec->family == BPE_O200K ? BPE_BOTH : BPE_LETTER, second = BPE_SPACE;
    int letters = spec->family == BPE_O200K ? BPE_AT_UPPER : BPE_AT_LETTERS;
    if (text[p] == '\'' && spec->family != BPE_O200K) {
        size_t k = bpe_contraction(text, p, n, spec->family != BPE_GPT2, final);
        if (k) return k == BPE_MORE ? k : p + k;
    }
    s->scanned = p;
    if (f & word) {
        s->phase = letters;
    } else if (f & BPE_NUMBER) {
        s->phase = BPE_AT_DIGITS;
    } else if (text[p] == '\n' || text[p] == '\r' || (spec->family == BPE_GPT2 && text[p] != ' ')) {
        s->phase = f & BPE_SPACE ? BPE_AT_BLANK : BPE_AT_MARKS;
    } else {
        if (p + len < n)
            second = bpe_flags(text + p + len, &second_len);
        else if (!final)
            return BPE_MORE;
        s->phase = f & BPE_SPACE ? BPE_AT_BLANK : BPE_AT_MARKS;
        if (second & word)
            s->phase = letters;
        else if ((second & BPE_NUMBER) && spec->family == BPE_GPT2)
            s->phase = BPE_AT_DIGITS;
        else if (text[p] == ' ' && !(second & (BPE_SPACE | BPE_NUMBER)))
            s->phase = BPE_AT_MARKS;
        else
            return BPE_OK; /* the first character is one of the run */
        s->scanned = p + len;
    }
    return BPE_OK;
}

static size_t bpe_resume_suffix(bpe_progress *s, const uint8_t *text, size_t at, size_t n, int final) {
    size_t k = 0;
    if (at >= n ? !final : text[at] == '\'') k = at >= n ? BPE_MORE : bpe_contraction(text, at, n, 1, final);
    if (k != BPE_MORE) return at + k;
    s->phase = BPE_AT_SUFFIX;
    s->word = at;
    return BPE_MORE;
}

/* The capitals of an o200k word; the other end is after its last letter without case. */
static size_t bpe_resume_upper(bpe_progress *s, const uint8_t *text, size_t n, int final) {
    size_t q = s->scanned, len;
    unsigned f = 0;
    while (q < n && ((f = bpe_flags(text + q, &len)) & BPE_UPPER_LIKE)) {
        q += len;
        if (f & BPE_LOWER_LIKE) s->other = q;
    }
    s->scanned = q;
    if (q >= n) {
        if (!final) return BPE_MORE;
    } else if (f & BPE_LOWER_LIKE) {
        s->phase = BPE_AT_LOWER;
        s->other = BPE_MORE;
        q = s->scanned = bpe_run(text, q, n, BPE_LOWER_LIKE, 0);
        if (q >= n && !final) return BPE_MORE;
    }
    if (s->other == BPE_MORE || s->other == q) return bpe_resume_suffix(s, text, q, n, final);
    return s->other;
}

/* White space: through its last line end, else all but the last character, which begins the next piece. */
static size_t bpe_resume_blank(const bpe_spec *spec, bpe_progress *s, int begun, const uint8_t *text, size_t n, int final) {
    size_t q = s->scanned, len;
    while (q < n && (bpe_flags(text + q, &len) & BPE_SPACE)) {
        s->several |= begun;
        begun = 1;
        s->blank = q;
        q += len;
        if (spec->family != BPE_GPT2 && (text[q - len] == '\n' || text[q - len] == '\r')) s->other = q;
    }
    s->scanned = q;
    if (q >= n) {
        if (!final) return BPE_MORE;
        if (s->other == BPE_MORE || spec->trailing) return q;
    }
    if (s->other != BPE_MORE) return s->other;
    return s->several ? s->blank : q;
}

/* Goes on up to n: the end of the piece, or BPE_MORE if later text decides. */
static size_t bpe_resume(const bpe_spec *spec, bpe_progress *s, const uint8_t *text, size_t n, int final) {
    size_t q, len;
    int begun = s->phase != BPE_AT_START;
    if (spec->family == BPE_WHOLE) {
        s->phase = BPE_AT_LETTERS;
        s->scanned = n;
        return final ? n : BPE_MORE;
    }
    if (!begun) {
        q = bpe_resume_start(spec, s, text, n, final);
        if (q != BPE_OK) return q;
    }
    switch (s->phase) {
    case BPE_AT_SUFFIX:
        return bpe_resume_suffix(s, text, s->word, n, final);
    case BPE_AT_BLANK:
        return bpe_resume_blank(spec, s, begun, text, n, final);
    case BPE_AT_UPPER:
        return bpe_resume_upper(s, text, n, final);
    case BPE_AT_DIGITS:
        q = s->scanned;
        while (q < n && (bpe_flags(text + q, &len) & BPE_NUMBER)) {
            q += len;
            if (spec->digits && --s->digits == 0) return q;
        }
        break;
    case BPE_AT_LETTERS:
        q = bpe_run(text, s->scanned, n, BPE_LETTER, 0);
        break;
    case BPE_AT_LOWER:
        q = bpe_run(text, s->scanned, n, BPE_LOWER_LIKE, 0);
        break;
    default:
        q = s->scanned;
        if (s->phase == BPE_AT_MARKS) q = bpe_run(text, q, n, BPE_LNS, 1);
        if (spec->family != BPE_GPT2 && (q < n || s->phase == BPE_AT_TAIL)) {
            s->phase = BPE_AT_TAIL;
            q = bpe_run_newlines(text, q, n, spec->family == BPE_O200K);
        }
    }
    s->scanned = q;
    if (q >= n && !final) return BPE_MORE;
    return s->phase == BPE_AT_LOWER ? bpe_resume_suffix(s, text, q, n, final) : q;
}

#endif

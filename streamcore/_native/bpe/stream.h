/* The streaming encoder: text that comes in fragments, its ids as soon as no later text can change them.
 *
 * The text that may still matter is held in one buffer, to which fragments are appended. bpe_encode() takes the pieces
 * that surely end in it; resume.h goes on with the one that does not, and open.h finds what is final of it. A piece
 * that may end where later text decides has two futures: it goes on, or it ended there and another one began. Each is
 * followed in a window of its own, and the tokens are final that both give.
 *
 * While a fragment is taken in, the arrays only grow and the text stays where it is. So all of it can be undone without
 * memory: the small numbers are copied before, and the windows are made again from the text.
 */
#ifndef STREAMCORE_BPE_STREAM_H
#define STREAMCORE_BPE_STREAM_H

#include "bpe/open.h"
#include "bpe/resume.h"
#include "bpe/text.h"

#define BPE_KEPT 8192      /* bytes of memory that each array may keep between two fragments */
#define BPE_BORROWED 512   /* bytes of a fragment from which on it is not copied */
#define BPE_JUMP_FROM 256  /* bytes that are taken in one by one; of more, most need not be (and 4 times the longest token) */

/* What a fragment changes besides the arrays. Positions are in the held text. */
typedef struct {
    size_t size;      /* of the held text */
    size_t checked;   /* up to here it is free of disallowed names, */
    size_t released;  /* and of allowed ones */
    size_t pos;       /* where no piece is open, the next one begins here */
    size_t skip;      /* ids that were given out already when a piece ended before text that came earlier */
    int open;         /* whether a piece is open: */
    bpe_progress progress;
    int made;         /* whether it is more than the beginning of one token, and has a window */
    uint32_t unit;    /* of the trie, for the bytes of the piece up to `walked`; while it has no window */
    size_t walked;
    size_t given;     /* bytes of it whose tokens were given out */
    bpe_place main, fork; /* the windows */
    bpe_range finals; /* tokens that are final if it goes on, not given out yet */
    int forked;       /* whether the other future is followed: the piece ended at fork_at */
    size_t fork_at, head, beyond; /* tokens before that end to be given out, tokens after it that were */
    bpe_range other_finals;
} bpe_state;

typedef struct {
    const uint8_t *text; /* the held text: in `own`, or while a large fragment is taken in, this fragment */
    uint8_t *own;
    size_t room;
    size_t pause;        /* if not 0: go piece by piece to this position, or as far as the text goes, and give out no more */
    bpe_window main, fork;
    bpe_list finals, other_finals;
    bpe_edge edge;
    uint32_t *irregular; /* tokens that merging cannot make, if a piece that equals one of them is it */
    uint32_t irregular_count;
    bpe_state now, before;
} bpe_stream;

static void bpe_stream_free(bpe_stream *s) {
    BPE_FREE(s->own);
    BPE_FREE(s->main.last.ids);
    BPE_FREE(s->main.starts);
    BPE_FREE(s->fork.last.ids);
    BPE_FREE(s->main.run.ids);
    BPE_FREE(s->fork.run.ids);
    BPE_FREE(s->finals.ids);
    BPE_FREE(s->other_finals.ids);
    BPE_FREE(s->edge.token);
    BPE_FREE(s->edge.asked);
    BPE_FREE(s->irregular);
    memset(s, 0, sizeof *s);
}

/* s is zeroed. */
static int bpe_stream_init(bpe_stream *s, const bpe_vocab *v) {
    size_t room = (size_t)v->max_len + 1;
    s->main.starts = (size_t *)bpe_alloc_array(room, 2 * (sizeof *s->main.starts + sizeof *s->main.nodes));
    s->edge.token = (uint32_t *)bpe_alloc_array(room, 2 * sizeof *s->edge.token);
    s->edge.asked = (uint64_t *)BPE_ALLOC_ZEROED(BPE_ASKED, sizeof *s->edge.asked);
    if (!s->main.starts || !s->edge.token || !s->edge.asked) return BPE_NO_MEMORY;
    s->fork.starts = s->main.starts + room;
    s->main.nodes = (uint32_t *)(s->fork.starts + room);
    s->fork.nodes = s->main.nodes + room;
    s->edge.until = s->edge.token + room;
    if (v->whole_pieces && v->unreachable) {
        s->irregular = (uint32_t *)BPE_ALLOC(v->unreachable * sizeof *s->irregular);
        if (!s->irregular) return BPE_NO_MEMORY;
        for (uint32_t t = 0; t < v->count; t++)
            if (v->token[t].left == BPE_NONE) s->irregular[s->irregular_count++] = t;
    }
    return BPE_OK;
}

static size_t bpe_stream_bytes(const bpe_stream *s, const bpe_vocab *v) {
    size_t list_room = s->main.last.room + s->fork.last.room + s->main.run.room + s->fork.run.room + s->finals.room +
                       s->other_finals.room + s->irregular_count;
    size_t reach_room = 2 * (sizeof(size_t) + sizeof(uint32_t)) + 2 * sizeof(uint32_t);
    return s->room + BPE_ASKED * sizeof(uint64_t) + ((size_t)v->max_len + 1) * reach_room + list_room * sizeof(uint32_t);
}

static int bpe_stream_reserve(bpe_stream *s, size_t room) {
    uint8_t *grown;
    if (room <= s->room) return BPE_OK;
    grown = (uint8_t *)BPE_REALLOC(s->own, room + 64);
    if (!grown) return BPE_NO_MEMORY;
    if (s->text == s->own) s->text = grown;
    s->own = grown;
    s->room = room + 64;
    return BPE_OK;
}

static int bpe_stream_append(bpe_stream *s, const uint8_t *p, size_t n) {
    const size_t room = s->now.size + s->now.size / 2 + n;
    if (n == 0) return BPE_OK;
    if (s->now.size + n > s->room && (room < n || bpe_stream_reserve(s, room))) return BPE_NO_MEMORY;
    memcpy(s->own + s->now.size, p, n);
    s->now.size += n;
    return BPE_OK;
}

/* Whether a piece that begins with p[0, n) may turn out to be a token that merging cannot make. */
static int bpe_maybe_irregular(const bpe_stream *s, const bpe_vocab *v, const uint8_t *p, size_t n) {
    for (uint32_t i = 0; i < s->irregular_count; i++) {
        uint32_t t = s->irregular[i];
        if (bpe_token_len(v, t) >= n && memcmp(v->bytes + v->starts[t], p, n) == 0) return 1;
    }
    return 0;
}

static int bpe_give(const bpe_vocab *v, const uint32_t *tokens, size_t count, bpe_output *o) {
    if (bpe_output_reserve(o, count)) return BPE_NO_MEMORY;
    for (size_t i = 0; i < count; i++) o->ids[o->count++] = v->ids[tokens[i]];
    return BPE_OK;
}

/* Appends the tokens of text[w->at, end), after what the window has behind it. */
static int bpe_rest(const bpe_stream *s, const bpe_vocab *v, bpe_context *c, size_t end, uint32_t *out, size_t *made) {
    size_t n = end - s->now.main.at;
    *made = n ? bpe_encode_after(v, c, s->now.main.before, s->text + s->now.main.at, n, out) : 0;
    return n && *made == 0 ? BPE_NO_MEMORY : BPE_OK;
}

/* Takes in text up to n in one window, and moves what is final to its list. earlier: where the piece may also end. */
static int bpe_advance(bpe_stream *s, bpe_window *w, bpe_place *place, const bpe_vocab *v, bpe_context *c, size_t n,
                       size_t earlier, bpe_list *list, bpe_range *range) {
    size_t more = n - place->at - place->size, end;
    int error;
    w->now = *place;
    if (more > BPE_JUMP_FROM && more > 4 * (size_t)v->max_len)
        error = bpe_window_jump(w, v, c, s->text, n, earlier, list, range);
    else
        error = bpe_window_push(w, v, c, s->text, n);
    if (!error) {
        end = bpe_window_stable(w, v, c, &s->edge, s->text, earlier);
        if (end && (w->now.taken || !s->irregular_count || !bpe_maybe_irregular(s, v, s->text + w->now.at, earlier - w->now.at)))
            error = bpe_window_take(w, v, end, list, range);
    }
    *place = w->now;
    return error;
}

/* Where the piece may end before n, apart from its other end; n for nowhere. */
static size_t bpe_earlier_end(const bpe_spec *spec, const bpe_progress *s, size_t n) {
    if (s->phase == BPE_AT_START && spec->family == BPE_GPT2 && n > s->start + 1) return s->start + 1; /* of "'l" */
    if (s->phase == BPE_AT_SUFFIX) return s->word;
    if (s->phase == BPE_AT_BLANK && s->other == BPE_MORE && s->several) return s->blank;
    return n;
}

/* Begins to follow the future in which the piece ends at its other end. */
static int bpe_stream_fork(bpe_stream *s, const bpe_vocab *v, bpe_context *c) {
    bpe_state *now = &s->now;
    size_t at = now->progress.other, made, waiting = now->finals.count - now->finals.first;
    bpe_range *range = &now->other_finals;
    uint32_t whole = BPE_NONE;
    if (bpe_list_reserve(&s->other_finals, range->count + waiting + (at - now->main.at))) return BPE_NO_MEMORY;
    range->first = range->count;
    if (waiting) memcpy(s->other_finals.ids + range->count, s->finals.ids + now->finals.first, waiting * sizeof(uint32_t));
    range->count += waiting;
    if (now->main.taken == 0 && s->irregular_count) whole = bpe_find_whole(v, s->text + now->main.at, at - now->main.at);
    if (whole != BPE_NONE)
        s->other_finals.ids[range->count++] = whole;
    else if (bpe_rest(s, v, c, at, s->other_finals.ids + range->count, &made))
        return BPE_NO_MEMORY;
    else
        range->count += made;
    now->head = range->count - range->first;
    now->beyond = 0;
    bpe_window_begin(&s->fork, at, 0, BPE_NONE);
    now->fork = s->fork.now;
    now->fork_at = at;
    now->forked = 1;
    return BPE_OK;
}

/* Gives out the tokens that both futures begin with. */
static int bpe_stream_agree(bpe_stream *s, const bpe_vocab *v, bpe_output *o) {
    bpe_state *now = &s->now;
    while (now->finals.first < now->finals.count && now->other_finals.first < now->other_finals.count &&
           s->finals.ids[now->finals.first] == s->other_finals.ids[now->other_finals.first]) {
        if (bpe_give(v, s->finals.ids + now->finals.first, 1, o)) return BPE_NO_MEMORY;
        now->given += bpe_token_len(v, s->finals.ids[now->finals.first++]);
        now->other_finals.first++;
        if (now->head)
            now->head--;
        else
            now->beyond++;
    }
    return BPE_OK;
}

/* Gives out what is final of the open piece, of which text up to n is known. */
static int bpe_stream_settle(bpe_stream *s, const bpe_vocab *v, const bpe_spec *spec, bpe_context *c, size_t n, bpe_output *o) {
    bpe_state *now = &s->now;
    int split = now->progress.other != BPE_MORE && now->progress.other < n;
    size_t earlier = bpe_earlier_end(spec, &now->progress, n), i;
    if (!now->made) {
        for (; now->walked < n && now->unit != BPE_NONE; now->walked++) {
            uint32_t at = (v->units[now->unit] >> 10) + s->text[now->walked];
            now->unit = (v->units[at] & 0x1FF) == s->text[now->walked] ? at : BPE_NONE;
        }
        if (!split && now->unit != BPE_NONE && v->units[now->unit] >> 10) return BPE_OK; /* may be one token's beginning */
        bpe_window_begin(&s->main, now->progress.start, 0, BPE_NONE);
        now->main = s->main.now;
        now->made = 1;
    }
    if (split && !(now->forked && now->fork_at == now->progress.other)) {
        if (bpe_stream_fork(s, v, c)) return BPE_NO_MEMORY;
    } else if (!split) {
        now->forked = 0;
        now->other_finals.first = now->other_finals.count;
    }
    if (bpe_advance(s, &s->main, &now->main, v, c, n, earlier, &s->finals, &now->finals)) return BPE_NO_MEMORY;
    if (!now->forked) {
        for (i = now->finals.first; i < now->finals.count; i++) now->given += bpe_token_len(v, s->finals.ids[i]);
        if (bpe_give(v, s->finals.ids + now->finals.first, now->finals.count - now->finals.first, o)) return BPE_NO_MEMORY;
        now->finals.first = now->finals.count;
        return BPE_OK;
    }
    earlier = now->progress.phase == BPE_AT_BLANK && now->progress.blank > now->fork_at ? now->progress.blank : n;
    if (bpe_advance(s, &s->fork, &now->fork, v, c, n, earlier, &s->other_finals, &now->other_finals)) return BPE_NO_MEMORY;
    return bpe_stream_agree(s, v, o);
}

/* Gives out the rest of the open piece, which ends at `end`. */
static int bpe_stream_close(bpe_stream *s, const bpe_vocab *v, bpe_context *c, size_t end, bpe_output *o) {
    bpe_state *now = &s->now;
    size_t from = now->made ? now->main.at : now->progress.start, made, i;
    if (!now->made || now->main.taken == 0) {
        if (bpe_output_reserve(o, end - from + 4)) return BPE_NO_MEMORY;
        made = bpe_encode_cached(v, c, s->text + from, end - from, o->ids + o->count);
        if (made == 0) return BPE_NO_MEMORY;
        o->count += made;
    } else if (now->forked && end == now->fork_at) {
        if (bpe_give(v, s->other_finals.ids + now->other_finals.first, now->head, o)) return BPE_NO_MEMORY;
        now->skip = now->beyond;
    } else {
        if (bpe_give(v, s->finals.ids + now->finals.first, now->finals.count - now->finals.first, o) ||
            bpe_output_reserve(o, end - from + 4) || bpe_rest(s, v, c, end, o->ids + o->count, &made))
            return BPE_NO_MEMORY;
        for (i = o->count; i < o->count + made; i++) o->ids[i] = v->ids[o->ids[i]];
        o->count += made;
    }
    now->finals.first = now->finals.count;
    now->other_finals.first = now->other_finals.count;
    now->open = now->made = now->forked = 0;
    now->given = 0;
    now->pos = end;
    return BPE_OK;
}

/* Encodes the held text up to n; final: it ends there. */
static int bpe_stream_pieces(bpe_stream *s, const bpe_vocab *v, const bpe_spec *spec, bpe_context *c, size_t n, int final,
                             bpe_output *o) {
    bpe_state *now = &s->now;
    size_t pause = final ? 0 : s->pause, again = o->count; /* from here on ids are left out while now->skip says so */
    int error = BPE_OK, other;
    for (;;) {
        size_t end, need;
        if (!now->open) {
            while (!pause) {
                error = bpe_encode(v, spec, c, s->text, &now->pos, n, final, o->ids, o->room, &o->count, &need);
                if (error || need == 0 || (error = bpe_output_reserve(o, need))) break;
            }
            if (error || now->pos >= (pause ? pause : n)) break;
            bpe_progress_begin(&now->progress, now->pos, spec);
            now->open = 1;
            now->unit = 0;
            now->walked = now->pos;
        }
        end = bpe_resume(spec, &now->progress, s->text, n, final);
        if (end == BPE_MORE) {
            if (!pause) error = bpe_stream_settle(s, v, spec, c, n, o);
            break;
        }
        other = now->forked && end == now->fork_at;
        if ((error = bpe_stream_close(s, v, c, end, o))) break;
        if (other) again = o->count;
    }
    if (!error && now->skip && o->count > again) {
        size_t out = o->count - again < now->skip ? o->count - again : now->skip;
        memmove(o->ids + again, o->ids + again + out, (o->count - again - out) * sizeof *o->ids);
        o->count -= out;
        now->skip -= out;
    }
    return error;
}

/* Bytes of the text whose ids were not given out. */
static size_t bpe_stream_held(const bpe_stream *s) {
    const bpe_state *now = &s->now;
    if (!now->open) return now->released - now->pos;
    return now->made ? now->main.taken + now->main.size - now->given : now->released - now->progress.start;
}

/* Where the first name may begin that does not lie in text[from, n) as a whole. */
static size_t bpe_names_begun(const bpe_names *names, const uint8_t *text, size_t from, size_t n) {
    size_t longest = 1, i;
    for (i = 0; i < names->count; i++)
        if (names->starts[i + 1] - names->starts[i] > longest) longest = names->starts[i + 1] - names->starts[i];
    if (n - from >= longest) from = n - longest + 1;
    for (; from < n; from++) {
        if (!names->first[text[from]]) continue;
        for (i = 0; i < names->count; i++)
            if (names->starts[i + 1] - names->starts[i] > n - from &&
                memcmp(text + from, names->bytes + names->starts[i], n - from) == 0)
                return from;
    }
    return n;
}

/* Encodes the held text up to n, which has no disallowed name, with the allowed ones as special tokens. */
static int bpe_stream_allowed(bpe_stream *s, const bpe_vocab *v, const bpe_spec *spec, bpe_context *c,
                              const bpe_names *names, size_t n, int final, bpe_output *o) {
    bpe_state *now = &s->now;
    for (;;) {
        uint32_t which = 0;
        size_t hit = n, sure = n;
        if (names) {
            hit = bpe_names_find(names, s->text, now->released, n, &which);
            if (!final) sure = bpe_names_begun(names, s->text, now->released, n);
        }
        if (hit >= sure) {
            now->released = sure;
            return bpe_stream_pieces(s, v, spec, c, sure, final, o);
        }
        now->released = hit;
        if (bpe_stream_pieces(s, v, spec, c, hit, 1, o) || bpe_output_reserve(o, 1)) return BPE_NO_MEMORY;
        o->ids[o->count++] = names->ids[which];
        now->released = now->pos = hit + (names->starts[which + 1] - names->starts[which]);
    }
}

/* Encodes what is held. Where a disallowed name begins is put into *hit, and which one; or BPE_MORE. Then, and with final,
 * the text ends. */
static int bpe_stream_encode(bpe_stream *s, const bpe_vocab *v, const bpe_spec *spec, bpe_context *c,
                             const bpe_names *disallowed, const bpe_names *allowed, int final, bpe_output *o, size_t *hit,
                             uint32_t *which) {
    size_t n = s->now.size, found = n, sure = n;
    *hit = BPE_MORE;
    if (disallowed) {
        found = bpe_names_find(disallowed, s->text, s->now.checked, n, which);
        if (!final) sure = bpe_names_begun(disallowed, s->text, s->now.checked, n);
    }
    if (found < sure) {
        *hit = found;
        final = 1;
        sure = found;
    }
    s->now.checked = sure;
    return bpe_stream_allowed(s, v, spec, c, allowed, sure, final, o);
}

/* The least position that is needed again. */
static size_t bpe_stream_floor(const bpe_stream *s) {
    const bpe_state *now = &s->now;
    size_t floor = bpe_progress_floor(&now->progress);
    if (!now->open) return now->pos;
    if (!now->made) return now->progress.start;
    return now->main.at < floor ? now->main.at : floor;
}

/* Takes in the fragment p[0, n) of whole characters. A large one is not copied to the held text: as soon as a piece begins
 * in it, it becomes the text. */
static int bpe_stream_take(bpe_stream *s, const bpe_vocab *v, const bpe_spec *spec, bpe_context *c,
                           const bpe_names *disallowed, const bpe_names *allowed, const uint8_t *p, size_t n, int final,
                           bpe_output *o, size_t *hit, uint32_t *which) {
    bpe_state *now = &s->now;
    size_t held = now->size, head = 0, floor;
    int error = BPE_OK;
    if (n >= BPE_BORROWED) {
        if (held) {
            head = 96;
            while ((p[head] & 0xC0) == 0x80) head--;
            if (bpe_stream_append(s, p, head)) return BPE_NO_MEMORY;
            s->pause = held;
            error = bpe_stream_encode(s, v, spec, c, disallowed, allowed, 0, o, hit, which);
            s->pause = 0;
            if (error) return error;
            if (*hit != BPE_MORE) return bpe_stream_append(s, p + head, n - head);
        }
        floor = bpe_stream_floor(s);
        if (floor >= held && !now->made) {
            s->text = p;
            now->size = n;
            now->checked -= held;
            now->released -= held;
            now->pos = floor - held;
            now->open = 0;
            error = bpe_stream_encode(s, v, spec, c, disallowed, allowed, final, o, hit, which);
            return error ? error : bpe_stream_reserve(s, now->size - bpe_stream_floor(s));
        }
    }
    if (bpe_stream_append(s, p + head, n - head)) return BPE_NO_MEMORY;
    return bpe_stream_encode(s, v, spec, c, disallowed, allowed, final, o, hit, which);
}

/* Back to what was before the fragment. */
static void bpe_stream_undo(bpe_stream *s, const bpe_vocab *v, bpe_context *c) {
    s->text = s->own;
    s->now = s->before;
    if (s->now.made) { /* no memory is asked for: the arrays had room for it before */
        bpe_window_begin(&s->main, s->now.main.at, s->now.main.taken, s->now.main.before);
        (void)bpe_window_push(&s->main, v, c, s->text, s->now.main.at + s->now.main.size);
        s->now.main = s->main.now;
    }
    if (s->now.forked) {
        bpe_window_begin(&s->fork, s->now.fork.at, s->now.fork.taken, s->now.fork.before);
        (void)bpe_window_push(&s->fork, v, c, s->text, s->now.fork.at + s->now.fork.size);
        s->now.fork = s->fork.now;
    }
}

static void bpe_list_keep(bpe_list *list, bpe_range *range) {
    size_t count = range->count - range->first;
    if (range->first) {
        if (count) memmove(list->ids, list->ids + range->first, count * sizeof *list->ids);
        range->first = 0;
        range->count = count;
    }
    if (list->room > BPE_KEPT / sizeof *list->ids && count < list->room / 4) {
        uint32_t *less = (uint32_t *)BPE_REALLOC(list->ids, (2 * count + 32) * sizeof *less);
        if (less) list->ids = less, list->room = 2 * count + 32;
    }
}

/* The fragment is done: drops what no later text needs. */
static void bpe_stream_commit(bpe_stream *s) {
    bpe_state *now = &s->now;
    bpe_range range;
    size_t keep = bpe_stream_floor(s);
    if (s->text != s->own || (keep && keep >= now->size - keep)) { /* what is moved is never more than what goes */
        if (now->size > keep) memmove(s->own, s->text + keep, now->size - keep);
        s->text = s->own;
        now->size -= keep;
        now->checked -= keep;
        now->released -= keep;
        now->pos -= keep < now->pos ? keep : now->pos;
        now->walked -= keep < now->walked ? keep : now->walked;
        if (now->open) bpe_progress_move(&now->progress, keep);
        if (now->made) now->main.at -= keep;
        if (now->forked) now->fork.at -= keep, now->fork_at -= keep;
    }
    if (s->room > BPE_KEPT && now->size < s->room / 4) {
        uint8_t *less = (uint8_t *)BPE_REALLOC(s->own, 2 * now->size + 64);
        if (less) s->text = s->own = less, s->room = 2 * now->size + 64;
    }
    bpe_list_keep(&s->finals, &now->finals);
    bpe_list_keep(&s->other_finals, &now->other_finals);
    range.first = 0;
    range.count = now->made ? now->main.offset + now->main.size : 0;
    bpe_list_keep(&s->main.last, &range);
    range.count = now->forked ? now->fork.offset + now->fork.size : 0;
    bpe_list_keep(&s->fork.last, &range);
}

#endif

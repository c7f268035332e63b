/* Running the automaton of _shared/delimiters.py over a span: see there for what a node means.
 *
 * Two kinds of events, strictly alternating: an item ends (known as soon as some delimiter is certain, before it is
 * known which of several that start alike), and the next item starts. Positions are relative to the span and may be
 * negative: then they lie in bytes of earlier spans, of which there are as many as the node is deep.
 */
#ifndef STREAMCORE_DELIMITERS_H
#define STREAMCORE_DELIMITERS_H

#include "kernels/scan.h"

typedef struct {
    int32_t child, sibling; /* first child, next sibling; 0: none */
    int32_t failure;
    int32_t depth;
    int32_t found, found_count; /* its part of `found` */
    uint8_t byte;
    uint8_t matched; /* the path starts with a delimiter */
} sc_node;

typedef struct {
    const sc_node *nodes;
    const int32_t *found;   /* pairs start, stop relative to the path */
    sc_set first;           /* first bytes of all delimiters */
    const uint8_t *only;    /* the delimiter when there is one, else NULL */
    size_t only_size;
} sc_automaton;

typedef struct {
    ptrdiff_t *ends, *starts; /* events */
    size_t end_count, start_count;
    int32_t node;
    int open; /* an item ended and the next has not yet started */
} sc_run;

static inline void sc_run_end(sc_run *run, ptrdiff_t at)
{
    if (!run->open) {
        run->ends[run->end_count++] = at;
        run->open = 1;
    }
}

static inline void sc_run_start(sc_run *run, ptrdiff_t at)
{
    run->starts[run->start_count++] = at;
    run->open = 0;
}

/* Give up the longest candidate of the node, whose path ends before `at`. */
static inline void sc_run_fail(const sc_automaton *a, sc_run *run, ptrdiff_t at)
{
    const sc_node *node = a->nodes + run->node;
    const ptrdiff_t from = at - node->depth;
    const int32_t *found = a->found + 2 * (size_t)node->found;
    int32_t i;
    for (i = 0; i < node->found_count; i++, found += 2) {
        sc_run_end(run, from + found[0]);
        sc_run_start(run, from + found[1]);
    }
    run->node = node->failure;
    node = a->nodes + run->node;
    if (node->matched)
        sc_run_end(run, at - node->depth);
}

static inline void sc_run_step(const sc_automaton *a, sc_run *run, uint8_t byte, ptrdiff_t at)
{
    for (;;) {
        int32_t child = a->nodes[run->node].child;
        while (child && a->nodes[child].byte != byte)
            child = a->nodes[child].sibling;
        if (child) {
            const sc_node *node = a->nodes + child;
            if (node->matched)
                sc_run_end(run, at + 1 - node->depth);
            if (node->child) {
                run->node = child;
            }
            else {
                sc_run_start(run, at + 1);
                run->node = 0;
            }
            return;
        }
        if (!run->node)
            return;
        sc_run_fail(a, run, at);
    }
}

/* Read p[at:n], as long as there is room for `spare` more events than are written; returns where it stopped. */
static size_t sc_run_span(const sc_automaton *a, const sc_kernels *k, sc_run *run, const uint8_t *p, size_t at, size_t n,
                          size_t capacity, size_t spare)
{
    while (at < n && run->end_count + spare < capacity && run->start_count + spare < capacity) {
        if (run->node) {
            sc_run_step(a, run, p[at], (ptrdiff_t)at);
            at++;
            continue;
        }
        if (a->only && n - at >= a->only_size) {
            const size_t size = a->only_size;
            const size_t hit = at + k->pair(p + at, n - at, a->only[0], a->only[size - 1], size - 1);
            if (hit < n && memcmp(p + hit, a->only, size) == 0) {
                sc_run_end(run, (ptrdiff_t)hit);
                sc_run_start(run, (ptrdiff_t)(hit + size));
                at = hit + size;
                continue;
            }
            /* A false candidate goes through the automaton, so that it is not compared again; so does the tail. */
            at = hit < n ? hit : n - (size - 1);
            if (at == n)
                break;
        }
        else {
            at += k->find_set(p + at, n - at, &a->first);
            if (at >= n)
                break;
        }
        sc_run_step(a, run, p[at], (ptrdiff_t)at);
        at++;
    }
    return at;
}

/* The input ends at `at`: decide what is under way. */
static inline void sc_run_finish(const sc_automaton *a, sc_run *run, ptrdiff_t at)
{
    while (run->node)
        sc_run_fail(a, run, at);
}

#endif

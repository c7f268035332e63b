/* Merging in step, for one kind of vectors: included by merge.h, which defines BPE_NAME (a function's name for this
 * kind) and bpe_lowest() for it. */

/* Makes the next merge and asks for what the one after it depends on; 0 if there is none. */
BITS_INLINE int BPE_NAME(bpe_merge_next)(const bpe_vocab *v, bpe_merging *m) {
    int32_t low = BPE_NAME(bpe_lowest)(m->ranks, m->room);
    unsigned at = (unsigned)low & 63, next, after, before;
    if (low >= BPE_NO_MERGE) return 0;
    next = at + 1 + bits_first(m->alive >> at >> 1);
    m->alive ^= UINT64_C(1) << next;
    m->ranks[next] = BPE_NO_MERGE;
    m->parts[at] = (uint32_t)low >> 6;
    after = at + 1 + bits_first(m->alive >> at >> 1);
    before = bits_top(m->alive & ((UINT64_C(1) << at) - 1));
    m->at = at;
    m->before = before;
    m->keys[0] = bpe_pair_key(m->parts[at], m->parts[after]);
    m->keys[1] = bpe_pair_key(m->parts[before], m->parts[at]);
    m->places[0] = bpe_pair_place(v, m->keys[0]);
    m->places[1] = bpe_pair_place(v, m->keys[1]);
    BITS_PREFETCH(m->places[0]);
    BITS_PREFETCH(m->places[1]);
    return 1;
}

/* Merges all n of them to the end. */
static void BPE_NAME(bpe_merge_all)(const bpe_vocab *v, bpe_merging *list, unsigned n) {
    bpe_merging *active[BPE_PENDING];
    unsigned i, left = 0;
    for (i = 0; i < n; i++)
        if (BPE_NAME(bpe_merge_next)(v, list + i)) active[left++] = list + i;
    while (left) {
        unsigned kept = 0;
        for (i = 0; i < left; i++) {
            bpe_merging *m = active[i];
            bpe_merge_learn(m);
            active[kept] = m;
            kept += (unsigned)BPE_NAME(bpe_merge_next)(v, m);
        }
        left = kept;
    }
}

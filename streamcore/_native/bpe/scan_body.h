/* bpe_scan_many() and what it classifies windows with, for one kind of vectors: included by scan.h, which defines
 * BPE_NAME (the function's name for this kind) and the V_ macros: V_LOAD loads 64 bytes as vectors, V_MASK(V_X) has one
 * bit a byte for which V_X holds, V_COMPRESS and V_EXPAND (where there are such instructions) gather the bits of a mask that
 * lie under another, and spread them again; V_FIRST is the place of the lowest bit, and something for none. */

static inline void BPE_NAME(bpe_classify)(const uint8_t *p, bpe_masks *m, int words) {
    V_LOAD(p);
    m->high = V_MASK(V_HIGH);
    m->letter = V_MASK(V_LETTER);
    m->digit = V_MASK(V_DIGIT);
    m->newline = V_MASK(V_NEWLINE);
    m->space = V_MASK(V_SPACE);
    m->blank = (V_MASK(V_CONTROL) | m->space) & ~m->newline;
    m->quote = V_MASK(V_QUOTE);
    m->upper = words ? V_MASK(V_UPPER) : 0;
    m->slash = words ? V_MASK(V_SLASH) : 0;
}

#if defined(V_COMPRESS)

/* Turns the masks of a window's ASCII characters, one bit per byte, into those of all its complete characters, one bit per
 * character. *leads gets the first byte of each; returns their number. Only the characters outside ASCII are looked up,
 * those of two, three and four bytes in a loop each, so that no branch depends on what follows what. */
static inline unsigned BPE_NAME(bpe_classify_chars)(const uint8_t *window, size_t size, bpe_masks *m, uint64_t *leads,
                                                    int words) {
    uint64_t starts, wide, wider, left, space;
    uint8_t flags[64] = {0};
    unsigned n;
    {
        V_LOAD(window);
        starts = ~V_MASK(V_LATER);
        wide = V_MASK(V_WIDE) & m->high;
        wider = V_MASK(V_WIDER) & m->high;
    }
    if (size < 64) {
        starts &= (UINT64_C(1) << size) - 1;
    } else { /* the last character may be cut */
        unsigned top = bits_top(starts), len = 1u + (window[top] >= 0xC0) + (window[top] >= 0xE0) + (window[top] >= 0xF0);
        if (top + len > 64) starts &= ~(UINT64_C(1) << top);
    }
    for (left = m->high & starts & ~wide; left; left &= left - 1) {
        const uint8_t *p = window + bits_first(left);
        flags[p - window] = (uint8_t)bpe_flags_of((uint32_t)(p[0] & 0x1F) << 6 | (p[1] & 0x3F));
    }
    for (left = wide & starts & ~wider; left; left &= left - 1) {
        const uint8_t *p = window + bits_first(left);
        flags[p - window] =
            (uint8_t)bpe_flags_of((uint32_t)(p[0] & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F));
    }
    for (left = wider & starts; left; left &= left - 1) {
        const uint8_t *p = window + bits_first(left);
        flags[p - window] = (uint8_t)bpe_flags_of((uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 |
                                                  (uint32_t)(p[2] & 0x3F) << 6 | (p[3] & 0x3F));
    }
    n = bits_count(starts);
    {
        V_LOAD(flags);
        space = V_MASK(V_BIT2);
        m->letter = V_COMPRESS(m->letter | V_MASK(V_BIT0), starts);
        m->digit = V_COMPRESS(m->digit | V_MASK(V_BIT1), starts);
        m->blank = V_COMPRESS(m->blank | space, starts);
        m->newline = V_COMPRESS(m->newline, starts);
        m->space = V_COMPRESS(m->space, starts);
        m->quote = V_COMPRESS(m->quote, starts);
        if (words) {
            uint64_t upper = V_MASK(V_BIT3), lower = V_MASK(V_BIT4);
            m->slash = V_COMPRESS(m->slash, starts);
            m->upper = V_COMPRESS(m->upper | (upper & ~lower), starts);
            m->both = V_COMPRESS(upper & lower, starts);
            n = bpe_join_marks(m, n);
        }
    }
    *leads = starts;
    return n;
}

#else

/* The masks of a window with one bit per character, for the complete characters of its first size bytes. places gets
 * where each begins, and one more entry, the end; returns their number. */
static inline unsigned BPE_NAME(bpe_classify_chars)(const uint8_t *window, size_t size, bpe_masks *m, uint8_t *places, int words) {
    static const uint8_t lead[16] = {0x7F, 0x7F, 0x7F, 0x7F, 0x7F, 0x7F, 0x7F, 0x7F, 0, 0, 0, 0, 0x1F, 0x1F, 0x0F, 0x07};
    static const uint8_t shift[16] = {18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 12, 12, 6, 0};
    uint64_t starts, flag6, flag7, space, upper, lower;
    uint8_t flags[64];
    unsigned n = 0;
    {
        V_LOAD(window);
        starts = ~V_MASK(V_LATER);
    }
    if (size < 64) starts &= (UINT64_C(1) << size) - 1;
    memset(flags, 0, sizeof flags);
    do { /* decoding without branches: the length of a character is what cannot be foreseen in mixed text */
        unsigned i = bits_first(starts), kind = window[i] >> 4;
        uint32_t c = (uint32_t)(window[i] & lead[kind]) << 18 | (uint32_t)(window[i + 1] & 0x3F) << 12 |
                     (uint32_t)(window[i + 2] & 0x3F) << 6 | (window[i + 3] & 0x3F);
        c >>= shift[kind];
        places[n] = (uint8_t)i;
        flags[n++] = (uint8_t)bpe_flags_of(c);
        starts &= starts - 1;
    } while (starts);
    places[n] = (uint8_t)size;
    if (size == 64) { /* the last character may be cut */
        uint8_t b = window[places[n - 1]];
        unsigned len = 1u + (b >= 0xC0) + (b >= 0xE0) + (b >= 0xF0);
        if (places[n - 1] + len > 64) flags[--n] = 0;
    }
    {
        V_LOAD(flags);
        m->letter = V_MASK(V_BIT0), m->digit = V_MASK(V_BIT1), space = V_MASK(V_BIT2);
        m->newline = V_MASK(V_BIT5), flag6 = V_MASK(V_BIT6), flag7 = V_MASK(V_BIT7);
        m->blank = space & ~m->newline, m->space = flag6 & ~flag7, m->quote = flag7 & ~flag6, m->slash = flag6 & flag7;
        if (words) {
            upper = V_MASK(V_BIT3), lower = V_MASK(V_BIT4);
            m->upper = upper & ~lower, m->both = upper & lower;
            n = bpe_join_marks(m, n);
        }
    }
    return n;
}

#endif

/* Appends pos + i to the list of count ends for each bit i; room for 64. Returns the new count. */
static inline int BPE_NAME(bpe_list_ends)(size_t *ends, int count, size_t pos, uint64_t bits) {
#if defined(V_FIRST)
    /* Always 16, as more are rare: a loop that ends with the bits is mispredicted in nearly every window. */
    int all = count + (int)bits_count(bits);
    for (int i = 0; i < 16; i++, bits &= bits - 1) ends[count + i] = pos + V_FIRST(bits);
    for (count += 16; bits; bits &= bits - 1) ends[count++] = pos + V_FIRST(bits);
    return all;
#else
    for (; bits; bits &= bits - 1) ends[count++] = pos + bits_first(bits);
    return count;
#endif
}

/* Ends of the pieces from *at on, at most max of them; moves *at. Less than n is reached after max pieces or, if the
 * text goes on (final == 0), before the first piece whose end depends on that. */
static int BPE_NAME(bpe_scan_many)(const bpe_spec *spec, const uint8_t *text, size_t *at, size_t n, int final, size_t *ends,
                                   int max) {
    size_t pos = *at;
    int count = 0;
    while (pos < n && count + 64 <= max) {
        size_t left = n - pos;
        unsigned known, whole;
        uint64_t starts, end = 0, space, within;
        bpe_masks m;
        uint8_t copy[80], places_of[65], *places = NULL;
#if defined(V_COMPRESS)
        uint64_t leads = 0;
#endif
        const uint8_t *window = text + pos;
        if (left < 80) {
            memset(copy, 0, sizeof copy);
            memcpy(copy, window, left);
            window = copy;
        }
        BPE_NAME(bpe_classify)(window, &m, spec->family == BPE_O200K);
        known = m.high ? bits_first(m.high) : 64;
        whole = left < 64 ? (unsigned)left : 64; /* what known is if the window is all of the text that is left */
        if (m.high && known < 32) {
            places = places_of;
#if defined(V_COMPRESS)
            known = BPE_NAME(bpe_classify_chars)(window, whole, &m, &leads, spec->family == BPE_O200K);
            whole = left <= 64 && known == bits_count(leads) ? known : 65;
            if (m.quote) bpe_list_bits(leads, places);
#else
            known = BPE_NAME(bpe_classify_chars)(window, whole, &m, places, spec->family == BPE_O200K);
            whole = left <= 64 && places[known] == left ? known : 65;
#endif
            if (known == 0) goto slow;
        } else {
            if (left < known) known = (unsigned)left;
            m.both = 0;
            whole = known == left ? known : 65;
        }
        within = known == 64 ? ~UINT64_C(0) : (UINT64_C(1) << known) - 1;
        m.letter &= within, m.digit &= within, m.blank &= within, m.newline &= within;
        m.space &= within, m.quote &= within;
        if (spec->family == BPE_O200K) m.upper &= within, m.slash &= within;
        space = m.blank | m.newline;
        m.other = within & ~(m.letter | m.digit | space);
        if (final && whole == known && known < 64) end = UINT64_C(1) << known;
        if (spec->family == BPE_CL100K)
            starts = bpe_window_cl100k(&m, window, places, end, spec);
        else if (spec->family == BPE_O200K)
            starts = bpe_window_o200k(&m, window, places, end, spec);
        else
            starts = bpe_window_gpt2(&m, window, places, end, spec);
        if (end) {
            starts = (starts & within & ~UINT64_C(1)) | end;
        } else {
            /* A start is certain where three more characters are known, and not after the start of white space that
             * reaches the edge. */
            uint64_t certain = within >> 3;
            uint64_t open = ~space & within;
            if (space >> (known - 1) & 1) certain &= open ? (UINT64_C(2) << (bits_top(open) + 1)) - 1 : 1;
            starts &= certain & ~UINT64_C(1);
            if (!starts) goto slow;
        }
#if defined(V_COMPRESS)
        if (places) {
            leads = V_EXPAND(starts, leads);
            count = BPE_NAME(bpe_list_ends)(ends, count, pos, leads);
            if (end) ends[count++] = n;
            pos = end ? n : pos + bits_top(leads);
        } else
#else
        if (places) {
            do {
                ends[count++] = pos + places[bits_first(starts)];
                starts &= starts - 1;
            } while (starts);
            pos = ends[count - 1];
        } else
#endif
        {
            count = BPE_NAME(bpe_list_ends)(ends, count, pos, starts);
            pos += bits_top(starts); /* not ends[count - 1]: the next window need not wait for the list */
        }
        continue;
    slow:
        left = bpe_scan_one(spec, text, pos, n, final);
        if (left == BPE_MORE) break;
        ends[count++] = pos = left;
    }
    *at = pos;
    return count;
}

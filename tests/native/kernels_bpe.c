/* The scanners and merges of the BPE headers by every kernel, the whole encoder against plain merging, and the streaming
 * encoder against encoding at once. No Python: the headers get their memory from malloc here.
 *
 *   kernels_bpe [CASES] [SEED]      exit status 0: all equal, 1: not
 */
#include "kernels_text.h"

#include "bpe/build.h"
#include "bpe/fragment.h"
#include "bpe/ids.h"
#include "bpe/stream.h"

enum { TOKENS = 1500, VOCABS = 3 };

static const char *const kernels[] = {"scalar", "sse2", "neon", "avx2"};
static guarded data_room;
static size_t n;
static uint8_t *data;
static bpe_vocab vocabs[VOCABS];
static bpe_context *contexts[VOCABS][3];

/* ---- scanners --------------------------------------------------------------------------------------------------- */

static size_t scan_all(const bpe_spec *spec, int final, int room, size_t *ends, size_t *reached) {
    size_t at = 0, count = 0, i;
    while (at < n) {
        size_t some[BPE_BATCH], from = at;
        const int found = bpe_scan_many(spec, data, &at, n, final, some, room);
        if (found < 0 || found > room || at > n || (found && some[found - 1] != at)) fail("scanner: %d pieces to %zu", found, at);
        for (i = 0; i < (size_t)found; i++) {
            if (some[i] <= (i ? some[i - 1] : from)) fail("scanner: a piece of no bytes before %zu", some[i]);
            ends[count++] = some[i];
        }
        if (found == 0) break;
    }
    *reached = at;
    return count;
}

static bpe_spec some_spec(void) {
    static const uint8_t digits[] = {0, 1, 3, 9};
    bpe_spec spec;
    spec.family = (uint8_t)below(3);
    spec.digits = digits[below(4)];
    spec.trailing = (uint8_t)below(2);
    if (spec.family == BPE_GPT2) spec.digits = 0; /* its pattern knows no other */
    return spec;
}

static void check_scanners(void) {
    static size_t right[LONGEST + 1], other[LONGEST + 1];
    const bpe_spec spec = some_spec();
    const int final = below(3) != 0, room = 64 + (int)below(BPE_BATCH - 63);
    size_t i, reached, stop, count, k;
    bpe_choose_scanner("scalar");
    count = scan_all(&spec, final, BPE_BATCH, right, &reached);
    if (final && reached != n) fail("scanner: text of %zu bytes left at %zu", n, reached);
    note(count), note(reached);
    for (i = 0; i < count; i++) note(right[i]);
    for (i = 1; i < sizeof kernels / sizeof *kernels; i++) {
        if (!bpe_choose_scanner(kernels[i])) continue;
        k = scan_all(&spec, final, room, other, &stop);
        compared++;
        if (k != count || stop != reached || memcmp(other, right, count * sizeof *right))
            fail("scanner %s: family %d, digits %d, trailing %d, %zu bytes, final %d: %zu pieces to %zu, not %zu to %zu", kernels[i],
                 spec.family, spec.digits, spec.trailing, n, final, k, stop, count, reached);
    }
}

/* ---- vocabularies ----------------------------------------------------------------------------------------------- */

static uint8_t tokens[TOKENS][16], sizes[TOKENS];
static uint32_t token_count, slots[4096]; /* open addressing: token + 1 */

static uint32_t *token_slot(const uint8_t *p, size_t size) {
    uint32_t at = (uint32_t)size;
    size_t i;
    for (i = 0; i < size; i++) at = at * 16777619 ^ p[i];
    for (at ^= at >> 15;; at++) {
        uint32_t *slot = slots + at % 4096;
        if (*slot == 0 || (sizes[*slot - 1] == size && memcmp(tokens[*slot - 1], p, size) == 0)) return slot;
    }
}

static void add_token(const uint8_t *p, size_t size) {
    uint32_t *slot = token_slot(p, size);
    if (*slot || size > 16 || token_count == TOKENS) return;
    memcpy(tokens[token_count], p, size);
    sizes[token_count] = (uint8_t)size;
    *slot = ++token_count;
}

/* Merges p[0, size) by the tokens so far and adds its first two parts as one: a token that merging makes. */
static void add_merge(const uint8_t *p, size_t size) {
    size_t at[34], parts = size, i, k;
    for (i = 0; i <= size; i++) at[i] = i;
    while (parts > 1) {
        uint32_t low = BPE_NONE;
        for (k = i = 0; i + 1 < parts; i++) {
            const uint32_t t = at[i + 2] - at[i] > 16 ? 0 : *token_slot(p + at[i], at[i + 2] - at[i]);
            if (t && t < low) low = t, k = i;
        }
        if (low == BPE_NONE) break;
        memmove(at + k + 1, at + k + 2, (parts - k - 1) * sizeof *at);
        parts--;
    }
    if (parts == 2) add_token(p, size);
}

static void set_vocab(bpe_vocab *v, int whole_pieces) {
    const uint32_t count = token_count;
    uint32_t t, at = 0;
    memset(v, 0, sizeof *v);
    v->count = count;
    v->whole_pieces = whole_pieces;
    v->ids = malloc(count * sizeof *v->ids);
    v->starts = malloc((count + 1) * sizeof *v->starts);
    v->bytes = malloc(count * 16);
    for (t = 0; t < count; t++) {
        v->ids[t] = whole_pieces ? 3 * t + 7 : t;
        v->starts[t] = at;
        memcpy(v->bytes + at, tokens[t], sizes[t]);
        at += sizes[t];
    }
    v->starts[count] = at;
    if (bpe_vocab_build(v, NULL)) fail("no vocabulary of %u tokens", count);
}

/* 0: each token is made by merges of those before it; 1: any parts of text, many of which merging cannot make; 2: the
 * same with ids of their own, where a whole piece is its token. */
static void make_vocab(bpe_vocab *v, int kind) {
    static uint8_t text[4096];
    uint32_t i;
    memset(slots, 0, sizeof slots);
    token_count = 0;
    for (i = 0; i < 256; i++) {
        const uint8_t byte = (uint8_t)(kind ? 255 - i : i);
        add_token(&byte, 1);
    }
    while (token_count < TOKENS) {
        fill_text(text, sizeof text, below(7));
        for (i = 0; i < 400; i++) {
            const size_t size = 2 + below(below(4) ? 4 : 15);
            const uint8_t *p = text + below((uint32_t)(sizeof text - size));
            if (kind == 0) add_merge(p, size);
            else add_token(p, size);
        }
    }
    set_vocab(v, kind == 2);
    note(v->unreachable), note((uint64_t)v->monotone), note(v->max_len);
}

/* Merging as the definition says, of the neighbours whose bytes are the earliest token. */
static size_t merge_plainly(const bpe_vocab *v, const uint8_t *p, size_t size, uint32_t *ids) {
    static size_t at[LONGEST + 1];
    size_t parts = size, i, k;
    for (i = 0; i <= size; i++) at[i] = i;
    if (v->whole_pieces && bpe_find_whole(v, p, size) != BPE_NONE) at[parts = 1] = size;
    while (parts > 1) {
        uint32_t low = BPE_NONE;
        for (k = i = 0; i + 1 < parts; i++) {
            const uint32_t t = bpe_find_whole(v, p + at[i], at[i + 2] - at[i]);
            if (t < low) low = t, k = i;
        }
        if (low == BPE_NONE) break;
        memmove(at + k + 1, at + k + 2, (parts - k - 1) * sizeof *at);
        parts--;
    }
    for (i = 0; i < parts; i++) ids[i] = v->ids[bpe_find_whole(v, p + at[i], at[i + 1] - at[i])];
    return parts;
}

/* ---- merging in step -------------------------------------------------------------------------------------------- */

static void check_merging(void) {
    typedef void (*merge_all)(const bpe_vocab *, bpe_merging *, unsigned);
    static uint32_t parts[BPE_MERGE_ROOM], right[BPE_PENDING][BPE_MERGED_MAX], out[BPE_MERGED_MAX];
    static int32_t ranks[BPE_MERGE_ROOM];
    bpe_merging list[BPE_PENDING];
    const bpe_vocab *v = vocabs; /* all of it can be merged */
    const unsigned pieces = 1 + below(BPE_PENDING);
    size_t sizes[BPE_PENDING], counts[BPE_PENDING], i, k;
    const uint8_t *p[BPE_PENDING];
    if (n < BPE_MERGED_MAX) return;
    for (i = 0; i < pieces; i++) {
        sizes[i] = 1 + below(BPE_MERGED_MAX);
        p[i] = data + below((uint32_t)(n - sizes[i]) + 1);
        counts[i] = merge_plainly(v, p[i], sizes[i], right[i]);
    }
    for (k = 0; k < sizeof kernels / sizeof *kernels; k++) {
        uint32_t used = 0;
        merge_all merge;
        if (!bpe_choose_scanner(kernels[k])) continue;
        merge = bpe_merge_all;
        for (i = 0; i < pieces; i++) {
            list[i].parts = parts + used;
            list[i].ranks = ranks + used;
            list[i].room = (uint32_t)(sizes[i] + 9) & ~7u;
            used += list[i].room;
            bpe_merge_begin(v, list + i, p[i], sizes[i]);
        }
        merge(v, list, pieces);
        for (i = 0; i < pieces; i++) {
            compared++;
            bpe_merge_tokens(v, list + i, sizes[i], out);
            if (bpe_merge_count(list + i, sizes[i]) != counts[i] || memcmp(out, right[i], counts[i] * sizeof *out))
                fail("merging %s: a piece of %zu bytes", kernels[k], sizes[i]);
        }
    }
}

/* ---- the encoder ------------------------------------------------------------------------------------------------ */

static size_t encode_plainly(const bpe_vocab *v, const bpe_spec *spec, uint32_t *ids) {
    size_t at = 0, count = 0, end;
    for (; at < n; at = end) {
        end = bpe_scan_one(spec, data, at, n, 1);
        count += merge_plainly(v, data + at, end - at, ids + count);
    }
    return count;
}

static void stream_all(const bpe_vocab *v, const bpe_spec *spec, bpe_context *c, bpe_output *o) {
    bpe_stream s;
    size_t at = 0, hit;
    uint32_t which;
    memset(&s, 0, sizeof s);
    if (bpe_stream_init(&s, v)) fail("no memory");
    for (;;) {
        size_t size = at < n ? below(below(3) ? 20 : 700) + 1 : 0;
        if (size > n - at) size = n - at;
        while (at + size < n && (data[at + size] & 0xC0) == 0x80) size++;
        s.before = s.now;
        if (bpe_stream_take(&s, v, spec, c, NULL, NULL, data + at, size, at + size == n, o, &hit, &which)) fail("no memory");
        bpe_stream_commit(&s);
        at += size;
        if (at == n) break;
    }
    bpe_stream_free(&s);
}

static void check_encoder(void) {
    static uint32_t right[LONGEST + 8];
    const bpe_spec spec = some_spec();
    const int kind = (int)below(VOCABS), cache = (int)below(3);
    const bpe_vocab *v = vocabs + kind;
    const size_t count = encode_plainly(v, &spec, right);
    size_t i;
    note(count);
    for (i = 0; i < count; i++) note(right[i]);
    for (i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        const uint64_t state = random_state;
        bpe_output o = {NULL, 0, 0, 0}, streamed = {NULL, 0, 0, 0};
        size_t at = 0;
        if (!bpe_choose_scanner(kernels[i])) continue;
        if (bpe_encode_text(v, &spec, contexts[kind][cache], NULL, data, &at, n, 0, &o)) fail("no memory");
        stream_all(v, &spec, contexts[kind][cache], &streamed);
        random_state = state;
        compared += 2;
        if (o.count != count || (count && memcmp(o.ids, right, count * sizeof *right)))
            fail("encoder %s: vocabulary %d, family %d, %zu bytes: %zu ids, not %zu", kernels[i], kind, spec.family, n, o.count, count);
        if (streamed.count != count || (count && memcmp(streamed.ids, right, count * sizeof *right)))
            fail("stream %s: vocabulary %d, family %d, %zu bytes: %zu ids, not %zu", kernels[i], kind, spec.family, n, streamed.count, count);
        bpe_output_free(&o);
        bpe_output_free(&streamed);
    }
    next_random();
}

/* ---- words of memory -------------------------------------------------------------------------------------------- */

/* Loads, hashes and keys do not depend on byte order or word size. */
static void check_words_of_memory(void) {
    uint64_t low = next_word(), high = next_word(), by_byte = 0;
    size_t chars = 0, whole, i;
    note(bpe_fold(low, high));
    note(bpe_hash_bytes(data, n));
    whole = bpe_whole_chars(data, n, &chars);
    note(whole), note(chars);
    i = valid_by_character(data, n);
    if (whole != (i == n || utf8_held(data, n, 0) == n - i ? i : n + 1)) fail("UTF-8 of %zu bytes: %zu whole", n, whole);
    compared++;
    if (n < 16) return;
    for (i = 8; i-- > 0;) by_byte = by_byte << 8 | data[i];
    if (bpe_load64(data) != by_byte || bpe_load32(data) != (uint32_t)by_byte) fail("load of a word");
    for (i = 0; i <= BPE_SHORT; i++) {
        uint8_t piece[16] = {0};
        memcpy(piece, data, i);
        bpe_key(data, i, &low, &high);
        if (low != bpe_load64(piece) || high != (bpe_load64(piece + 8) | BPE_LENGTH(i))) fail("key of %zu bytes", i);
        note(bpe_hash_key(low, high));
    }
    compared += 18;
}

/* Arrays whose size in bytes has no place in size_t: half a gigabyte of text makes one where that has 32 bits. */
static void check_sizes(void) {
    const size_t most = (size_t)-1;
    bpe_list list = {NULL, 0};
    bpe_output output = {NULL, 0, 0, 0};
    if (bpe_alloc_array(most / 8 + 1, 8) || bpe_alloc_array(most, 1) || bpe_realloc_array(NULL, most / 4 + 2, 4))
        fail("an array larger than memory");
    if (sizeof(size_t) == 4) {
        if (bpe_list_reserve(&list, 0x60000000) == BPE_OK) fail("a list of 6 GB in 32 bits");
        if (bpe_output_reserve(&output, 0x60000000) == BPE_OK) fail("an output of 6 GB in 32 bits");
    }
    compared += 3;
}

/* What is taken where nobody asks for a kernel: not AVX2 where pext is slow. */
static void check_choice(void) {
    const unsigned both = CPU_HAS_AVX2 | CPU_HAS_FAST_PEXT;
    bpe_scanner best;
    size_t i;
    bpe_choose_scanner(NULL);
    best = bpe_scan_many;
    for (i = sizeof kernels / sizeof *kernels; i-- > 0;) {
        if (strcmp(kernels[i], "avx2") == 0 && (cpu_features() & both) != both) continue;
        if (bpe_choose_scanner(kernels[i])) break;
    }
    if (bpe_scan_many != best) fail("the kernel of choice is not %s", kernels[i]);
    compared++;
}

int main(int argc, char **argv) {
    static const size_t caches[] = {0, 65536, 1 << 20};
    const uint32_t cases = cases_wanted(argc, argv);
    char names[64] = "";
    uint32_t i, k;
    data_room = guarded_room(LONGEST + 256);
    check_sizes();
    check_choice();
    for (i = 0; i < VOCABS; i++) {
        make_vocab(vocabs + i, (int)i);
        for (k = 0; k < 3; k++)
            if (!(contexts[i][k] = bpe_context_new(vocabs + i, caches[k]))) fail("no memory");
    }
    if (vocabs[0].unreachable || !vocabs[1].unreachable) fail("the vocabularies are not what they should be");
    for (i = 0; i < cases; i++) {
        n = length_of_case(i);
        data = placed(&data_room, n, placement_of_case(i));
        fill_text(data, n, below(3) ? 5 : below(7));
        check_scanners();
        check_merging();
        if (i % 3 == 0) check_encoder();
        if (below(8) == 0 && n) data[below((uint32_t)n)] = (uint8_t)below(256);
        check_words_of_memory();
    }
    for (i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        const int runs = bpe_choose_scanner(kernels[i]);
        if (runs != (cpu_why_not(kernels[i]) == CPU_RUNS)) fail("cpu.h and the scanner differ about %s", kernels[i]);
        if (runs) strcat(strcat(names, *names ? " " : ""), kernels[i]);
    }
    for (i = 0; i < VOCABS; i++) {
        for (k = 0; k < 3; k++) bpe_context_free(contexts[i][k]);
        bpe_vocab_free(vocabs + i);
    }
    report("bpe", names);
    return 0;
}

/* Every kernel of scan.h and words.h against the scalar reference, delimiters.h by each of them against a search byte by
 * byte, and cpu.h against processors that are made up.
 *
 *   kernels_scan [CASES] [SEED]      exit status 0: all equal, 1: not
 */
#include "kernels.h"

#include "kernels/scan.h"

#include "framing/delimiters.h"
#include "framing/lengths.h"
#include "framing/line_ends.h"
#include "text/words.h"
#include "text/words_text.h"

enum { MOST_KERNELS = 4 };

static guarded data_room, out_room;
static size_t n;
static uint8_t *data;

/* ---- scan.h ----------------------------------------------------------------------------------------------------- */

static uint32_t expected[LONGEST + 1];
static size_t caps[] = {65, 66, 71, 72, 73, 128, 129, 200, 257, 320, 321, 400, 1096};

/* Offsets by one call after the other, in blocks of `cap`; what each call decided is compared too. */
typedef struct {
    size_t count, calls, done[LONGEST / 64 + 2];
    uint32_t at[LONGEST + 1];
    int state;
} hits;

static size_t some_cap(void) { return caps[below(sizeof caps / sizeof *caps)]; }

static void collect(hits *all, const sc_kernels *k, int which, uint8_t byte, const sc_set *set, int state, size_t cap) {
    uint32_t *out = (uint32_t *)(void *)(out_room.end - cap * sizeof *out);
    size_t at = 0, found, done = 0, i;
    all->count = all->calls = 0;
    all->state = state;
    while (at < n) {
        if (which == 0) found = k->byte(data + at, n - at, byte, out, cap, &done);
        else if (which == 1) found = k->set(data + at, n - at, set, out, cap, &done);
        else found = k->newline(data + at, n - at, &all->state, out, cap, &done);
        if (done == 0 || done > n - at || found > cap) fail("%s stops at %zu of %zu", k->name, at, n);
        for (i = 0; i < found; i++) all->at[all->count++] = (uint32_t)at + out[i];
        at += done;
        all->done[all->calls++] = done;
    }
}

static void compare_hits(int which, uint8_t byte, const sc_set *set, int state) {
    static hits right, other;
    const size_t cap = some_cap();
    const sc_kernels *k;
    size_t i;
    collect(&right, &sc_scalar, which, byte, set, state, cap);
    note(right.count);
    for (i = 0; i < right.count; i++) note(right.at[i]);
    note((uint64_t)right.state);
    for (i = 1; (k = sc_available((int)i)) != NULL; i++) {
        collect(&other, k, which, byte, set, state, cap);
        compared++;
        if (other.count != right.count || other.calls != right.calls || other.state != right.state ||
            memcmp(other.at, right.at, right.count * sizeof *right.at) ||
            memcmp(other.done, right.done, right.calls * sizeof *right.done))
            fail("scan %s, function %d: %zu bytes, block of %zu", k->name, which, n, cap);
    }
}

static void compare_finds(const sc_set *set) {
    static const size_t gaps[] = {0, 1, 2, 15, 16, 17, 31, 63, 64, 65, 200};
    const size_t gap = gaps[below(sizeof gaps / sizeof *gaps)];
    const uint8_t first = n ? data[below((uint32_t)n)] : 1, other = n ? data[below((uint32_t)n)] : 1;
    const size_t pair = sc_scalar.pair(data, n, first, other, gap), member = sc_scalar.find_set(data, n, set);
    const size_t ascii = sc_scalar.ascii(data, n);
    const sc_kernels *k;
    int i;
    note(pair), note(member), note(ascii);
    for (i = 1; (k = sc_available(i)) != NULL; i++) {
        compared += 3;
        if (k->pair(data, n, first, other, gap) != pair) fail("scan %s: pair at %zu of %zu", k->name, gap, n);
        if (k->find_set(data, n, set) != member) fail("scan %s: find_set in %zu", k->name, n);
        if (k->ascii(data, n) != ascii) fail("scan %s: ascii in %zu", k->name, n);
    }
}

static void fill_bytes(void) {
    static const char *const alphabets[] = {"a", "\n", "\r\n", "a\r\n", "a\n", "aaaaaaaaaaaaaaa\n", "aaaaaaa\r\n",
                                            "a\x80\xff\x7f\n\r;|,", "ab", "\r"};
    const uint32_t style = below(14);
    size_t i;
    for (i = 0; i < n; i++) {
        if (style < 10) data[i] = (uint8_t)alphabets[style][below((uint32_t)strlen(alphabets[style]))];
        else if (style == 10) data[i] = (uint8_t)below(256);
        else if (style == 11) data[i] = (uint8_t)(below(300) ? 'a' : 0x80 + below(128));
        else data[i] = (uint8_t)(below(style == 12 ? 40 : 400) ? 'a' + below(20) : 9 + below(6));
    }
}

static void check_scan(void) {
    static const uint32_t sizes[] = {0, 1, 2, 3, 8, 9, 40};
    const uint32_t members = sizes[below(7)];
    sc_set set;
    uint32_t i;
    fill_bytes();
    sc_set_init(&set);
    for (i = 0; i < members; i++) sc_set_add(&set, n && below(2) ? data[below((uint32_t)n)] : (uint8_t)below(256));
    compare_hits(0, below(4) ? (n ? data[below((uint32_t)n)] : 0) : (uint8_t)below(256), NULL, 0);
    compare_hits(0, '\n', NULL, 0);
    compare_hits(1, 0, &set, 0);
    compare_hits(2, 0, NULL, 0);
    compare_hits(2, 0, NULL, 1);
    compare_finds(&set);
}

/* ---- delimiters.h ----------------------------------------------------------------------------------------------- */

/* The automaton of one delimiter, as _shared/delimiters.py makes it. */
static void make_automaton(sc_automaton *a, sc_node *nodes, const uint8_t *bytes, int32_t size) {
    int32_t i, same = 0;
    memset(nodes, 0, (size_t)(size + 1) * sizeof *nodes);
    memset(a, 0, sizeof *a);
    for (i = 0; i <= size; i++) {
        nodes[i].child = i < size ? i + 1 : 0;
        nodes[i].depth = i;
        nodes[i].byte = i ? bytes[i - 1] : 0;
        nodes[i].matched = i == size;
        if (i > 1) {
            while (same && bytes[same] != bytes[i - 1]) same = nodes[same].failure;
            if (bytes[same] == bytes[i - 1]) same++;
            nodes[i].failure = same;
        }
    }
    sc_set_init(&a->first);
    sc_set_add(&a->first, bytes[0]);
    a->nodes = nodes;
    a->only = bytes;
    a->only_size = (size_t)size;
}

static void check_delimiters(void) {
    static ptrdiff_t ends[LONGEST + 2], starts[LONGEST + 2], right[LONGEST + 2];
    const uint32_t letters = 1 + below(3), size = 1 + below(6);
    uint8_t only[8];
    sc_node nodes[9];
    sc_automaton a;
    const size_t half = below((uint32_t)n + 1);
    size_t i, count = 0;
    const sc_kernels *k;
    for (i = 0; i < n; i++) data[i] = (uint8_t)(below(30) < 10 ? 'x' : 'a' + below(letters));
    for (i = 0; i < size; i++) only[i] = (uint8_t)('a' + below(letters));
    make_automaton(&a, nodes, only, (int32_t)size);
    for (i = 0; i + size <= n;) {
        if (memcmp(data + i, only, size) == 0) right[count++] = (ptrdiff_t)i, i += size;
        else i++;
    }
    note(count);
    for (i = 0; (k = sc_available((int)i)) != NULL; i++) {
        sc_run run = {ends, starts, 0, 0, 0, 0};
        size_t at = 0, until, j;
        while (at < n) { /* in two spans */
            until = at < half ? half : n;
            while (at < until) at = sc_run_span(&a, k, &run, data, at, until, LONGEST + 2, 1);
        }
        sc_run_finish(&a, &run, (ptrdiff_t)n);
        compared++;
        if (run.end_count != count || run.start_count != count) fail("delimiters %s: %zu, not %zu", k->name, run.end_count, count);
        for (j = 0; j < count; j++)
            if (ends[j] != right[j] || starts[j] != right[j] + (ptrdiff_t)size) fail("delimiters %s at %zu", k->name, j);
    }
}

/* ---- line_ends.h ------------------------------------------------------------------------------------------------ */

static void check_line_ends(void) {
    static int64_t ends[LONGEST + 1];
    size_t done = 0, count, i, dropped = 0, crlf;
    fill_bytes();
    count = sc_scalar.byte(data, n, '\n', expected, LONGEST, &done);
    crlf = sc_count_crlf(data, expected, count, 1);
    sc_ends_mixed(data, expected, count, 1, 5, ends);
    for (i = 0; i < count; i++) {
        dropped += expected[i] && data[expected[i] - 1] == '\r';
        if (ends[i] != (int64_t)expected[i] + 5 - (int64_t)(i + dropped)) fail("line ends, %zu of %zu", i, count);
    }
    if (crlf != dropped) fail("CRLF counted %zu times, not %zu", crlf, dropped);
    sc_ends_alike(expected, count, 3, 2, ends);
    for (i = 0; i < count; i++) note((uint64_t)ends[i]);
    compared += 2;
}

/* ---- lengths.h -------------------------------------------------------------------------------------------------- */

/* A field is read where its last byte is the last that may be read, and not before that is there. */
static void check_lengths(void) {
    static const unsigned widths[] = {1, 2, 3, 4, 8};
    const sc_prefix prefix = {(int)below(4), widths[below(5)], (int64_t)below(3) - 1};
    const uint64_t some = (uint64_t)below(256) << 56 | (uint64_t)below(1u << 30) << 26 | below(1u << 26);
    uint64_t value = some >> below(64);
    uint8_t field[SC_LENGTH_BYTES + 1];
    size_t size = 0, i;
    sc_length found;
    int status;
    if (prefix.kind <= SC_LENGTH_LITTLE) {
        size = prefix.width;
        if (size < 8) value &= (UINT64_C(1) << (8 * size)) - 1;
        for (i = 0; i < size; i++) field[i] = (uint8_t)(value >> (8 * (prefix.kind == SC_LENGTH_BIG ? size - 1 - i : i)));
    } else if (prefix.kind == SC_LENGTH_VARINT) {
        for (; value >> (7 * size) >= 128 && size < 9; size++) field[size] = (uint8_t)(value >> (7 * size) | 0x80);
        field[size] = (uint8_t)(value >> (7 * size)), size++;
    } else {
        size = (size_t)snprintf((char *)field, sizeof field, "%llu:", (unsigned long long)value);
    }
    data = placed(&data_room, size, 0);
    memcpy(data, field, size);
    for (i = 0; i < size; i++)
        if (sc_read_length(&prefix, data, i, &found) != SC_LENGTH_MORE) fail("length %d ends after %zu of %zu", prefix.kind, i, size);
    status = sc_read_length(&prefix, data, size, &found);
    compared++;
    note((uint64_t)status);
    if (prefix.adjust < 0 && value == 0) {
        if (status != SC_LENGTH_NEGATIVE) fail("length %d: no body of -1", prefix.kind);
    } else if (status != SC_LENGTH_READY || found.used != size ||
               found.body != (prefix.adjust == 1 && value == UINT64_MAX ? value : value + (uint64_t)prefix.adjust)) {
        fail("length %d: %llu", prefix.kind, (unsigned long long)value);
    }
}

/* ---- words.h ---------------------------------------------------------------------------------------------------- */

static uint32_t some_unit(int kind, uint32_t style) {
    static const uint16_t edges[] = {8, 9, 13, 14, 0x1B, 0x1C, 0x1F, 0x20, 0x21, 0x84, 0x85, 0x86, 0x9F, 0xA0, 0xA1, 0xFF, 0x100, 0x109,
                                     0x120, 0x1FFF, 0x2000, 0x200A, 0x200B, 0x2020, 0x2028, 0x2029, 0x202F, 0x205F, 0x1680, 0x167F, 0x3000,
                                     0x3001, 0x3020, 0x2FFF, 0x8000, 0x8020, 0xA009, 0xFFFF, 0xFF20};
    uint32_t c;
    if (style == 0) c = below(6) ? 'a' : ' ';
    else if (style == 1) c = edges[below(sizeof edges / sizeof *edges)];
    else if (style == 2) c = below(kind == WORDS_UCS4 ? 0x110000 : 0x10000);
    else if (style == 3) c = below(40) ? 0x4E00 + below(500) : 0x3000;
    else c = below(80) ? 'b' : 0x10000 + edges[below(sizeof edges / sizeof *edges)];
    return kind <= WORDS_UCS1 ? c & 0xFF : kind == WORDS_UCS2 ? c & 0xFFFF : c;
}

static size_t words_all(words_scan scan, size_t count, size_t width, size_t cap, int *space, uint32_t *all) {
    uint32_t *out = (uint32_t *)(void *)(out_room.end - cap * sizeof *out);
    size_t at = 0, done = 0, k = 0, found, i;
    while (at < count) {
        found = scan(data + at * width, count - at, space, out, cap, &done);
        if (done == 0 || done > count - at || found > cap) fail("words stop at %zu of %zu", at, count);
        for (i = 0; i < found; i++) all[k++] = (uint32_t)at + out[i];
        at += done;
    }
    return k;
}

static void check_words(size_t length, unsigned placement) {
    static const int kinds[] = {WORDS_BYTES, WORDS_UCS1, WORDS_UCS2, WORDS_UCS4};
    static uint32_t other[LONGEST + 1];
    const int which = (int)below(4), kind = kinds[which], starts = (int)below(2), space = (int)below(2);
    const size_t width = kind ? (size_t)kind : 1, cap = 72 + below(3) * 64;
    const uint32_t style = below(5);
    const words_kernel *k;
    size_t i, right;
    int state = space, kernel;
    data = placed(&data_room, length * width, placement);
    for (i = 0; i < length; i++) {
        const uint32_t c = some_unit(kind, style);
        const uint16_t half = (uint16_t)c;
        if (width == 4) memcpy(data + 4 * i, &c, 4);
        else if (width == 2) memcpy(data + 2 * i, &half, 2);
        else data[i] = (uint8_t)c;
    }
    right = words_all(starts ? words_scalar.starts[which] : words_scalar.changes[which], length, width, cap, &state, expected);
    note(right), note((uint64_t)state);
    for (i = 0; i < right; i++) note(expected[i]);
    for (kernel = 1; (k = words_kernel_at(kernel)) != NULL; kernel++) {
        int after = space;
        const size_t count = words_all(starts ? k->starts[which] : k->changes[which], length, width, cap, &after, other);
        compared++;
        if (count != right || after != state || memcmp(other, expected, right * sizeof *other))
            fail("words %s: %zu units of %zu bytes, starts %d", k->name, length, width, starts);
    }
}

/* Widening, in place. */
static void check_copies(size_t length) {
    static const int widths[] = {1, 2, 4};
    static uint32_t units[LONGEST], copy[LONGEST];
    const int one = widths[below(3)], two = widths[below(3)], from = one < two ? one : two, to = one < two ? two : one;
    size_t i;
    uint32_t all = 0;
    for (i = 0; i < length; i++) {
        const uint32_t c = some_unit(from, below(5));
        all |= c;
        if (from == 4) units[i] = c;
        else if (from == 2) ((uint16_t *)units)[i] = (uint16_t)c;
        else ((uint8_t *)units)[i] = (uint8_t)c;
        copy[i] = c;
    }
    note(words_widest(units, length, from));
    if (all < 0x80 && words_widest(units, length, from) != 0x7F) fail("widest of %zu", length);
    words_copy(units, to, units, from, length);
    for (i = 0; i < length; i++) {
        const uint32_t c = to == 4 ? units[i] : to == 2 ? ((uint16_t *)units)[i] : ((uint8_t *)units)[i];
        if (c != copy[i]) fail("copy of %zu units from %d to %d bytes", length, from, to);
    }
    compared++;
}

/* ---- cpu.h ------------------------------------------------------------------------------------------------------ */

static uint32_t leaves[5][4]; /* of 0, 1, 7, 0x80000000, 0x80000001 */
static uint64_t kept;
static int forbidden; /* xgetbv without OSXSAVE is an illegal instruction */

static void made_up_id(uint32_t leaf, uint32_t regs[4]) {
    const int at = leaf == 0 ? 0 : leaf == 1 ? 1 : leaf == 7 ? 2 : leaf == UINT32_C(0x80000000) ? 3 : 4;
    if (leaf > UINT32_C(0x80000001)) fail("cpuid %x", leaf);
    memcpy(regs, leaves[at], sizeof leaves[at]);
}

static uint64_t made_up_xcr0(void) {
    if (!(leaves[1][2] >> 27 & 1)) forbidden = 1;
    return kept;
}

static unsigned ask(uint32_t vendor, uint32_t family) {
    static const cpu_source source = {made_up_id, made_up_xcr0};
    leaves[0][1] = vendor;
    leaves[1][0] = family < 0xF ? family << 8 : UINT32_C(0xF00) | (family - 0xF) << 20;
    return cpu_ask(&source);
}

static void check_cpu(void) {
    /* AVX, OSXSAVE, POPCNT; BMI, AVX2, BMI2; LZCNT: without any one of them nothing of AVX2 may run */
    static const int needed[][3] = {{1, 2, 28}, {1, 2, 27}, {1, 2, 23}, {2, 1, 3}, {2, 1, 5}, {2, 1, 8}, {4, 2, 5}};
    const uint32_t intel = 0x756E6547, amd = 0x68747541, hygon = 0x6F677948;
    const unsigned both = CPU_HAS_AVX2 | CPU_HAS_FAST_PEXT;
    size_t i;
    memset(leaves, 0xFF, sizeof leaves);
    leaves[0][0] = 13;
    leaves[3][0] = UINT32_C(0x80000008);
    kept = 7;
    if (ask(intel, 6) != both || ask(amd, 0x19) != both) fail("cpu: a processor that has all");
    if (ask(amd, 0x17) != CPU_HAS_AVX2 || ask(amd, 0x15) != CPU_HAS_AVX2 || ask(hygon, 0x18) != CPU_HAS_AVX2)
        fail("cpu: a processor on which pext is slow");
    for (i = 0; i < sizeof needed / sizeof *needed; i++) {
        uint32_t *word = &leaves[needed[i][0]][needed[i][1]], bit = UINT32_C(1) << needed[i][2];
        *word &= ~bit;
        if (ask(intel, 6) != 0) fail("cpu: leaf %d, bit %d is not asked for", needed[i][0], needed[i][2]);
        *word |= bit;
    }
    if (forbidden) fail("cpu: xgetbv without OSXSAVE");
    for (kept = 0; kept < 8; kept++)
        if (ask(intel, 6) != (kept >= 6 ? both : 0)) fail("cpu: registers kept: %d", (int)kept);
    leaves[0][0] = 6;
    if (ask(intel, 6) != 0) fail("cpu: no leaf 7");
    leaves[0][0] = 13;
    leaves[3][0] = UINT32_C(0x80000000);
    if (ask(intel, 6) != 0) fail("cpu: no leaf 0x80000001");
    compared += 21;
}

static void check_bits(void) {
    uint64_t x = next_word(), left;
    unsigned first = 0, top = 63, count = 0;
    x >>= below(64);
    x <<= below(64);
    if (x == 0) x = UINT64_C(1) << below(64);
    while (!(x >> first & 1)) first++;
    while (!(x >> top & 1)) top--;
    for (left = x; left; left &= left - 1) count++;
    if (bits_first(x) != first || bits_top(x) != top || bits_count(x) != count || bits_count_slowly(x) != count)
        fail("bits of %016llx", (unsigned long long)x);
    compared += 4;
}

int main(int argc, char **argv) {
    const uint32_t cases = cases_wanted(argc, argv);
    char names[64] = "";
    uint32_t i;
    data_room = guarded_room(4 * LONGEST + 256);
    out_room = guarded_room(4096 * sizeof(uint32_t));
    check_cpu();
    for (i = 0; i < cases; i++) {
        n = length_of_case(i);
        data = placed(&data_room, n, placement_of_case(i));
        check_scan();
        check_delimiters();
        check_line_ends();
        check_lengths();
        check_words(n, placement_of_case(i));
        check_copies(n);
        check_bits();
    }
    for (i = 0; sc_available((int)i); i++) {
        if (strcmp(sc_available((int)i)->name, words_kernel_at((int)i)->name)) fail("scan and words differ in kernels");
        if (cpu_why_not(sc_available((int)i)->name) != CPU_RUNS) fail("cpu.h knows no %s", sc_available((int)i)->name);
        strcat(strcat(names, i ? " " : ""), sc_available((int)i)->name);
    }
    report("scan", names);
    return 0;
}

/* Every kernel of utf8.h against the scalar reference, on valid text and on text with every kind of error.
 *
 *   kernels_utf8 [CASES] [SEED]      exit status 0: all equal, 1: not
 */
#include "kernels_text.h"

#include "kernels/utf8.h"

static guarded data_room, right_room, out_room;
static size_t n;
static uint8_t *data;

/* Breaks a byte here and there, and ends anywhere. */
static void fill_errors(uint32_t style) {
    static const char *const bad[] = {"\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF", "\xEF\xBF",
                                      "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xF8\x88\x80\x80\x80",
                                      "\xFE", "\xFF", "\x80", "\xBF\xBF", "\xC3", "\xE4\xB8", "\xF0\x9F\x98", "\xE4\x41", "\xF0\x9F\x41"};
    uint32_t errors = 1 + below(below(4) ? 3 : 40);
    size_t i;
    if (style == 7) {
        for (i = 0; i < n; i++) data[i] = (uint8_t)below(256);
        return;
    }
    fill_text(data, n, style % 5);
    while (errors-- && n) {
        const char *some = bad[below(sizeof bad / sizeof *bad)];
        const size_t size = strlen(some), at = below((uint32_t)n);
        if (below(3) == 0) data[at] = (uint8_t)below(256);
        else memcpy(data + at, some, size < n - at ? size : n - at);
    }
}

static int width_of(uint8_t top) { return top < 0xC4 ? 0 : top < 0xF0 ? 1 : 2; }

/* A class of widths, not a byte: kernels need not look at the top of ASCII. */
static uint8_t seen(uint8_t top) { return top < 0x80 ? 0 : top; }

static void compare_spans(int limit, int replace) {
    utf8_span right, other;
    const utf8_kernel *k;
    uint8_t *expected, *out;
    size_t bytes, i;
    int kernel, width;
    utf8_span_scan(&utf8_scalar, data, n, limit, &right);
    width = right.bads && replace ? (width_of(right.top) < 1 ? 1 : width_of(right.top)) : width_of(right.top);
    width += (int)below((uint32_t)(3 - width));
    bytes = (right.chars + (replace ? (size_t)right.bads : 0)) << width;
    expected = right_room.end - bytes;
    out = out_room.end - bytes;
    utf8_span_write(&utf8_scalar, data, &right, width, replace, expected);
    note(right.n), note(right.chars), note((uint64_t)right.bads), note(seen(right.top));
    for (i = 0; i < right.chars << width >> width; i++) {
        uint16_t two = 0;
        uint32_t four = 0;
        if (width == 2) memcpy(&four, expected + 4 * i, 4);
        else if (width == 1) memcpy(&two, expected + 2 * i, 2);
        else two = expected[i];
        note(four | two);
    }
    for (kernel = 1; (k = utf8_kernel_at(kernel)) != NULL; kernel++) {
        utf8_span_scan(k, data, n, limit, &other);
        compared++;
        if (other.n != right.n || other.chars != right.chars || other.bads != right.bads || seen(other.top) != seen(right.top) ||
            memcmp(other.at, right.at, (size_t)right.bads * sizeof *right.at) ||
            memcmp(other.before, right.before, (size_t)right.bads * sizeof *right.before) ||
            memcmp(other.length, right.length, (size_t)right.bads))
            fail("utf8 %s: span of %zu, at most %d errors", k->name, n, limit);
        memset(out, 0xEE, bytes);
        utf8_span_write(k, data, &other, width, replace, out);
        if (memcmp(out, expected, bytes)) fail("utf8 %s: written span of %zu at width %d", k->name, n, width);
    }
}

static void compare_checks(void) {
    const utf8_kernel *k;
    const uint8_t before = below(2) ? 0 : (uint8_t)below(256);
    size_t chars = 7, ascii;
    uint8_t top = before, *expected = right_room.end - n, *out = out_room.end - n;
    const size_t valid = utf8_scalar.check(data, n, &chars, &top);
    int kernel;
    if (valid != valid_by_character(data, n)) fail("utf8: %zu valid bytes", valid);
    note(valid), note(chars), note(seen(top)), note(utf8_held(data, n, 0)), note(utf8_held(data, n, 1));
    for (ascii = 0; ascii < n && data[ascii] < 0x80; ascii++) {}
    for (kernel = 0; (k = utf8_kernel_at(kernel)) != NULL; kernel++) {
        size_t other_chars = 7, copied;
        uint8_t other_top = before;
        compared += 2;
        if (k->check(data, n, &other_chars, &other_top) != valid || other_chars != chars || seen(other_top) != seen(top))
            fail("utf8 %s: check of %zu", k->name, n);
        copied = k->ascii(data, n, out);
        if (copied > ascii || ascii - copied > 63 || (ascii == n && copied != n) || memcmp(out, data, copied))
            fail("utf8 %s: %zu of %zu ASCII bytes copied", k->name, copied, ascii);
    }
    if (valid == n) {
        const int width = width_of(top > before ? top : before);
        chars -= 7;
        if (chars << width > 4 * LONGEST) fail("utf8: %zu characters in %zu bytes", chars, n);
        expected = right_room.end - (chars << width), out = out_room.end - (chars << width);
        utf8_scalar.widen[width](data, n, expected);
        for (kernel = 1; (k = utf8_kernel_at(kernel)) != NULL; kernel++) {
            compared++;
            k->widen[width](data, n, out);
            if (memcmp(out, expected, chars << width)) fail("utf8 %s: %zu bytes at width %d", k->name, n, width);
        }
    }
}

int main(int argc, char **argv) {
    static const int limits[] = {0, 1, 2, UTF8_MAX_BAD};
    const uint32_t cases = cases_wanted(argc, argv);
    char names[64] = "";
    uint32_t i;
    data_room = guarded_room(LONGEST + 256);
    right_room = guarded_room(8 * LONGEST);
    out_room = guarded_room(8 * LONGEST);
    utf8_prepare();
    for (i = 0; i < cases; i++) {
        const uint32_t style = below(8);
        n = length_of_case(i);
        data = placed(&data_room, n, placement_of_case(i));
        if (style < 5 && below(2)) fill_text(data, n, style);
        else fill_errors(style);
        compare_checks();
        compare_spans(limits[below(4)], 0);
        compare_spans(limits[below(4)], 1);
    }
    for (i = 0; utf8_kernel_at((int)i); i++) {
        if (cpu_why_not(utf8_kernel_at((int)i)->name) != CPU_RUNS) fail("cpu.h knows no %s", utf8_kernel_at((int)i)->name);
        strcat(strcat(names, i ? " " : ""), utf8_kernel_at((int)i)->name);
    }
    report("utf8", names);
    return 0;
}

/* What the drivers of the kernels share: random numbers, memory that ends at a page which cannot be read, and counts.
 *
 * Nothing here depends on the machine: the digest of what the scalar reference gave must be the same everywhere, so the
 * runner compares it between processors of either byte order and word size.
 */
#ifndef KERNELS_H
#define KERNELS_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t random_state = UINT64_C(0x9E3779B97F4A7C15), compared = 0, digest = UINT64_C(0xCBF29CE484222325);

static uint32_t next_random(void) { /* xorshift64* */
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)(random_state * UINT64_C(0x2545F4914F6CDD1D) >> 32);
}

static uint64_t next_word(void) {
    const uint64_t high = next_random();
    return high << 32 | next_random();
}

static uint32_t below(uint32_t n) { return (uint32_t)((uint64_t)next_random() * n >> 32); }

static void note(uint64_t number) {
    for (int i = 0; i < 8; i++) digest = (digest ^ (number >> 8 * i & 0xFF)) * UINT64_C(0x100000001B3);
}

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "FAILED: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

/* Room between two pages that can be neither read nor written. */
typedef struct {
    uint8_t *first, *end;
} guarded;

static guarded guarded_room(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (bytes + page - 1) / page * page;
    uint8_t *block = mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    guarded room;
    if (block == MAP_FAILED || mprotect(block + page, size, PROT_READ | PROT_WRITE)) {
        perror("mmap");
        exit(2);
    }
    room.first = block + page;
    room.end = room.first + size;
    return room;
}

/* Where `bytes` lie for a placement: 0: up to the page behind, 1: from the page before on, 2 to 65: each alignment. */
enum { PLACEMENTS = 66 };

static uint8_t *placed(const guarded *room, size_t bytes, unsigned placement) {
    if (placement == 0) return room->end - bytes;
    return room->first + (placement == 1 ? 0 : 64 + placement - 2);
}

/* Lengths around those of vectors, blocks and their multiples. */
static size_t length_of_case(uint32_t number) {
    static const uint16_t longer[] = {159, 160, 161, 191, 192, 193, 223, 224, 225, 254, 255, 256, 257, 258, 300, 319,
                                      320, 321, 383, 384, 385, 447, 511, 512, 513, 575, 576, 640, 767, 768, 769, 1023};
    enum { SHORTER = 140, LONGER = sizeof longer / sizeof *longer, LENGTHS = SHORTER + LONGER };
    uint32_t at = number % LENGTHS;
    return at < SHORTER ? at : longer[at - SHORTER];
}

static unsigned placement_of_case(uint32_t number) { return number / 172 % PLACEMENTS; }

enum { LONGEST = 1024, ALL_CASES = 172 * PLACEMENTS };

/* Arguments CASES [SEED]; every length at every placement is ALL_CASES of them. */
static uint32_t cases_wanted(int argc, char **argv) {
    if (argc > 2) random_state ^= strtoull(argv[2], NULL, 10);
    return argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : ALL_CASES;
}

static void report(const char *what, const char *kernels) {
    printf("%s: %s: %llu comparisons, digest %016llx\n", what, kernels, (unsigned long long)compared,
           (unsigned long long)digest);
}

#endif

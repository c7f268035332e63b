/* Bounded single-producer, single-consumer hand-off: the protocol of Channel, with no Python in it.
 *
 * Goals: no lost wake-up, no race, one wake-up for each idle-to-busy edge, and a fast path that reads the other side's
 * cache line only when its own cached copy says "full" or "empty".
 *
 * Plan: a queue of linked blocks of slots. `tail` counts the items ever published, `head` those ever taken, `freed` the
 * units (items, or bytes) ever given back. Each side caches what it last read of the other. Beside the units, a second
 * bound: what the items weigh in bytes, `weighed` ever in and `unweighed` ever out, kept exactly as the units are.
 *
 * Parking is Dekker's handshake. The side that goes idle stores its armed flag, then looks at the counter once more;
 * the busy side stores the counter, then looks at the flag. All four are seq_cst, so in their one total order at least
 * one side sees the other: either the idle side finds work, or the busy side finds the flag and takes it down (exchange,
 * so that one edge gives one wake-up). Plain seq_cst accesses and not fences, because ThreadSanitizer does not follow
 * fences; on x86 and ARM64 they compile to the same cost (xchg, stlr/ldar).
 *
 * Who may call: "producer" functions one thread at a time, "consumer" functions one thread at a time (the caller holds
 * a lock or the GIL where there can be several), both sides at once. handoff_close: with the producers' lock held, so
 * that an item is either published before the close or refused.
 *
 * tests/native holds the model (handoff.pml) and the stress (stress.c); HANDOFF_MUTANT_* break the protocol on purpose,
 * so that both can show they would notice.
 */
#ifndef STREAMCORE_HANDOFF_H
#define STREAMCORE_HANDOFF_H

#include <stddef.h>
#include <stdint.h>

#ifndef HANDOFF_ALLOC
#include <stdlib.h>
#define HANDOFF_ALLOC(size) malloc(size)
#define HANDOFF_FREE(pointer) free(pointer)
#endif

/* ---- atomics on a machine word -------------------------------------------------------------------------------- */

#if defined(HANDOFF_GUARDED)
/* Both sides run under one lock (the GIL): plain accesses, which save two xchg and a fifth of a put and get. */
typedef size_t handoff_word;
static size_t handoff_exchange(handoff_word *word, size_t value)
{
    size_t before = *word;
    *word = value;
    return before;
}
#define HANDOFF_LOAD_ACQUIRE(word) (*(word))
#define HANDOFF_LOAD_SEQ(word) (*(word))
#define HANDOFF_STORE_RELAXED(word, value) ((void)(*(word) = (value)))
#define HANDOFF_STORE_SEQ(word, value) ((void)(*(word) = (value)))
#define HANDOFF_EXCHANGE(word, value) handoff_exchange((word), (value))
#elif defined(__GNUC__) || defined(__clang__)
typedef size_t handoff_word;
#define HANDOFF_LOAD_ACQUIRE(word) __atomic_load_n((word), __ATOMIC_ACQUIRE)
#define HANDOFF_LOAD_SEQ(word) __atomic_load_n((word), __ATOMIC_SEQ_CST)
#define HANDOFF_STORE_RELAXED(word, value) __atomic_store_n((word), (value), __ATOMIC_RELAXED)
#define HANDOFF_STORE_SEQ(word, value) __atomic_store_n((word), (value), __ATOMIC_SEQ_CST)
#define HANDOFF_EXCHANGE(word, value) __atomic_exchange_n((word), (value), __ATOMIC_SEQ_CST)
#elif defined(_MSC_VER)
/* Interlocked functions are full barriers on x64 and ARM64; an acquire load is a load and a barrier after it. */
#include <intrin.h>
typedef volatile size_t handoff_word;
#if defined(_WIN64)
#define HANDOFF_EXCHANGE(word, value) \
    ((size_t)_InterlockedExchange64((volatile __int64 *)(word), (__int64)(value)))
#define HANDOFF_LOAD_SEQ(word) ((size_t)_InterlockedOr64((volatile __int64 *)(word), 0))
#else
#define HANDOFF_EXCHANGE(word, value) ((size_t)_InterlockedExchange((volatile long *)(word), (long)(value)))
#define HANDOFF_LOAD_SEQ(word) ((size_t)_InterlockedOr((volatile long *)(word), 0))
#endif
#if defined(_M_ARM64)
#define HANDOFF_LOAD_ACQUIRE(word) HANDOFF_LOAD_SEQ(word)
#else
static __forceinline size_t handoff_load_acquire(handoff_word *word)
{
    size_t value = *word; /* x86 keeps loads in order; only the compiler must be told */
    _ReadWriteBarrier();
    return value;
}
#define HANDOFF_LOAD_ACQUIRE(word) handoff_load_acquire(word)
#endif
#define HANDOFF_STORE_RELAXED(word, value) ((void)(*(word) = (value)))
#define HANDOFF_STORE_SEQ(word, value) ((void)HANDOFF_EXCHANGE(word, value))
#else
#error "handoff.h needs __atomic builtins (GCC, Clang) or the Interlocked intrinsics (MSVC)"
#endif

/* ---- layout ------------------------------------------------------------------------------------------------------ */

#define HANDOFF_BLOCK 64 /* slots in a block: 1 KiB, one malloc for 64 items */
#define HANDOFF_LINE 64  /* bytes; what the two sides write lies this far apart */

typedef struct {
    void *item;
    size_t cost;   /* units this item takes up, 1 <= cost <= capacity */
    size_t weight; /* bytes, at most max_weight */
} handoff_slot;

typedef struct handoff_block {
    struct handoff_block *next;
    handoff_slot slots[HANDOFF_BLOCK];
} handoff_block;

typedef struct {
    size_t capacity;   /* units; never changes */
    size_t max_weight; /* bytes; never changes */
    char pad0[HANDOFF_LINE];
    /* written by the producer */
    handoff_word tail; /* items published, ever */
    size_t pushed;     /* items pushed, ever: tail plus those not yet published */
    size_t charged;    /* units pushed, ever */
    size_t freed_seen; /* the producer's copy of freed */
    size_t weighed;    /* bytes pushed, ever */
    size_t unweighed_seen; /* the producer's copy of unweighed */
    size_t last_weight;    /* of the newest item: what to expect of the next one */
    handoff_block *tail_block;
    size_t tail_slot;
    char pad1[HANDOFF_LINE];
    /* written by the consumer */
    handoff_word head;  /* items taken, ever, as others see it */
    handoff_word freed; /* units given back, ever, as others see it */
    handoff_word unweighed; /* bytes given back, ever; stored before freed */
    size_t popped;      /* items taken, ever: head plus those not yet released */
    size_t refunded;    /* units taken, ever */
    size_t dropped;     /* bytes taken, ever */
    size_t tail_seen;   /* the consumer's copy of tail */
    handoff_block *head_block;
    size_t head_slot;
    char pad2[HANDOFF_LINE];
    /* seldom written, read by both */
    handoff_word getter_armed; /* 1: a consumer is parked or about to */
    handoff_word putter_armed; /* 1: a producer is parked or about to */
    handoff_word closed;
    handoff_word spare; /* one emptied block for the producer to use again, or 0 */
} handoff;

/* 0, or -1 without memory. */
static int handoff_init(handoff *h, size_t capacity, size_t max_weight)
{
    handoff_block *block = (handoff_block *)HANDOFF_ALLOC(sizeof(handoff_block));
    if (block == NULL) return -1;
    block->next = NULL;
    h->capacity = capacity;
    h->max_weight = max_weight;
    h->weighed = h->unweighed_seen = h->last_weight = h->dropped = 0;
    h->pushed = h->charged = h->freed_seen = h->tail_slot = 0;
    h->popped = h->refunded = h->tail_seen = h->head_slot = 0;
    h->tail = h->head = h->freed = h->unweighed = 0;
    h->getter_armed = h->putter_armed = h->closed = h->spare = 0;
    h->tail_block = h->head_block = block;
    return 0;
}

/* Frees the blocks. Nobody else uses h; the caller has popped the items. */
static void handoff_destroy(handoff *h)
{
    handoff_block *block = h->head_block, *next;
    while (block != NULL) {
        next = block->next;
        HANDOFF_FREE(block);
        block = next;
    }
    if (h->spare != 0) HANDOFF_FREE((void *)h->spare);
    h->head_block = h->tail_block = NULL;
    h->spare = 0;
}

/* ---- producer ------------------------------------------------------------------------------------------------ */

/* Units that may still be pushed. Reads the consumer's line only when its own copy shows less than `wanted`. */
static size_t handoff_room(handoff *h, size_t wanted)
{
    size_t room = h->capacity - (h->charged - h->freed_seen);
    if (room >= wanted) return room;
    h->freed_seen = HANDOFF_LOAD_ACQUIRE(&h->freed);
    return h->capacity - (h->charged - h->freed_seen);
}

/* Whether an item of `cost` units and `weight` bytes, no more than the bounds, may be pushed now. */
static int handoff_fits(handoff *h, size_t cost, size_t weight)
{
    if (h->capacity - (h->charged - h->freed_seen) >= cost
        && h->max_weight - (h->weighed - h->unweighed_seen) >= weight)
        return 1;
    h->freed_seen = HANDOFF_LOAD_ACQUIRE(&h->freed);
    h->unweighed_seen = HANDOFF_LOAD_ACQUIRE(&h->unweighed);
    return h->capacity - (h->charged - h->freed_seen) >= cost
           && h->max_weight - (h->weighed - h->unweighed_seen) >= weight;
}

/* Stores an item that handoff_fits or handoff_room has room for; unseen until handoff_publish. 0, or -1 without memory (no change). */
static int handoff_push(handoff *h, void *item, size_t cost, size_t weight)
{
    handoff_slot *slot;
    if (h->tail_slot == HANDOFF_BLOCK) {
        handoff_block *block = (handoff_block *)HANDOFF_EXCHANGE(&h->spare, 0);
        if (block == NULL) block = (handoff_block *)HANDOFF_ALLOC(sizeof(handoff_block));
        if (block == NULL) return -1;
        block->next = NULL;
        h->tail_block->next = block; /* seen with the tail that needs it */
        h->tail_block = block;
        h->tail_slot = 0;
    }
    slot = &h->tail_block->slots[h->tail_slot++];
    slot->item = item;
    slot->cost = cost;
    slot->weight = weight;
    h->pushed++;
    h->charged += cost;
    h->weighed += weight;
    h->last_weight = weight;
    return 0;
}

/* Makes the pushed items visible. 1: a consumer is parked and the caller must wake it. */
static int handoff_publish(handoff *h)
{
#ifdef HANDOFF_MUTANT_RELAXED
    HANDOFF_STORE_RELAXED(&h->tail, h->pushed);
#else
    HANDOFF_STORE_SEQ(&h->tail, h->pushed);
#endif
    return HANDOFF_LOAD_SEQ(&h->getter_armed) != 0 && HANDOFF_EXCHANGE(&h->getter_armed, 0) != 0;
}

/* ---- consumer ------------------------------------------------------------------------------------------------ */

/* Items that can be taken. Reads the producer's line only when its own copy shows fewer than `wanted`. */
static size_t handoff_available(handoff *h, size_t wanted)
{
    size_t ready = h->tail_seen - h->popped;
    if (ready >= wanted) return ready;
    h->tail_seen = HANDOFF_LOAD_ACQUIRE(&h->tail);
    return h->tail_seen - h->popped;
}

/* Takes the oldest of the handoff_available items; its room is not given back until handoff_release. */
static void *handoff_pop(handoff *h)
{
    handoff_slot *slot;
    if (h->head_slot == HANDOFF_BLOCK) {
        handoff_block *empty = h->head_block, *older;
        h->head_block = empty->next;
        h->head_slot = 0;
        older = (handoff_block *)HANDOFF_EXCHANGE(&h->spare, (size_t)empty);
        if (older != NULL) HANDOFF_FREE(older);
    }
    slot = &h->head_block->slots[h->head_slot++];
    h->popped++;
    h->refunded += slot->cost;
    h->dropped += slot->weight;
    return slot->item;
}

/* Gives back the room of the popped items. 1: a producer is parked and the caller must wake it. */
static int handoff_release(handoff *h)
{
    HANDOFF_STORE_RELAXED(&h->head, h->popped);
    HANDOFF_STORE_RELAXED(&h->unweighed, h->dropped); /* seen by whoever sees the next line */
    HANDOFF_STORE_SEQ(&h->freed, h->refunded);
    return HANDOFF_LOAD_SEQ(&h->putter_armed) != 0 && HANDOFF_EXCHANGE(&h->putter_armed, 0) != 0;
}

/* ---- going idle, and the end --------------------------------------------------------------------------------- */

/* Consumer: raises the flag and looks once more. 1: park until woken. 0: there is an item or the end, look again; the
 * flag may still be up, which costs one wake-up that nobody needed. */
static int handoff_arm_getter(handoff *h)
{
    HANDOFF_STORE_SEQ(&h->getter_armed, 1);
#ifdef HANDOFF_MUTANT_NO_RECHECK
    return 1;
#else
    return HANDOFF_LOAD_SEQ(&h->tail) == h->popped && HANDOFF_LOAD_SEQ(&h->closed) == 0;
#endif
}

/* Producer: the same for room for `cost` units and `weight` bytes. */
static int handoff_arm_putter(handoff *h, size_t cost, size_t weight)
{
    HANDOFF_STORE_SEQ(&h->putter_armed, 1);
#ifdef HANDOFF_MUTANT_NO_RECHECK
    return 1;
#else
    if (h->capacity - (h->charged - HANDOFF_LOAD_SEQ(&h->freed)) >= cost
        && h->max_weight - (h->weighed - HANDOFF_LOAD_ACQUIRE(&h->unweighed)) >= weight)
        return 0;
    return HANDOFF_LOAD_SEQ(&h->closed) == 0;
#endif
}

/* 1: this call closed it, and the caller must wake everyone who is parked. 0: it was closed before. */
static int handoff_close(handoff *h)
{
    return HANDOFF_EXCHANGE(&h->closed, 1) == 0;
}

/* The consumer asks this before its last handoff_available: what was put before the close is seen after it. */
static int handoff_is_closed(handoff *h)
{
    return HANDOFF_LOAD_ACQUIRE(&h->closed) != 0;
}

/* Items inside, from any thread; exact when neither side is at work. */
static size_t handoff_length(handoff *h)
{
    size_t head = HANDOFF_LOAD_ACQUIRE(&h->head), tail = HANDOFF_LOAD_ACQUIRE(&h->tail);
    return tail - head;
}

#endif

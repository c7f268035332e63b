/* Two threads on handoff.h, as the channel uses it, for ThreadSanitizer and for a watchdog.
 *
 * A round is one stream of items that are allocated and written by the producer, read and freed by the consumer: an item
 * seen before it was written is a data race. Batches, capacity and who closes early are random; every item must be taken
 * once, in order, or be left inside. A round that makes no progress for SECONDS lost a wake-up. Before the rounds, the
 * moments that a second look before parking is for are played in one thread, and one item is handed over with nothing
 * but the publish to order it, so that catching a mutant needs no luck.
 *
 *   stress ROUNDS [SEED]      exit status 0: all well, 1: an item lost or out of order, 3: a lost wake-up
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "channel/handoff.h"

#ifndef SECONDS
#define SECONDS 20
#endif

typedef struct {
    handoff h;
    sem_t getter_bell, putter_bell;
    size_t items, put, taken;
    size_t producer_stops, consumer_stops; /* after so many items */
    unsigned producer_seed, consumer_seed;
    int failed;
} stream;

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void close_stream(stream *s)
{
    if (handoff_close(&s->h)) {
        sem_post(&s->getter_bell);
        sem_post(&s->putter_bell);
    }
}

static void *produce(void *argument)
{
    stream *s = argument;
    while (s->put < s->producer_stops && !handoff_is_closed(&s->h)) {
        size_t batch = 1 + next_random(&s->producer_seed) % 70, room, count, i;
        size_t weight = next_random(&s->producer_seed) % 4;
        if (batch > s->producer_stops - s->put) batch = s->producer_stops - s->put;
        room = handoff_room(&s->h, batch);
        if (room == 0 || !handoff_fits(&s->h, 1, weight)) {
            if (handoff_arm_putter(&s->h, 1, weight)) sem_wait(&s->putter_bell);
            continue;
        }
        count = room < batch ? room : batch;
        for (i = 0; i < count && handoff_fits(&s->h, 1, weight); i++) {
            size_t *item = malloc(sizeof *item);
            *item = s->put + i;
            if (item == NULL || handoff_push(&s->h, item, 1, weight) < 0) abort();
        }
        s->put += i;
        if (handoff_publish(&s->h)) sem_post(&s->getter_bell);
    }
    close_stream(s);
    return NULL;
}

static int take(stream *s)
{
    size_t *item = handoff_pop(&s->h);
    if (*item != s->taken) s->failed = 1;
    free(item);
    s->taken++;
    return s->failed;
}

static void *consume(void *argument)
{
    stream *s = argument;
    while (s->taken < s->consumer_stops && !s->failed) {
        size_t limit = 1 + next_random(&s->consumer_seed) % 70, ready;
        int closed = handoff_is_closed(&s->h);
        ready = handoff_available(&s->h, limit);
        if (ready == 0) {
            if (closed) break;
            if (handoff_arm_getter(&s->h)) sem_wait(&s->getter_bell);
            continue;
        }
        for (; ready > 0 && limit > 0 && s->taken < s->consumer_stops; ready--, limit--)
            if (take(s)) break;
        if (handoff_release(&s->h)) sem_post(&s->putter_bell);
    }
    close_stream(s);
    return NULL;
}

static void hang(int signal_number)
{
    static const char message[] = "a round makes no progress: lost wake-up\n";
    (void)signal_number;
    if (write(2, message, sizeof message - 1) < 0) _exit(4);
    _exit(3);
}

/* One side looked and found nothing to do, then the other one acts, then the first one arms: it must not park. Whether
 * one would: nobody rings for what was there before. */
static int parks_beside_work(void)
{
    static size_t items[2];
    handoff h = {0};
    int parks = 0;
    if (handoff_init(&h, 1, 1) < 0) abort();
    if (handoff_available(&h, 1) != 0) abort();
    if (handoff_push(&h, &items[0], 1, 1) < 0 || handoff_publish(&h)) abort(); /* nobody was armed: no bell */
    parks |= handoff_arm_getter(&h);
    if (handoff_available(&h, 1) != 1 || handoff_room(&h, 1) != 0) abort();
    if (handoff_pop(&h) != &items[0] || handoff_release(&h)) abort();
    parks |= handoff_arm_putter(&h, 1, 1);
    handoff_destroy(&h);
    if (handoff_init(&h, 1, 1) < 0) abort();
    if (handoff_available(&h, 1) != 0 || handoff_is_closed(&h)) abort();
    handoff_close(&h);
    parks |= handoff_arm_getter(&h);
    handoff_destroy(&h);
    return parks;
}

/* An item is written, published, seen and read, with nothing else between the two threads that would order them: without
 * release order in the publish, ThreadSanitizer reports the read, whichever thread is faster. */
static void *publish_one(void *h)
{
    size_t *item = malloc(sizeof *item);
    if (item == NULL) abort();
    *item = 7;
    if (handoff_push(h, item, 1, 1) < 0 || handoff_publish(h)) abort(); /* nobody was armed: no bell */
    return NULL;
}

static int reads_what_was_published(void)
{
    handoff h = {0};
    pthread_t producer;
    size_t *item;
    int failed;
    if (handoff_init(&h, 1, 1) < 0 || pthread_create(&producer, NULL, publish_one, &h)) abort();
    while (handoff_available(&h, 1) == 0) sched_yield();
    item = handoff_pop(&h);
    failed = *item != 7 || handoff_release(&h);
    pthread_join(producer, NULL);
    free(item);
    handoff_destroy(&h);
    return failed;
}

static int play(unsigned *seed)
{
    stream s = {0};
    pthread_t producer, consumer;
    size_t capacity = (size_t[]){1, 2, 3, 64, 65, 200}[next_random(seed) % 6];
    size_t max_weight = (size_t[]){3, 4, 50, (size_t)-1}[next_random(seed) % 4];
    if (handoff_init(&s.h, capacity, max_weight) < 0) abort();
    sem_init(&s.getter_bell, 0, 0);
    sem_init(&s.putter_bell, 0, 0);
    s.items = 1 + next_random(seed) % 2000;
    s.producer_stops = s.items;
    s.consumer_stops = next_random(seed) % 3 ? (size_t)-1 : next_random(seed) % s.items;
    s.producer_seed = next_random(seed);
    s.consumer_seed = next_random(seed);
    alarm(SECONDS);
    if (pthread_create(&producer, NULL, produce, &s) || pthread_create(&consumer, NULL, consume, &s)) abort();
    pthread_join(producer, NULL);
    pthread_join(consumer, NULL);
    while (s.taken < s.put && !s.failed) { /* what the consumer left */
        if (handoff_available(&s.h, 1) == 0) break;
        take(&s);
    }
    if (s.taken != s.put || (s.consumer_stops == (size_t)-1 && s.put != s.items)) s.failed = 1;
    handoff_destroy(&s.h);
    sem_destroy(&s.getter_bell);
    sem_destroy(&s.putter_bell);
    return s.failed;
}

int main(int count, char **arguments)
{
    unsigned seed = count > 2 ? (unsigned)atoi(arguments[2]) : 1u;
    int rounds = count > 1 ? atoi(arguments[1]) : 100, round;
    if (parks_beside_work()) {
        fprintf(stderr, "one side parks although there is work: lost wake-up\n");
        return 3;
    }
    if (reads_what_was_published()) {
        fprintf(stderr, "an item that was published reads as another\n");
        return 1;
    }
    signal(SIGALRM, hang);
    for (round = 0; round < rounds; round++) {
        if (play(&seed)) {
            fprintf(stderr, "round %d: an item was lost, doubled or out of order\n", round);
            return 1;
        }
    }
    printf("%d rounds\n", rounds);
    return 0;
}

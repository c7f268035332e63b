/* The hand-off protocol of streamcore/_native/channel/handoff.h, for spin.
 *
 * One producer that puts ITEMS items, one consumer that takes them, CAPACITY slots, and a close at any time by either
 * side (the consumer may leave early, which the model chooses). A park may time out and be entered again.
 *
 * Weak memory: promela's own memory is sequentially consistent, so the stores that Dekker's handshake depends on are
 * modelled through a store buffer for each side, one that holds its newest tail, freed and armed values: a store goes
 * into the buffer and is drained at any later moment; the other side reads memory, the owner reads its own buffer. A
 * seq_cst store drains the buffer before it goes on. That is x86-TSO. Not covered: reorderings of loads, or of stores
 * with each other, as ARM64 may do; there the C11 argument in handoff.h (one total order of seq_cst operations) and the
 * ThreadSanitizer stress stand in.
 *
 * Checked: no item is lost, doubled or reordered (the consumer counts), the capacity holds, and there is no invalid end
 * state, that is, nobody is parked for ever. -DMUTANT_NO_FENCE leaves the stores of tail and armed in the buffer;
 * -DMUTANT_NO_RECHECK parks without the second look; -DMUTANT_NO_CLOSE_WAKE closes without waking. Each must fail.
 *
 *   spin -a handoff.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m100000
 */
#ifndef ITEMS
#define ITEMS 4
#endif
#ifndef CAPACITY
#define CAPACITY 2
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 1
#endif
#ifdef MUTANT_NO_FENCE
#define DRAIN_P skip
#define DRAIN_C skip
#else
#define DRAIN_P drain_producer()
#define DRAIN_C drain_consumer()
#endif

/* memory */
byte tail, freed;
bool getter_armed, putter_armed, closed;
/* store buffers: the value that memory does not have yet */
byte tail_buffered;
byte freed_buffered;
bool tail_waits, freed_waits;
bool getter_armed_waits, putter_armed_waits; /* a store of 1; taking down is an exchange, which drains */
/* bells: binary semaphores */
bool getter_bell, putter_bell;
/* what the slots hold, by number modulo CAPACITY */
byte slots[CAPACITY];
byte timeouts = TIMEOUTS; /* a budget, so that a lost wake-up cannot hide behind one more timeout */
byte put; /* items that the producer published before it closed */

inline drain_producer() {
    atomic {
        if :: tail_waits -> tail = tail_buffered; tail_waits = false :: else fi;
        if :: putter_armed_waits -> putter_armed = true; putter_armed_waits = false :: else fi
    }
}

inline drain_consumer() {
    atomic {
        if :: freed_waits -> freed = freed_buffered; freed_waits = false :: else fi;
        if :: getter_armed_waits -> getter_armed = true; getter_armed_waits = false :: else fi
    }
}

/* The hardware: drains any store at any time, and ends when nobody can store any more. */
active proctype memory() {
end:
    do
    :: atomic { tail_waits -> tail = tail_buffered; tail_waits = false }
    :: atomic { freed_waits -> freed = freed_buffered; freed_waits = false }
    :: atomic { getter_armed_waits -> getter_armed = true; getter_armed_waits = false }
    :: atomic { putter_armed_waits -> putter_armed = true; putter_armed_waits = false }
    od
}

/* handoff_close and what its caller must do */
inline close_and_wake() {
    closed = true; /* an exchange: seq_cst */
#ifndef MUTANT_NO_CLOSE_WAKE
    getter_bell = true;
    putter_bell = true
#endif
}

active proctype producer() {
    byte pushed = 0, freed_seen = 0;
    bool up;
    do
    :: pushed == ITEMS -> break
    :: pushed < ITEMS ->
        if
        :: closed -> break
        :: else
        fi;
        if
        :: pushed - freed_seen < CAPACITY -> skip
        :: else -> freed_seen = freed /* handoff_room */
        fi;
        assert(pushed - freed_seen <= CAPACITY);
        if
        :: pushed - freed_seen < CAPACITY ->
            slots[pushed % CAPACITY] = pushed;
            pushed++;
            atomic { tail_buffered = pushed; tail_waits = true }; /* handoff_publish */
            DRAIN_P;
            up = getter_armed;
            if
            :: up ->
                atomic { /* exchange, which drains */
                    drain_producer();
                    up = getter_armed;
                    getter_armed = false
                };
                if :: up -> getter_bell = true :: else fi
            :: else
            fi
        :: else ->
            atomic { putter_armed_waits = true }; /* handoff_arm_putter */
            DRAIN_P;
#ifndef MUTANT_NO_RECHECK
            if
            :: pushed - freed < CAPACITY || closed -> skip
            :: else ->
#endif
                if
                :: atomic { putter_bell -> putter_bell = false }
                :: atomic { timeouts > 0 -> timeouts-- } /* or a signal: looks again, and may park again */
                fi
#ifndef MUTANT_NO_RECHECK
            fi
#endif
        fi
    od;
    drain_producer();
    put = pushed;
    close_and_wake()
}

active proctype consumer() {
    byte popped = 0, tail_seen = 0;
    bool up, was_closed;
    do
    :: popped > 0 -> break /* leaves early, at any time */
    :: true ->
        was_closed = closed;
        if
        :: tail_seen > popped -> skip
        :: else -> tail_seen = tail /* handoff_available */
        fi;
        if
        :: tail_seen > popped ->
            assert(slots[popped % CAPACITY] == popped);
            popped++;
            atomic { freed_buffered = popped; freed_waits = true }; /* handoff_release */
            DRAIN_C;
            up = putter_armed;
            if
            :: up ->
                atomic {
                    drain_consumer();
                    up = putter_armed;
                    putter_armed = false
                };
                if :: up -> putter_bell = true :: else fi
            :: else
            fi
        :: else ->
            if
            :: was_closed -> assert(popped == put); break /* the end: all that was put is taken */
            :: else
            fi;
            atomic { getter_armed_waits = true }; /* handoff_arm_getter */
            DRAIN_C;
#ifndef MUTANT_NO_RECHECK
            if
            :: tail > popped || closed -> skip
            :: else ->
#endif
                if
                :: atomic { getter_bell -> getter_bell = false }
                :: atomic { timeouts > 0 -> timeouts-- }
                fi
#ifndef MUTANT_NO_RECHECK
            fi
#endif
        fi
    od;
    drain_consumer();
    close_and_wake()
}

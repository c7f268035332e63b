/* How much of this thread's C stack is left: what recursion from one native object into the next must ask, since
 * Python counts none of it.
 *
 * The bounds are learned once a thread. Code that runs on some other stack (a fibre) is outside of them and never
 * stopped. Shares, not bytes: what runs below, such as the function of an operator, may go as deep as it would
 * otherwise; what unwinds must have more left than what went down. */
#ifndef STREAMCORE_STACK_H
#define STREAMCORE_STACK_H

#include <Python.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#include <windows.h>
#else
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>
#endif

#if defined(_MSC_VER)
#include <intrin.h>
#define STREAMCORE_THREAD_LOCAL __declspec(thread)
#define STREAMCORE_FRAME() ((uintptr_t)_AddressOfReturnAddress())
#else
#ifdef __GLIBC__
#define STREAMCORE_THREAD_LOCAL __thread __attribute__((tls_model("initial-exec"))) /* without a call: 16 bytes of it */
#else
#define STREAMCORE_THREAD_LOCAL __thread
#endif
#define STREAMCORE_FRAME() ((uintptr_t)__builtin_frame_address(0))
#endif

enum { STREAMCORE_FOR_CLOSE = 1, STREAMCORE_FOR_NEXT = 2, STREAMCORE_FOR_AWAIT = 4 }; /* eighths to be left */

#define STREAMCORE_UNKNOWN 1

static STREAMCORE_THREAD_LOCAL uintptr_t streamcore_stack_low; /* the last address that may be used; 0: not learned */
static STREAMCORE_THREAD_LOCAL size_t streamcore_stack_eighth;

static void streamcore_learn_stack(void)
{
    uintptr_t low = STREAMCORE_UNKNOWN;
    size_t size = 0;
#if defined(_WIN32)
    ULONG_PTR from, to;
    GetCurrentThreadStackLimits(&from, &to);
    low = (uintptr_t)from;
    size = (size_t)(to - from);
#elif defined(__APPLE__)
    size = pthread_get_stacksize_np(pthread_self());
    low = (uintptr_t)pthread_get_stackaddr_np(pthread_self()) - size; /* which names the upper end */
#elif defined(__linux__)
    pthread_attr_t attributes;
    void *address;
    size_t guard;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        if (pthread_attr_getstack(&attributes, &address, &size) == 0
            && pthread_attr_getguardsize(&attributes, &guard) == 0) {
            low = (uintptr_t)address + guard;
            size -= guard;
#ifndef __GLIBC__
            struct rlimit limit;
            if (getpid() == (pid_t)gettid() && getrlimit(RLIMIT_STACK, &limit) == 0) {
                /* musl tells of the first thread what is mapped by now, which grows */
                size_t most = limit.rlim_cur == RLIM_INFINITY ? (size_t)8 << 20 : (size_t)limit.rlim_cur;
                uintptr_t high = low + size;
                if (most > size && most < high) {
                    low = high - most;
                    size = most;
                }
            }
#endif
        }
        pthread_attr_destroy(&attributes);
    }
#endif
    streamcore_stack_eighth = size / 8;
    streamcore_stack_low = low;
}

/* 0, or -1 with RecursionError where less than ``share`` eighths of the stack are left. */
static inline int streamcore_check_stack(int share)
{
    if (streamcore_stack_low == 0)
        streamcore_learn_stack();
    if (STREAMCORE_FRAME() - streamcore_stack_low >= streamcore_stack_eighth * share)
        return 0;
    PyErr_SetString(PyExc_RecursionError, "maximum recursion depth exceeded: streams inside streams fill the stack");
    return -1;
}

#endif

/* What Channel needs of CPython beyond Cython: a lock for each side, and garbage collection of the items inside. */
#ifndef STREAMCORE_CHANNEL_OBJECT_H
#define STREAMCORE_CHANNEL_OBJECT_H

#include <Python.h>

#define HANDOFF_ALLOC(size) PyMem_RawMalloc(size)
#define HANDOFF_FREE(pointer) PyMem_RawFree(pointer)
#ifndef Py_GIL_DISABLED
#define HANDOFF_GUARDED
#endif
#include "channel/handoff.h"

/* A side's lock serves several producers, or consumers, one after the other. With a GIL the GIL does it: nothing
 * between lock and unlock runs Python code. Without, nothing between them may, or it could come back here. */
#ifdef Py_GIL_DISABLED
typedef PyMutex side_lock;
#define SIDE_LOCK(lock) PyMutex_Lock(lock)
#define SIDE_UNLOCK(lock) PyMutex_Unlock(lock)
#else
typedef char side_lock;
#define SIDE_LOCK(lock) ((void)(lock))
#define SIDE_UNLOCK(lock) ((void)(lock))
#endif

/* The items lie in C blocks that Cython's tp_traverse does not know, so a cycle through a channel would never be freed.
 * The collector runs with the GIL held or every thread stopped, and no push or pop lets go of either half-way. */
static traverseproc channel_traverse_fields;
static Py_ssize_t channel_handoff_offset;

static int channel_traverse(PyObject *self, visitproc visit, void *arg)
{
    handoff *h = (handoff *)((char *)self + channel_handoff_offset);
    handoff_block *block = h->head_block;
    size_t left = h->pushed - h->popped, slot = h->head_slot;
    for (; block != NULL && left > 0; left--) {
        if (slot == HANDOFF_BLOCK) {
            block = block->next;
            slot = 0;
        }
        Py_VISIT((PyObject *)block->slots[slot].item);
        slot++;
    }
    return channel_traverse_fields(self, visit, arg);
}

/* Only the items: the typed fields must stay, because a method may still be called on a cleared channel. */
static int channel_clear(PyObject *self)
{
    handoff *h = (handoff *)((char *)self + channel_handoff_offset);
    while (h->pushed != h->popped) {
        PyObject *item = (PyObject *)handoff_pop(h);
        handoff_release(h);
        Py_DECREF(item);
    }
    return 0;
}

static void channel_collect_items(PyTypeObject *type, Py_ssize_t offset)
{
    channel_handoff_offset = offset;
    channel_traverse_fields = type->tp_traverse;
    type->tp_traverse = channel_traverse;
    type->tp_clear = channel_clear;
}

#endif

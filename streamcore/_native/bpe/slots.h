/* A place for an object that is set once and never changed after that, by whichever thread comes first. */
#ifndef STREAMCORE_BPE_SLOTS_H
#define STREAMCORE_BPE_SLOTS_H

#include <Python.h>

#ifdef Py_GIL_DISABLED
static inline PyObject *bpe_slot_get(PyObject **slot) { return (PyObject *)_Py_atomic_load_ptr_acquire(slot); }
static inline int bpe_slot_set(PyObject **slot, PyObject *object) {
    PyObject *expected = NULL;
    return _Py_atomic_compare_exchange_ptr(slot, &expected, object);
}
#else
static inline PyObject *bpe_slot_get(PyObject **slot) { return *slot; }
static inline int bpe_slot_set(PyObject **slot, PyObject *object) {
    if (*slot != NULL) return 0;
    *slot = object;
    return 1;
}
#endif

#endif

/* What the decoder of ids asks of CPython beyond Cython: lists that are given out again, and places that are set once. */
#ifndef STREAMCORE_ID_LISTS_H
#define STREAMCORE_ID_LISTS_H

#include <Python.h>

/* Whether nobody but its keeper has a list of at most one item any more, so that it may be given out again: making and
 * freeing one is 18 of the 45 ns that an id costs. (zip does the same with its tuples.) */
static inline int bpe_list_idle(PyObject *list) {
#ifdef Py_GIL_DISABLED
    (void)list;
    return 0;
#else
    return PyList_CheckExact(list) && Py_REFCNT(list) == 1 && PyList_GET_SIZE(list) <= 1 &&
           ((PyListObject *)list)->allocated > 0;
#endif
}

/* Makes a list of at most one item, with room for one, one of this item (whose reference is handed over), or empty. */
static inline void bpe_list_set(PyObject *list, PyObject *item) {
    PyObject *old = PyList_GET_SIZE(list) ? PyList_GET_ITEM(list, 0) : NULL;
    Py_SET_SIZE((PyVarObject *)list, item != NULL);
    ((PyListObject *)list)->ob_item[0] = item;
    Py_XDECREF(old);
}

/* A place for an object that is set once and never changed after that, by whichever thread comes first. */
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

/* Lists of at most one item that are made before what goes into them, or given out again: beyond Cython. */
#ifndef STREAMCORE_LISTS_H
#define STREAMCORE_LISTS_H

#include <Python.h>

/* An empty list with room for one item. */
static inline PyObject *streamcore_list_new(void) {
    PyObject *list = PyList_New(1);
    if (list != NULL) Py_SET_SIZE((PyVarObject *)list, 0);
    return list;
}

/* Whether nobody but its keeper has a list of at most one item any more, so that it may be given out again: making and
 * freeing one is 18 of the 45 ns that an id costs. (zip does the same with its tuples.) */
static inline int streamcore_list_idle(PyObject *list) {
#ifdef Py_GIL_DISABLED
    (void)list;
    return 0;
#else
    return PyList_CheckExact(list) && Py_REFCNT(list) == 1 && PyList_GET_SIZE(list) <= 1 &&
           ((PyListObject *)list)->allocated > 0;
#endif
}

/* Makes a list of at most one item, with room for one, one of this item (whose reference is handed over), or empty. */
static inline void streamcore_list_set(PyObject *list, PyObject *item) {
    PyObject *old = PyList_GET_SIZE(list) ? PyList_GET_ITEM(list, 0) : NULL;
    Py_SET_SIZE((PyVarObject *)list, item != NULL);
    ((PyListObject *)list)->ob_item[0] = item;
    Py_XDECREF(old);
}

#endif

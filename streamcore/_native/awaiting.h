/* Awaiting in C: what ``await`` and ``async for`` do, for objects that stand between an awaiter and an awaitable. */
#ifndef STREAMCORE_AWAITING_H
#define STREAMCORE_AWAITING_H

#include <Python.h>

static int streamcore_is_async_iterator(PyObject *iterator)
{
    PyAsyncMethods *methods = Py_TYPE(iterator)->tp_as_async;
    return methods != NULL && methods->am_anext != NULL;
}

/* What ``await`` steps: a coroutine itself, else what its ``__await__`` gives. Takes the reference. */
static PyObject *streamcore_awaited(PyObject *awaitable)
{
    PyAsyncMethods *methods = Py_TYPE(awaitable)->tp_as_async;
    PyObject *stepped;
    if (PyCoro_CheckExact(awaitable))
        return awaitable;
    if (methods != NULL && methods->am_await != NULL) {
        stepped = methods->am_await(awaitable);
    } else if (PyGen_CheckExact(awaitable)) { /* of types.coroutine */
        return awaitable;
    } else {
        PyErr_Format(PyExc_TypeError, "object %.100s can't be used in 'await' expression", Py_TYPE(awaitable)->tp_name);
        stepped = NULL;
    }
    Py_DECREF(awaitable);
    return stepped;
}

/* The awaitable for the next item, ready to be stepped. */
static PyObject *streamcore_pull(PyObject *iterator)
{
    PyObject *awaitable = Py_TYPE(iterator)->tp_as_async->am_anext(iterator);
    return awaitable == NULL ? NULL : streamcore_awaited(awaitable);
}

/* Sets StopIteration with ``value``, whose reference it takes: a tuple or an exception must not be taken for its
 * arguments. */
static PyObject *streamcore_stop(PyObject *value)
{
    if (PyTuple_Check(value) || PyExceptionInstance_Check(value)) {
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
        if (stop != NULL) {
            PyErr_SetObject(PyExc_StopIteration, stop);
            Py_DECREF(stop);
        }
    } else {
        PyErr_SetObject(PyExc_StopIteration, value);
    }
    Py_DECREF(value);
    return NULL;
}

static void streamcore_end(void)
{
    PyErr_SetNone(PyExc_StopAsyncIteration);
}

/* For Cython: the exception that is set is raised. */
static int streamcore_raised(void)
{
    return -1;
}

/* The type's own way to be stepped; Cython's ``__next__`` and ``send`` serve callers in Python. */
static void streamcore_set_steps(PyObject *kind, sendfunc send, iternextfunc next)
{
    PyTypeObject *type = (PyTypeObject *)kind;
    type->tp_iternext = next;
    type->tp_as_async->am_send = send;
    PyType_Modified(type);
}

#endif

/* Awaiting in C: what ``await`` and ``async for`` do, for objects that stand between an awaiter and an awaitable. */
#ifndef STREAMCORE_AWAITING_H
#define STREAMCORE_AWAITING_H

#include <Python.h>

static int streamcore_is_async_iterator(PyObject *iterator)
{
    PyAsyncMethods *methods = Py_TYPE(iterator)->tp_as_async;
    return methods != NULL && methods->am_anext != NULL;
}

static int streamcore_is_iterable_coroutine(PyObject *generator)
{
    PyObject *code = PyObject_GetAttrString(generator, "gi_code");
    int is = code != NULL && (((PyCodeObject *)code)->co_flags & CO_ITERABLE_COROUTINE);
    Py_XDECREF(code);
    PyErr_Clear();
    return is;
}

/* A coroutine that waits in someone else's ``await`` must not be stepped from here. One that nobody else holds cannot. */
static int streamcore_is_free(PyObject *coroutine)
{
    PyObject *awaited;
    if (Py_REFCNT(coroutine) == 1)
        return 1;
    awaited = PyObject_GetAttrString(coroutine, "cr_await");
    if (awaited == NULL)
        return 0;
    Py_DECREF(awaited);
    if (Py_IsNone(awaited))
        return 1;
    PyErr_SetString(PyExc_RuntimeError, "coroutine is being awaited already");
    return 0;
}

/* What ``await`` steps: a coroutine itself, else what its ``__await__`` gives; the same errors as ``await``. Takes the
 * reference. */
static PyObject *streamcore_awaited(PyObject *awaitable)
{
    PyAsyncMethods *methods = Py_TYPE(awaitable)->tp_as_async;
    PyObject *stepped = NULL;
    if (PyCoro_CheckExact(awaitable)) {
        if (streamcore_is_free(awaitable))
            return awaitable;
    } else if (PyGen_CheckExact(awaitable) && streamcore_is_iterable_coroutine(awaitable)) { /* of types.coroutine */
        return awaitable;
    } else if (methods == NULL || methods->am_await == NULL) {
#if PY_VERSION_HEX >= 0x030E0000
        PyErr_Format(PyExc_TypeError, "'%.100s' object can't be awaited", Py_TYPE(awaitable)->tp_name);
#else
        PyErr_Format(PyExc_TypeError, "object %.100s can't be used in 'await' expression", Py_TYPE(awaitable)->tp_name);
#endif
    } else if ((stepped = methods->am_await(awaitable)) != NULL) {
        int is_coroutine = PyCoro_CheckExact(stepped)
            || (PyGen_CheckExact(stepped) && streamcore_is_iterable_coroutine(stepped));
        if (is_coroutine || !PyIter_Check(stepped)) {
            if (is_coroutine)
                PyErr_SetString(PyExc_TypeError, "__await__() returned a coroutine");
            else
                PyErr_Format(PyExc_TypeError, "__await__() returned non-iterator of type '%.100s'",
                             Py_TYPE(stepped)->tp_name);
            Py_CLEAR(stepped);
        }
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

/* The next item; NULL at the end, and with an exception set after an error. */
static PyObject *streamcore_next(PyObject *iterator)
{
    return PyIter_Next(iterator);
}

static void streamcore_ended(void)
{
    PyErr_SetNone(PyExc_StopAsyncIteration);
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

/* The hook by which the loop that runs in this thread closes what is dropped; each run of a loop sets one of its own.
 * Borrowed; NULL where there is none. */
static PyObject *streamcore_hook(void)
{
    return PyThreadState_Get()->async_gen_finalizer;
}

#endif

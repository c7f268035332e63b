/* The config around the code of a stage: of this thread while a sync stream is pulled, else in a context variable.
 *
 * A context variable, set and put back, costs 100 ns, since each set copies a node of a tree. Between the two a sync pull
 * leaves this thread only for code that copies the context by hand, so a pointer of the thread does: 10 ns. An async
 * pull makes tasks, which start with a copy of the context: there it must be the variable. */
#ifndef STREAMCORE_SURROUNDINGS_H
#define STREAMCORE_SURROUNDINGS_H

#include <Python.h>

#if defined(_MSC_VER)
#define STREAMCORE_THREAD __declspec(thread)
#else
#define STREAMCORE_THREAD __thread
#endif

typedef struct {
    PyObject *config;   /* borrowed of the stream that is pulled, or NULL */
    PyObject *variable; /* what the context variable had then, borrowed: whatever else it has now is newer */
} streamcore_around;

static STREAMCORE_THREAD streamcore_around streamcore_innermost;

/* Puts back what the variable had, under an exception that may be on its way. Takes the token. */
static inline void streamcore_leave(PyObject *variable, PyObject *token)
{
    PyObject *kind, *error, *traceback;
    if (token == NULL)
        return;
    PyErr_Fetch(&kind, &error, &traceback);
    if (PyContextVar_Reset(variable, token) < 0)
        PyErr_Clear(); /* another context: there it was never set */
    Py_DECREF(token);
    PyErr_Restore(kind, error, traceback);
}

#endif

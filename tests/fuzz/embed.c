/* A libFuzzer program that embeds Python: each input goes to fuzz.targets.target(FUZZ_TARGET), an exception is a finding.

   The interpreter is an ordinary one; what is instrumented is the native core that it imports (see ./run), whose
   counters libFuzzer takes in when the modules are loaded, here before the first input. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static PyObject *target;

static void stop_if(int failed, const char *what)
{
    if (!failed)
        return;
    fprintf(stderr, "==FINDING== %s\n", what);
    PyErr_Print();
    fflush(NULL);
    abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *name = getenv("FUZZ_TARGET");
    PyObject *module;
    (void)argc;
    (void)argv;
    Py_InitializeEx(0); /* without Python's signal handlers: libFuzzer has its own */
    module = PyImport_ImportModule("fuzz.targets");
    stop_if(module == NULL, "fuzz.targets does not import");
    target = PyObject_CallMethod(module, "target", "s", name ? name : "");
    stop_if(target == NULL, "no such target: set FUZZ_TARGET");
    Py_DECREF(module);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PyObject *result = PyObject_CallFunction(target, "y#", (const char *)data, (Py_ssize_t)size);
    stop_if(result == NULL, "an exception left the target");
    Py_DECREF(result);
    return 0;
}

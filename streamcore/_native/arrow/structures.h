/* Structures of the Arrow C data interface, in PyCapsules ("The Arrow C data interface" and "The Arrow PyCapsule
 * Interface"). In C, because others release them at any time: on any thread, without the GIL, or while an exception is
 * under way. A structure belongs to its capsule until a consumer moves it out and sets release to NULL; a child can be
 * moved out of its parent, too, so that each node keeps alive what it points to itself. */
#ifndef STREAMCORE_ARROW_STRUCTURES_H
#define STREAMCORE_ARROW_STRUCTURES_H

#include <Python.h>

#include <stdint.h>
#include <string.h>

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
#define ARROW_FLAG_NULLABLE 2

struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};
#endif

/* Let go of an object from wherever a consumer may be. After the interpreter has ended nothing is left to let go of. */
static void arrow_drop(PyObject *owner) {
    PyGILState_STATE state;
    PyObject *type, *value, *traceback;
    if (!Py_IsInitialized()) return;
    state = PyGILState_Ensure();
    PyErr_Fetch(&type, &value, &traceback); /* freeing the owner may run code */
    Py_XDECREF(owner);
    PyErr_Restore(type, value, traceback);
    PyGILState_Release(state);
}

/* ---- types ---- */

static void arrow_release_type(struct ArrowSchema *schema) {
    int64_t i;
    for (i = 0; i < schema->n_children; i++)
        if (schema->children[i]->release) schema->children[i]->release(schema->children[i]);
    PyMem_RawFree(schema->private_data);
    schema->release = NULL;
}

/* Fill in a type with `n` children, which are still to be filled; `format` lives for ever, `name` is copied. -1: no memory. */
static int arrow_fill_type(struct ArrowSchema *schema, const char *format, const char *name, int64_t n) {
    size_t children = (size_t)n * (sizeof(struct ArrowSchema *) + sizeof(struct ArrowSchema)), size = strlen(name) + 1;
    char *kept = (char *)PyMem_RawCalloc(1, children + size);
    int64_t i;
    if (kept == NULL) return -1;
    memset(schema, 0, sizeof *schema);
    memcpy(kept + children, name, size);
    schema->format = format;
    schema->name = kept + children;
    schema->flags = ARROW_FLAG_NULLABLE; /* as Arrow libraries make them: otherwise it is another type */
    schema->n_children = n;
    if (n) {
        struct ArrowSchema *first = (struct ArrowSchema *)(kept + (size_t)n * sizeof(struct ArrowSchema *));
        schema->children = (struct ArrowSchema **)kept;
        for (i = 0; i < n; i++) schema->children[i] = first + i;
    }
    schema->private_data = kept;
    schema->release = arrow_release_type;
    return 0;
}

static void arrow_destroy_type(PyObject *capsule) {
    struct ArrowSchema *schema = (struct ArrowSchema *)PyCapsule_GetPointer(capsule, "arrow_schema");
    if (schema->release) schema->release(schema);
    PyMem_RawFree(schema);
}

/* An empty type in its capsule, to be filled. NULL with an exception. */
static PyObject *arrow_new_type(struct ArrowSchema **schema) {
    PyObject *capsule;
    *schema = (struct ArrowSchema *)PyMem_RawCalloc(1, sizeof **schema);
    if (*schema == NULL) return PyErr_NoMemory();
    capsule = PyCapsule_New(*schema, "arrow_schema", arrow_destroy_type);
    if (capsule == NULL) PyMem_RawFree(*schema);
    return capsule;
}

/* ---- arrays ---- */

typedef struct {
    PyObject *owner; /* keeps the memory of the buffers alive; NULL: there is none */
    const void *buffers[3];
    struct ArrowArray *children[1]; /* n of them, and the structures behind */
} arrow_kept;

static void arrow_release_array(struct ArrowArray *array) {
    arrow_kept *kept = (arrow_kept *)array->private_data;
    int64_t i;
    for (i = 0; i < array->n_children; i++)
        if (array->children[i]->release) array->children[i]->release(array->children[i]);
    if (kept->owner) arrow_drop(kept->owner);
    PyMem_RawFree(kept);
    array->release = NULL;
}

/* Fill in an array of `n` children, which are still to be filled, and of `n_buffers` buffers. -1: no memory. */
static int arrow_fill_array(struct ArrowArray *array, int64_t length, int64_t offset, int64_t n_buffers,
                            const void *second, const void *third, PyObject *owner, int64_t n) {
    size_t head = sizeof(arrow_kept) + (size_t)n * sizeof(struct ArrowArray *);
    arrow_kept *kept = (arrow_kept *)PyMem_RawCalloc(1, head + (size_t)n * sizeof(struct ArrowArray));
    int64_t i;
    if (kept == NULL) return -1;
    memset(array, 0, sizeof *array);
    kept->owner = Py_XNewRef(owner);
    kept->buffers[1] = second; /* the one before it tells which values are there: all, unless somebody sets it */
    kept->buffers[2] = third;
    array->length = length;
    array->offset = offset;
    array->n_buffers = n_buffers;
    array->buffers = kept->buffers;
    array->n_children = n;
    if (n) array->children = kept->children;
    for (i = 0; i < n; i++) kept->children[i] = (struct ArrowArray *)((char *)kept + head) + i;
    array->private_data = kept;
    array->release = arrow_release_array;
    return 0;
}

static void arrow_destroy_array(PyObject *capsule) {
    struct ArrowArray *array = (struct ArrowArray *)PyCapsule_GetPointer(capsule, "arrow_array");
    if (array->release) array->release(array);
    PyMem_RawFree(array);
}

/* An empty array in its capsule, to be filled. NULL with an exception. */
static PyObject *arrow_new_array(struct ArrowArray **array) {
    PyObject *capsule;
    *array = (struct ArrowArray *)PyMem_RawCalloc(1, sizeof **array);
    if (*array == NULL) return PyErr_NoMemory();
    capsule = PyCapsule_New(*array, "arrow_array", arrow_destroy_array);
    if (capsule == NULL) PyMem_RawFree(*array);
    return capsule;
}

/* ---- streams ---- */

static void arrow_destroy_stream(PyObject *capsule) {
    struct ArrowArrayStream *stream = (struct ArrowArrayStream *)PyCapsule_GetPointer(capsule, "arrow_array_stream");
    if (stream->release) stream->release(stream);
    PyMem_RawFree(stream);
}

/* An empty stream in its capsule, to be filled. NULL with an exception. */
static PyObject *arrow_new_stream(struct ArrowArrayStream **stream) {
    PyObject *capsule;
    *stream = (struct ArrowArrayStream *)PyMem_RawCalloc(1, sizeof **stream);
    if (*stream == NULL) return PyErr_NoMemory();
    capsule = PyCapsule_New(*stream, "arrow_array_stream", arrow_destroy_stream);
    if (capsule == NULL) PyMem_RawFree(*stream);
    return capsule;
}

/* Move a structure out of its capsule. -1 with an exception. */
static int arrow_move_type(PyObject *capsule, struct ArrowSchema *out) {
    struct ArrowSchema *schema = (struct ArrowSchema *)PyCapsule_GetPointer(capsule, "arrow_schema");
    if (schema == NULL) return -1;
    *out = *schema;
    schema->release = NULL;
    return 0;
}

static int arrow_move_array(PyObject *capsule, struct ArrowArray *out) {
    struct ArrowArray *array = (struct ArrowArray *)PyCapsule_GetPointer(capsule, "arrow_array");
    if (array == NULL) return -1;
    *out = *array;
    array->release = NULL;
    return 0;
}

/* ---- what consumers hand over ---- */

/* The type that a consumer asks for, for as long as its capsule lives. NULL with an exception. */
static struct ArrowSchema *arrow_requested(PyObject *capsule) {
    struct ArrowSchema *schema = (struct ArrowSchema *)PyCapsule_GetPointer(capsule, "arrow_schema");
    if (schema != NULL && schema->release == NULL) {
        PyErr_SetString(PyExc_ValueError, "the requested schema has been released");
        return NULL;
    }
    return schema;
}

#endif

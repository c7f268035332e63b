/* Lists of uint32 as structures of the Arrow C data interface, in PyCapsules ("The Arrow C data interface" and "The Arrow
 * PyCapsule Interface"). In C, because others release them at any time: on any thread, without the GIL, or while an
 * exception is under way. A structure belongs to its capsule until a consumer moves it out and sets release to NULL. */
#ifndef STREAMCORE_ARROW_LIST_H
#define STREAMCORE_ARROW_LIST_H

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
#endif

static void arrow_release_item_type(struct ArrowSchema *schema) { schema->release = NULL; }

static void arrow_release_type(struct ArrowSchema *schema) {
    struct ArrowSchema *item = schema->children[0];
    if (item->release) item->release(item);
    PyMem_RawFree(schema->private_data);
    schema->release = NULL;
}

/* What the array of lists, or that of its values, points to. */
typedef struct {
    PyObject *owner; /* keeps the memory of the buffers alive */
    const void *buffers[2];
    struct ArrowArray values, *children[1];
} arrow_kept;

static void arrow_release_array(struct ArrowArray *array) {
    arrow_kept *kept = (arrow_kept *)array->private_data;
    PyGILState_STATE state;
    if (array->n_children && array->children[0]->release) array->children[0]->release(array->children[0]);
    state = PyGILState_Ensure();
    {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback); /* freeing the owner may run code */
        Py_XDECREF(kept->owner);
        PyErr_Restore(type, value, traceback);
    }
    PyGILState_Release(state);
    PyMem_RawFree(kept);
    array->release = NULL;
}

static void arrow_destroy_schema(PyObject *capsule) {
    struct ArrowSchema *schema = (struct ArrowSchema *)PyCapsule_GetPointer(capsule, "arrow_schema");
    if (schema->release) schema->release(schema);
    PyMem_RawFree(schema);
}

static void arrow_destroy_array(PyObject *capsule) {
    struct ArrowArray *array = (struct ArrowArray *)PyCapsule_GetPointer(capsule, "arrow_array");
    if (array->release) array->release(array);
    PyMem_RawFree(array);
}

/* The type: large_list, or with `narrow` list, of uint32. NULL with an exception. */
static PyObject *arrow_list_type(int narrow) {
    typedef struct { struct ArrowSchema item, *children[1]; } parts;
    struct ArrowSchema *schema = (struct ArrowSchema *)PyMem_RawCalloc(1, sizeof *schema);
    parts *kept = (parts *)PyMem_RawCalloc(1, sizeof *kept);
    PyObject *capsule;
    if (schema == NULL || kept == NULL) {
        PyMem_RawFree(schema);
        PyMem_RawFree(kept);
        return PyErr_NoMemory();
    }
    kept->item.format = "I";
    kept->item.name = "item";
    kept->item.flags = ARROW_FLAG_NULLABLE; /* as Arrow libraries make lists: otherwise it is another type */
    kept->item.release = arrow_release_item_type;
    kept->children[0] = &kept->item;
    schema->format = narrow ? "+l" : "+L";
    schema->name = "";
    schema->flags = ARROW_FLAG_NULLABLE;
    schema->n_children = 1;
    schema->children = kept->children;
    schema->private_data = kept;
    schema->release = arrow_release_type;
    capsule = PyCapsule_New(schema, "arrow_schema", arrow_destroy_schema);
    if (capsule == NULL) {
        schema->release(schema);
        PyMem_RawFree(schema);
    }
    return capsule;
}

static void arrow_fill(struct ArrowArray *array, arrow_kept *kept, int64_t length, const void *data, PyObject *owner) {
    memset(array, 0, sizeof *array);
    kept->owner = Py_NewRef(owner);
    kept->buffers[1] = data; /* the one before it tells which values are there: all are */
    array->length = length;
    array->n_buffers = 2;
    array->buffers = kept->buffers;
    array->private_data = kept;
    array->release = arrow_release_array;
}

/* n lists; owner keeps offsets and values. NULL with an exception. */
static PyObject *arrow_list_data(int64_t n, const void *offsets, int64_t count, const void *values, PyObject *owner) {
    struct ArrowArray *array = (struct ArrowArray *)PyMem_RawCalloc(1, sizeof *array);
    arrow_kept *lists = (arrow_kept *)PyMem_RawCalloc(1, sizeof *lists);
    arrow_kept *items = (arrow_kept *)PyMem_RawCalloc(1, sizeof *items);
    PyObject *capsule;
    if (array == NULL || lists == NULL || items == NULL) {
        PyMem_RawFree(array);
        PyMem_RawFree(lists);
        PyMem_RawFree(items);
        return PyErr_NoMemory();
    }
    arrow_fill(array, lists, n, offsets, owner);
    arrow_fill(&lists->values, items, count, values, owner);
    lists->children[0] = &lists->values;
    array->n_children = 1;
    array->children = lists->children;
    capsule = PyCapsule_New(array, "arrow_array", arrow_destroy_array);
    if (capsule == NULL) {
        array->release(array);
        PyMem_RawFree(array);
    }
    return capsule;
}

/* Whether a consumer asks for list, and not for large_list; -1 with an exception if that is no capsule of a type. */
static int arrow_wants_narrow(PyObject *requested) {
    struct ArrowSchema *schema = (struct ArrowSchema *)PyCapsule_GetPointer(requested, "arrow_schema");
    if (schema == NULL) return -1;
    return schema->format != NULL && strcmp(schema->format, "+l") == 0;
}

#endif

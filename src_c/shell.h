/* What the Python functions of the extension have in common. Arguments are checked in the shell,
 * the work is done in plain C without the GIL, and a status becomes an exception. Arrays come
 * through the buffer protocol, so that nothing is needed to build this but Python, and GEOS for
 * one function.
 */
#ifndef GCSA_SHELL_H
#define GCSA_SHELL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Of a buffer. */
typedef struct {
    const char *name, *kind, *formats; /* of Python's struct: d f l q L Q */
    int least, most, flags;            /* dimensions; flags of the buffer protocol */
} expected;

/* C-contiguous buffers that are as expected, those that are written apart from all others, which
 * stay alive and in place until the caller releases them; none of them on -1, with an exception
 * set. Their contents may be changed by other threads at any time. */
int get_buffers(PyObject **objects, Py_buffer *views, const expected *what, int count);
void release_buffers(Py_buffer *views, int count);

/* The functions of the module. */
PyObject *convex_overlaps(PyObject *module, PyObject *args);
PyObject *geos_overlaps(PyObject *module, PyObject *args);
PyObject *radio_affinities_of(PyObject *module, PyObject *args);
PyObject *best_joined(PyObject *module, PyObject *args);
PyObject *best_written(PyObject *module, PyObject *args);
extern const char convex_overlaps_doc[], geos_overlaps_doc[], radio_affinities_doc[];
extern const char best_joined_doc[], best_written_doc[];

#endif

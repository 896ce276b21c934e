/* gcsa._kernels: the compiled parts of gcsa.sideinfo.fov, gcsa.sideinfo.radio, gcsa.ranking.best. */
#include "shell.h"

static int get_buffer(PyObject *object, Py_buffer *view, const expected *what)
{
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | what->flags;
    if (PyObject_GetBuffer(object, view, flags) != 0)
        return -1;
    const char *format = view->format == NULL ? "B" : view->format;
    int fits = strlen(format) == 1 && strchr(what->formats, format[0]) != NULL &&
               view->itemsize == (format[0] == 'f' ? 4 : 8);
    if (!fits || view->ndim < what->least || view->ndim > what->most) {
        PyErr_Format(PyExc_TypeError, "%s must be %s with %d dimensions, not '%s' with %d",
                     what->name, what->kind, what->least, format, view->ndim);
        PyBuffer_Release(view);
        return -1;
    }
    return 0;
}

void release_buffers(Py_buffer *views, int count)
{
    while (count > 0)
        PyBuffer_Release(views + --count);
}

static int share_memory(const Py_buffer *a, const Py_buffer *b)
{
    const char *start = a->buf, *other = b->buf;
    return a->len > 0 && b->len > 0 && start < other + b->len && other < start + a->len;
}

/* Whether what is written lies apart from all that is read; sets an exception where not. */
static int written_apart(const Py_buffer *views, const expected *what, int count)
{
    for (int w = 0; w < count; w++) {
        for (int k = 0; (what[w].flags & PyBUF_WRITABLE) && k < count; k++) {
            if (k != w && share_memory(views + w, views + k)) {
                PyErr_Format(PyExc_ValueError, "%s shares memory with %s", what[w].name,
                             what[k].name);
                return 0;
            }
        }
    }
    return 1;
}

int get_buffers(PyObject **objects, Py_buffer *views, const expected *what, int count)
{
    for (int k = 0; k < count; k++) {
        if (get_buffer(objects[k], views + k, what + k) != 0) {
            release_buffers(views, k);
            return -1;
        }
    }
    if (written_apart(views, what, count))
        return 0;
    release_buffers(views, count);
    return -1;
}

static PyMethodDef methods[] = {
    {"convex_overlaps", convex_overlaps, METH_VARARGS, convex_overlaps_doc},
#ifdef GCSA_GEOS
    {"geos_overlaps", geos_overlaps, METH_VARARGS, geos_overlaps_doc},
#endif
    {"best_joined", best_joined, METH_VARARGS, best_joined_doc},
    {"best_written", best_written, METH_VARARGS, best_written_doc},
    {"radio_affinities", radio_affinities_of, METH_VARARGS, radio_affinities_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_kernels",
    .m_doc = "Compiled parts; sideinfo.fov, sideinfo.radio and ranking.best are the ways in.",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__kernels(void)
{
    return PyModuleDef_Init(&definition);
}

/* gcsa._fov: the thin shell around fov.c. Arguments are checked here, the work is done without
 * the GIL, and a status becomes an exception. Arrays come through the buffer protocol, so that
 * nothing is needed to build this but Python and GEOS. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "convex.h"
#include "fov.h"

/* A C-contiguous float64 buffer of ndim dimensions; the caller releases the view on 0. */
static int get_doubles(PyObject *object, Py_buffer *view, const char *name, int ndim, int flags)
{
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | flags) != 0)
        return -1;
    int is_double = view->format != NULL && view->format[0] == 'd' && view->format[1] == '\0';
    if (!is_double || view->itemsize != (Py_ssize_t)sizeof(double) || view->ndim != ndim) {
        PyErr_Format(PyExc_TypeError, "%s must be float64 with %d dimensions, not '%s' with %d",
                     name, ndim, view->format == NULL ? "B" : view->format, view->ndim);
        PyBuffer_Release(view);
        return -1;
    }
    return 0;
}

static PyObject *raise_status(fov_status status, size_t failed, const char *message)
{
    switch (status) {
    case FOV_OK:
        Py_RETURN_NONE;
    case FOV_NO_MEMORY:
        return PyErr_NoMemory();
    case FOV_NOT_FINITE:
        return PyErr_Format(PyExc_ValueError, "pose %zu or the angle is not finite", failed);
    case FOV_GEOS:
        break;
    }
    return PyErr_Format(PyExc_RuntimeError, "GEOS failed at pose %zu: %s", failed, message);
}

/* What both ways to compute areas have in common; message may be left empty. */
typedef fov_status areas_function(const double *poses, size_t count, double angle, int points,
                                  double *areas, size_t *failed, char *message);

static PyObject *call_areas(PyObject *args, areas_function *function)
{
    PyObject *poses_object, *areas_object, *result = NULL;
    Py_buffer poses, areas;
    double angle;
    int points;
    if (!PyArg_ParseTuple(args, "OdiO", &poses_object, &angle, &points, &areas_object))
        return NULL;
    if (points < FOV_MIN_POINTS || points > FOV_MAX_POINTS)
        return PyErr_Format(PyExc_ValueError, "points must be from %d to %d, not %d",
                            FOV_MIN_POINTS, FOV_MAX_POINTS, points);
    if (get_doubles(poses_object, &poses, "poses", 2, 0) != 0)
        return NULL;
    if (get_doubles(areas_object, &areas, "areas", 1, PyBUF_WRITABLE) != 0)
        goto release_poses;
    if (poses.shape[1] != 3 || poses.shape[0] != areas.shape[0]) {
        PyErr_Format(PyExc_ValueError,
                     "poses must be (m, 3) and areas (m,), not (%zd, %zd) and (%zd,)",
                     poses.shape[0], poses.shape[1], areas.shape[0]);
        goto release_areas;
    }

    /* The views keep both buffers alive and unmoved while other threads run. */
    fov_status status;
    size_t failed;
    char message[FOV_MESSAGE_SIZE] = "";
    Py_BEGIN_ALLOW_THREADS
    status = function(poses.buf, (size_t)poses.shape[0], angle, points, areas.buf, &failed,
                      message);
    Py_END_ALLOW_THREADS
    result = raise_status(status, failed, message);

release_areas:
    PyBuffer_Release(&areas);
release_poses:
    PyBuffer_Release(&poses);
    return result;
}

PyDoc_STRVAR(intersection_areas_doc,
"intersection_areas(poses, angle, points, areas)\n--\n\n"
"Write into areas (m,) the area that the field of view of radius 1 at the origin, heading 0,\n"
"shares with the one at each pose (x, y, heading) of poses (m, 3). Both are C-contiguous\n"
"float64. angle is the full opening in radians, points the vertices with the apex.\n\n"
"TypeError or ValueError: the buffers or numbers do not fit. RuntimeError: GEOS failed.");

static PyObject *intersection_areas(PyObject *module, PyObject *args)
{
    (void)module;
    return call_areas(args, fov_intersection_areas);
}

PyDoc_STRVAR(convex_areas_doc,
"convex_areas(poses, angle, points, areas)\n--\n\n"
"As intersection_areas, by clipping instead of GEOS, for angles up to pi.");

static fov_status convex_areas_only(const double *poses, size_t count, double angle, int points,
                                    double *areas, size_t *failed, char *message)
{
    (void)message;
    return convex_intersection_areas(poses, count, angle, points, areas, failed);
}

static PyObject *convex_areas(PyObject *module, PyObject *args)
{
    (void)module;
    return call_areas(args, convex_areas_only);
}

static PyMethodDef methods[] = {
    {"intersection_areas", intersection_areas, METH_VARARGS, intersection_areas_doc},
    {"convex_areas", convex_areas, METH_VARARGS, convex_areas_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_fov",
    .m_doc = "Field-of-view overlap; gcsa.fov is the way in.",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__fov(void)
{
    return PyModuleDef_Init(&definition);
}

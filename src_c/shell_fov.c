#include "shell.h"

#include "convex.h"
#include "fov.h"
#ifdef GCSA_GEOS
#include "geos.h"
#endif

enum { CAMERAS_A, CAMERAS_B, FIRST, SECOND, OUT, BUFFERS };

static const expected EXPECTED[BUFFERS] = {
    {"cameras_a", "float64", "d", 2, 2, 0}, {"cameras_b", "float64", "d", 2, 2, 0},
    {"i", "int64", "lq", 1, 1, 0},          {"j", "int64", "lq", 1, 1, 0},
    {"out", "float64", "d", 1, 2, PyBUF_WRITABLE},
};

/* Whether the lengths of the buffers fit each other; sets an exception where not. */
static int shapes_fit(const Py_buffer *views)
{
    const Py_buffer *out = views + OUT;
    Py_ssize_t i = views[FIRST].shape[0], j = views[SECOND].shape[0];
    if (views[CAMERAS_A].shape[1] == 4 && views[CAMERAS_B].shape[1] == 4 &&
        out->shape[0] == i && out->shape[out->ndim - 1] == j)
        return 1;
    PyErr_Format(PyExc_ValueError,
                 "cameras (n, %zd) and (n, %zd) must be (n, 4), and out (%zd, ..., %zd) must be "
                 "(m,) or (R, A), by i (%zd,) and j (%zd,)",
                 views[CAMERAS_A].shape[1], views[CAMERAS_B].shape[1], out->shape[0],
                 out->shape[out->ndim - 1], i, j);
    return 0;
}

/* A copy of indices of which each names one of the cameras; NULL with an exception set where one
 * does not. A copy, as the work is done without the GIL: another thread may change the array after
 * it was looked at. */
static int64_t *checked_indices(const Py_buffer *indices, const Py_buffer *cameras)
{
    int64_t *index = PyMem_Malloc((size_t)indices->len + 1);
    if (index == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    memcpy(index, indices->buf, (size_t)indices->len);
    for (Py_ssize_t k = 0; k < indices->shape[0]; k++) {
        if (index[k] < 0 || index[k] >= cameras->shape[0]) {
            PyErr_Format(PyExc_IndexError, "index %lld at %zd, of %zd cameras",
                         (long long)index[k], k, cameras->shape[0]);
            PyMem_Free(index);
            return NULL;
        }
    }
    return index;
}

static PyObject *raise_failure(const fov_failure *failure)
{
    size_t i = failure->first, j = failure->second;
    switch (failure->status) {
    case FOV_OK:
        Py_RETURN_NONE;
    case FOV_NO_MEMORY:
        return PyErr_NoMemory();
    case FOV_NOT_FINITE:
        return PyErr_Format(PyExc_ValueError,
                            "a heading of i[%zu] or j[%zu], or the angle, is not finite", i, j);
    case FOV_GEOS:
        break;
    }
    return PyErr_Format(PyExc_RuntimeError, "GEOS failed at i[%zu] and j[%zu]: %s", i, j,
                        failure->message);
}

/* Do a job without the GIL, but come back now and then for Ctrl-C. */
static PyObject *run_fov(const fov_kernel *kernel, const fov_job *job, int threads)
{
    size_t units = fov_units(job), stretch = fov_stretch(kernel, job, threads);
    fov_failure failure = {FOV_OK, 0, 0, ""};
    for (size_t begin = 0; begin < units && failure.status == FOV_OK; begin += stretch) {
        size_t end = units - begin < stretch ? units : begin + stretch;
        Py_BEGIN_ALLOW_THREADS
        fov_overlaps(kernel, job, begin, end, threads, &failure);
        Py_END_ALLOW_THREADS
        if (PyErr_CheckSignals() != 0)
            return NULL;
    }
    return raise_failure(&failure);
}

static PyObject *call_fov(const fov_kernel *kernel, PyObject *args)
{
    PyObject *objects[BUFFERS], *result = NULL;
    Py_buffer views[BUFFERS];
    fov_job job;
    int threads;
    if (!PyArg_ParseTuple(args, "OOOOddddiiO", objects, objects + 1, objects + 2, objects + 3,
                          &job.radius, &job.reach, &job.whole, &job.angle, &job.points, &threads,
                          objects + OUT))
        return NULL;
    if (job.points < FOV_MIN_POINTS || job.points > FOV_MAX_POINTS || threads < 1)
        return PyErr_Format(PyExc_ValueError,
                            "points must be from %d to %d and threads positive, not %d and %d",
                            FOV_MIN_POINTS, FOV_MAX_POINTS, job.points, threads);
    if (get_buffers(objects, views, EXPECTED, BUFFERS) != 0)
        return NULL;
    int64_t *i = NULL, *j = NULL;
    if (shapes_fit(views) && (i = checked_indices(views + FIRST, views + CAMERAS_A)) != NULL &&
        (j = checked_indices(views + SECOND, views + CAMERAS_B)) != NULL) {
        job.a = views[CAMERAS_A].buf;
        job.b = views[CAMERAS_B].buf;
        job.i = i;
        job.j = j;
        job.i_count = views[OUT].len == 0 ? 0 : (size_t)views[FIRST].shape[0];
        job.columns = views[OUT].ndim == 2 ? (size_t)views[SECOND].shape[0] : 0;
        job.out = views[OUT].buf;
        memset(job.out, 0, (size_t)views[OUT].len);
        result = run_fov(kernel, &job, threads);
    }
    PyMem_Free(i);
    PyMem_Free(j);
    release_buffers(views, BUFFERS);
    return result;
}

const char convex_overlaps_doc[] = PyDoc_STR(
"convex_overlaps(cameras_a, cameras_b, i, j, radius, reach, whole, angle, points, threads, out)\n"
"--\n\n"
"Write into out (m,) the overlaps of cameras i (m,) of a with cameras j (m,) of b, or into out\n"
"(R, A) those of all i (R,) with all j (A,). Cameras are rows (n, 4): x, y, sine and cosine of\n"
"the heading; those more than reach apart, or at nan, overlap 0, one of a with itself, where b\n"
"is a, 1. whole is the area that counts as 1, for radius 1; angle the full opening in radians,\n"
"at most pi; points the vertices with the apex; threads the most to use. All arrays are\n"
"C-contiguous, float64 and int64.\n\n"
"TypeError, ValueError, IndexError: an argument does not fit.");

PyObject *convex_overlaps(PyObject *module, PyObject *args)
{
    (void)module;
    return call_fov(&convex_kernel, args);
}

#ifdef GCSA_GEOS
const char geos_overlaps_doc[] = PyDoc_STR(
"geos_overlaps(cameras_a, cameras_b, i, j, radius, reach, whole, angle, points, threads, out)\n"
"--\n\n"
"As convex_overlaps, by GEOS, for any angle. RuntimeError: GEOS failed.");

PyObject *geos_overlaps(PyObject *module, PyObject *args)
{
    (void)module;
    return call_fov(&geos_kernel, args);
}
#endif

#include "shell.h"

#include "radio.h"

/* The buffers of a, then those of b, then the others. */
enum { VALUES, COLUMNS, STARTS, SQUARES, MATRIX, ROWS = 2 * MATRIX, ANCHORS, OUT, BUFFERS };

static const expected EXPECTED[BUFFERS] = {
    {"values", "float64", "d", 1, 1, 0},  {"columns", "int64", "lq", 1, 1, 0},
    {"starts", "int64", "lq", 1, 1, 0},   {"squares", "float64", "d", 1, 1, 0},
    {"values", "float64", "d", 1, 1, 0},  {"columns", "int64", "lq", 1, 1, 0},
    {"starts", "int64", "lq", 1, 1, 0},   {"squares", "float64", "d", 1, 1, 0},
    {"rows", "int64", "lq", 2, 2, 0},     {"anchors", "int64", "lq", 2, 2, 0},
    {"out", "float32 or float64", "df", 3, 3, PyBUF_WRITABLE},
};

/* The matrix in four buffers; its lengths must fit each other. */
static int get_matrix(const Py_buffer *views, radio_matrix *m)
{
    *m = (radio_matrix){views[VALUES].buf, views[COLUMNS].buf, views[STARTS].buf,
                        views[SQUARES].buf, (size_t)views[SQUARES].shape[0],
                        (size_t)views[VALUES].shape[0]};
    return views[COLUMNS].shape[0] == views[VALUES].shape[0] &&
           views[STARTS].shape[0] == views[SQUARES].shape[0] + 1;
}

static PyObject *run_radio(const radio_job *job)
{
    radio_status status;
    Py_BEGIN_ALLOW_THREADS
    status = radio_affinities(job);
    Py_END_ALLOW_THREADS
    if (status == RADIO_NO_MEMORY)
        return PyErr_NoMemory();
    if (status == RADIO_INDEX)
        return PyErr_Format(PyExc_IndexError, "rows or anchors name no row, or a column is none");
    Py_RETURN_NONE;
}

const char radio_affinities_doc[] = PyDoc_STR(
"radio_affinities(a, b, width, rows, anchors, scale, silent_is_zero, out)\n--\n\n"
"Write into out (B, R, A) 1 - scale * distance of rows (B, R) of a and anchors (B, A) of b: 0 for\n"
"an index of -1 and, where silent_is_zero, for a row without entries. a, b: sparse matrices of\n"
"that width, as tuples of their values (m,), columns (m,), starts (n + 1,) and sums of squares\n"
"(n,). All arrays are C-contiguous, int64 and float64, out also float32.\n\n"
"TypeError, ValueError, IndexError: an argument does not fit.");

PyObject *radio_affinities_of(PyObject *module, PyObject *args)
{
    PyObject *o[BUFFERS], *result = NULL;
    Py_buffer views[BUFFERS];
    radio_job job;
    Py_ssize_t width;
    (void)module;
    if (!PyArg_ParseTuple(args, "(OOOO)(OOOO)nOOdpO", o, o + 1, o + 2, o + 3, o + 4, o + 5, o + 6,
                          o + 7, &width, o + ROWS, o + ANCHORS, &job.scale, &job.silent_is_zero,
                          o + OUT))
        return NULL;
    if (get_buffers(o, views, EXPECTED, BUFFERS) != 0)
        return NULL;
    const Py_buffer *rows = views + ROWS, *anchors = views + ANCHORS, *out = views + OUT;
    int fits = width >= 0 && width < PY_SSIZE_T_MAX / 64; /* so that its bytes can be counted */
    if (fits && get_matrix(views, &job.a) && get_matrix(views + MATRIX, &job.b) &&
        rows->shape[0] == anchors->shape[0] && out->shape[0] == rows->shape[0] &&
        out->shape[1] == rows->shape[1] && out->shape[2] == anchors->shape[1]) {
        job.width = (size_t)width;
        job.rows = rows->buf;
        job.anchors = anchors->buf;
        job.lists = (size_t)rows->shape[0];
        job.row_count = (size_t)rows->shape[1];
        job.anchor_count = (size_t)anchors->shape[1];
        job.single = out->itemsize == 4;
        job.out = out->buf;
        result = run_radio(&job);
    } else {
        PyErr_SetString(PyExc_ValueError, "the arrays of a matrix, or rows, anchors and out, do "
                                          "not fit each other");
    }
    release_buffers(views, BUFFERS);
    return result;
}

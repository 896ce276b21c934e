#include "shell.h"

#include "best.h"

enum { KEYS, COUNTS, LEAST, KEPT, SCORES = KEPT, NUMBERS, BUFFERS };

static const expected EXPECTED[BUFFERS] = {
    {"keys", "uint64", "LQ", 2, 2, PyBUF_WRITABLE},
    {"counts", "int64", "lq", 1, 1, PyBUF_WRITABLE},
    {"least", "float32", "f", 1, 1, PyBUF_WRITABLE},
    {"scores", "float32", "f", 2, 2, 0},
    {"numbers", "int64", "lq", 2, 2, PyBUF_WRITABLE},
};
static const expected WRITTEN = {"scores", "float32", "f", 2, 2, PyBUF_WRITABLE};

/* What is kept, from its three buffers; 0 where they do not fit each other. */
static int get_kept(const Py_buffer *views, Py_ssize_t num, best_kept *kept)
{
    const Py_buffer *keys = views + KEYS;
    *kept = (best_kept){(size_t)keys->shape[0], (size_t)num, (size_t)keys->shape[1], keys->buf,
                        views[COUNTS].buf, views[LEAST].buf};
    return num > 0 && num < keys->shape[1] - BEST_GLANCE && views[COUNTS].shape[0] == keys->shape[0] &&
           views[LEAST].shape[0] == keys->shape[0] && views[SCORES].shape[0] == keys->shape[0];
}

static PyObject *done(int right)
{
    if (!right)
        return PyErr_Format(PyExc_IndexError, "a count is none of a row's keys");
    Py_RETURN_NONE;
}

static PyObject *misfit(void)
{
    return PyErr_Format(PyExc_ValueError, "keys, counts, least, scores and numbers do not fit");
}

const char best_joined_doc[] = PyDoc_STR(
"best_joined(keys, counts, least, num, scores, first)\n--\n\n"
"Let scores (q, c) float32, of columns numbered from first on, join the best num that are kept of\n"
"each row: counts (q,) int64 of keys (q, room) uint64, and least (q,) float32, the score that what\n"
"joins must exceed. Begin with counts of 0 and -inf. num + 32 < room. Equal scores: the lower number.\n\n"
"TypeError, ValueError, IndexError: an argument does not fit.");

PyObject *best_joined(PyObject *module, PyObject *args)
{
    PyObject *o[BUFFERS], *result = NULL;
    Py_buffer views[BUFFERS];
    Py_ssize_t num, first;
    best_kept kept;
    (void)module;
    if (!PyArg_ParseTuple(args, "OOOnOn", o, o + 1, o + 2, &num, o + SCORES, &first))
        return NULL;
    if (get_buffers(o, views, EXPECTED, NUMBERS) != 0)
        return NULL;
    const Py_buffer *scores = views + SCORES;
    if (get_kept(views, num, &kept) && first >= 0 &&
        (uint64_t)first + (uint64_t)scores->shape[1] <= UINT32_MAX) {
        int right;
        Py_BEGIN_ALLOW_THREADS
        right = best_join(&kept, scores->buf, (size_t)scores->shape[1], (uint32_t)first);
        Py_END_ALLOW_THREADS
        result = done(right);
    } else {
        misfit();
    }
    release_buffers(views, NUMBERS);
    return result;
}

const char best_written_doc[] = PyDoc_STR(
"best_written(keys, counts, least, num, scores, numbers)\n--\n\n"
"Write the best num of each row into scores (q, num) float32 and numbers (q, num) int64, best\n"
"first, -inf and -1 where there are fewer. The others as of best_joined.");

PyObject *best_written(PyObject *module, PyObject *args)
{
    PyObject *o[BUFFERS], *result = NULL;
    Py_buffer views[BUFFERS];
    expected what[BUFFERS];
    Py_ssize_t num;
    best_kept kept;
    (void)module;
    memcpy(what, EXPECTED, sizeof what);
    what[SCORES] = WRITTEN;
    if (!PyArg_ParseTuple(args, "OOOnOO", o, o + 1, o + 2, &num, o + SCORES, o + NUMBERS))
        return NULL;
    if (get_buffers(o, views, what, BUFFERS) != 0)
        return NULL;
    const Py_buffer *scores = views + SCORES, *numbers = views + NUMBERS;
    if (get_kept(views, num, &kept) && scores->shape[1] == num &&
        numbers->shape[0] == scores->shape[0] && numbers->shape[1] == num) {
        int right;
        Py_BEGIN_ALLOW_THREADS
        right = best_write(&kept, scores->buf, numbers->buf);
        Py_END_ALLOW_THREADS
        result = done(right);
    } else {
        misfit();
    }
    release_buffers(views, BUFFERS);
    return result;
}

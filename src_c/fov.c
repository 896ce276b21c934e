#include "fov.h"

#include <math.h>
#include <stdio.h>

/* Pairs of a list that make a unit of work: several cache lines, so that threads seldom meet. A
 * row of a block is a unit, too. */
#define LIST_UNIT ((size_t)32)

/* What one thread does: every step-th unit. */
typedef struct {
    const fov_kernel *kernel;
    const fov_job *job;
    size_t begin, end, step;
    void *self;
    double reach2;
    size_t square; /* so many of the first rows and columns of a block are the same cameras */
    fov_failure failure;
} share;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- one thread */

static fov_status near_overlap(const share *s, const fov_camera *a, const fov_camera *b, double dx,
                               double dy, double *out)
{
    const fov_job *job = s->job;
    dx /= job->radius;
    dy /= job->radius;
    fov_camera other = {dx * a->cos - dy * a->sin, dx * a->sin + dy * a->cos,
                        b->sin * a->cos - b->cos * a->sin, b->cos * a->cos + b->sin * a->sin};
    /* What was computed is looked at, not what it came from, which other threads may change. */
    if (!isfinite(other.x + other.y + other.sin + other.cos))
        return FOV_NOT_FINITE;
    double area = 0;
    fov_status status = s->kernel->area(s->self, &other, &area);
    *out = area < job->whole ? area / job->whole : 1;
    return status;
}

/* Inline, as most pairs of a block are out of reach. */
static inline fov_status pair_overlap(share *s, size_t first, size_t second, double *out)
{
    const fov_job *job = s->job;
    const fov_camera *a = job->a + job->i[first], *b = job->b + job->j[second];
    double dx = b->x - a->x, dy = b->y - a->y;
    if (!(dx * dx + dy * dy <= s->reach2)) /* so that nan is near to nothing */
        return FOV_OK;
    if (a == b) {
        *out = 1;
        return FOV_OK;
    }
    s->failure.first = first;
    s->failure.second = second;
    return near_overlap(s, a, b, dx, dy, out);
}

static fov_status list_unit(share *s, size_t unit)
{
    size_t end = smaller((unit + 1) * LIST_UNIT, s->job->i_count);
    fov_status status = FOV_OK;
    for (size_t k = unit * LIST_UNIT; status == FOV_OK && k < end; k++)
        status = pair_overlap(s, k, k, s->job->out + k);
    return status;
}

/* A row of a block. Of two cameras that are both among the first rows and columns the overlap is
 * computed in the earlier row, and copied. */
static fov_status block_unit(share *s, size_t row)
{
    size_t columns = s->job->columns;
    double *out = s->job->out + row * columns;
    fov_status status = FOV_OK;
    for (size_t c = row < s->square ? row : 0; status == FOV_OK && c < columns; c++) {
        status = pair_overlap(s, row, c, out + c);
        if (row < s->square && c < s->square && out[c] > 0)
            s->job->out[c * columns + row] = out[c];
    }
    return status;
}

static void *do_share(void *argument)
{
    share *s = argument;
    s->self = s->kernel->open(s->job->angle, s->job->points);
    fov_status status = s->self == NULL ? FOV_NO_MEMORY : FOV_OK;
    for (size_t u = s->begin; status == FOV_OK && u < s->end; u += s->step)
        status = s->job->columns == 0 ? list_unit(s, u) : block_unit(s, u);
    s->failure.status = status;
    if (status == FOV_GEOS)
        snprintf(s->failure.message, FOV_MESSAGE_SIZE, "%s", s->kernel->message(s->self));
    if (s->self != NULL)
        s->kernel->close(s->self);
    return NULL;
}

/* ---- threads */

#ifdef _WIN32
static void do_shares(share *shares, size_t count)
{
    for (size_t t = 0; t < count; t++)
        do_share(shares + t);
}
#else
#include <pthread.h>

static void do_shares(share *shares, size_t count)
{
    pthread_t threads[FOV_MAX_THREADS];
    size_t started = 1;
    while (started < count && !pthread_create(threads + started, NULL, do_share, shares + started))
        started++;
    do_share(shares);
    for (size_t t = started; t < count; t++) /* those that the system did not start */
        do_share(shares + t);
    for (size_t t = 1; t < started; t++)
        pthread_join(threads[t], NULL);
}
#endif

static size_t square_of(const fov_job *job)
{
    size_t k = 0, least = smaller(job->i_count, job->columns);
    while (k < least && job->a == job->b && job->i[k] == job->j[k])
        k++;
    return k;
}

size_t fov_units(const fov_job *job)
{
    return job->columns == 0 ? (job->i_count + LIST_UNIT - 1) / LIST_UNIT : job->i_count;
}

static size_t pairs_of_unit(const fov_job *job)
{
    return job->columns == 0 ? LIST_UNIT : job->columns;
}

size_t fov_stretch(const fov_kernel *kernel, const fov_job *job, int threads)
{
    return 1 + 64 * kernel->pays * (size_t)threads / pairs_of_unit(job);
}

fov_status fov_overlaps(const fov_kernel *kernel, const fov_job *job, size_t begin, size_t end,
                        int threads, fov_failure *failure)
{
    share shares[FOV_MAX_THREADS];
    size_t count = (end - begin) * pairs_of_unit(job) / kernel->pays;
    count = smaller(smaller(count > 1 ? count : 1, (size_t)threads), FOV_MAX_THREADS);
    *failure = (fov_failure){FOV_NOT_FINITE, 0, 0, ""};
    if (!isfinite(job->angle))
        return FOV_NOT_FINITE;
    share first = {kernel, job, begin, end, count, NULL, job->reach * job->reach, square_of(job),
                   {FOV_OK, 0, 0, ""}};
    for (size_t t = 0; t < count; t++) {
        shares[t] = first;
        shares[t].begin += t;
    }
    do_shares(shares, count);
    *failure = shares[0].failure;
    for (size_t t = 1; t < count && failure->status == FOV_OK; t++)
        *failure = shares[t].failure;
    return failure->status;
}

/* Overlaps of equal fields of view; plain C on plain buffers, no Python.
 *
 * A field of view is a circular sector of radius 1 drawn as a polygon: the apex, then points - 1
 * vertices on the arc, evenly spaced and clockwise. Headings run clockwise from +y. A kernel sees
 * the second camera of a pair as the first one does, in radii: there large coordinates cost no
 * precision.
 */
#ifndef GCSA_FOV_H
#define GCSA_FOV_H

#include <stddef.h>
#include <stdint.h>

#define FOV_MIN_POINTS 3
#define FOV_MAX_POINTS 1024
#define FOV_MAX_THREADS 64
#define FOV_MESSAGE_SIZE 256

typedef enum {
    FOV_OK = 0,
    FOV_NO_MEMORY,
    FOV_NOT_FINITE, /* a heading or the angle is nan or infinite */
    FOV_GEOS        /* GEOS refused: the message holds its own words */
} fov_status;

/* A camera, and the sine and cosine of its heading. */
typedef struct {
    double x, y, sin, cos;
} fov_camera;

/* The overlap of cameras a[i[k]] and b[j[k]], which must exist, goes to out[k]; or, where columns
 * is not 0, of a[i[r]] and b[j[c]], for each row r and column c, to out[r * columns + c]. All of
 * out must be 0 before: what is 0 is not written. An overlap is the area that the fields share
 * over whole, at most 1: 0 where cameras are further apart than reach or have a coordinate that
 * is nan, 1 for a camera with itself (a == b, one index). x, y, radius and reach are in metres,
 * whole is for radius 1; angle is the full opening in radians. */
typedef struct {
    const fov_camera *a, *b;
    const int64_t *i, *j;
    size_t i_count, columns;
    double radius, reach, whole, angle;
    int points; /* between the two limits above */
    double *out;
} fov_job;

/* A way to intersect two fields. Each thread opens its own. */
typedef struct {
    /* NULL where there is no memory. */
    void *(*open)(double angle, int points);
    /* The area that the field at the origin, heading 0, shares with that of another camera; it is
     * 0 where this writes nothing. */
    fov_status (*area)(void *self, const fov_camera *other, double *area);
    const char *(*message)(const void *self); /* about the last failure */
    void (*close)(void *self);
    size_t pays; /* so many pairs take much longer than starting a thread */
} fov_kernel;

typedef struct {
    fov_status status;
    size_t first, second; /* the indices in i and in j of a pair that failed */
    char message[FOV_MESSAGE_SIZE];
} fov_failure;

/* How many units of work a job consists of. */
size_t fov_units(const fov_job *job);

/* How many units keep so many threads busy for a moment, some 10 ms at 16 points. */
size_t fov_stretch(const fov_kernel *kernel, const fov_job *job, int threads);

/* Do the units begin to end of a job on up to so many threads (at least 1), the caller's included:
 * fewer where the pairs do not pay for them. The others wait passively and end with the call. The
 * overlaps are the same for any number of threads; on failure some are not written. */
fov_status fov_overlaps(const fov_kernel *kernel, const fov_job *job, size_t begin, size_t end,
                        int threads, fov_failure *failure);

/* The first camera as the second one sees it, given the second as the first one sees it. */
static inline fov_camera fov_seen_back(const fov_camera *p)
{
    fov_camera back = {p->sin * p->y - p->cos * p->x, -p->sin * p->x - p->cos * p->y, -p->sin,
                       p->cos};
    return back;
}

#endif

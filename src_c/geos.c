#include "geos.h"

#include <math.h>
#include <stdlib.h>

#include "geos_ctx.h"

/* In radii. Fields that share less than TOUCH only touch: there GEOS's overlay can take a whole
 * field for the intersection, when shared edges differ in the last bits. */
static const double TOUCH = 1e-11;
/* Fields that are not convex have no cheap test for that; they are overlaid on this grid, which
 * is robust and about three times slower. */
static const double GRID = 1e-12;

static const double PI = 3.14159265358979323846;

typedef struct {
    geos_ctx ctx;
    double angle;
    int points;
    GEOSGeometry *first; /* the polygon at the origin, heading 0; owned */
    double arc[];        /* points - 1 pairs (sin, cos): its vertices on the arc */
} field;

/* ---- the sector */

/* Vertex k of the arc of another camera's sector. */
static void arc_vertex(const field *f, const fov_camera *p, int k, double *xy)
{
    xy[0] = p->x + p->sin * f->arc[2 * k + 1] + p->cos * f->arc[2 * k];
    xy[1] = p->y + p->cos * f->arc[2 * k + 1] - p->sin * f->arc[2 * k];
}

/* The polygon of a camera's sector, owned by the caller; NULL where GEOS failed. */
static GEOSGeometry *sector(const field *f, const fov_camera *p)
{
    GEOSContextHandle_t handle = f->ctx.handle;
    unsigned int last = (unsigned int)f->points; /* the ring ends on its first vertex */
    GEOSCoordSequence *ring = GEOSCoordSeq_create_r(handle, last + 1, 2);
    if (ring == NULL)
        return NULL;
    double xy[2];
    int ok = GEOSCoordSeq_setXY_r(handle, ring, 0, p->x, p->y) &&
             GEOSCoordSeq_setXY_r(handle, ring, last, p->x, p->y);
    for (unsigned int k = 1; ok && k < last; k++) {
        arc_vertex(f, p, (int)k - 1, xy);
        ok = GEOSCoordSeq_setXY_r(handle, ring, k, xy[0], xy[1]);
    }
    if (!ok) {
        GEOSCoordSeq_destroy_r(handle, ring);
        return NULL;
    }
    /* From here each owner takes what it is given, and frees it also when it fails. */
    GEOSGeometry *shell = GEOSGeom_createLinearRing_r(handle, ring);
    if (shell == NULL)
        return NULL;
    return GEOSGeom_createPolygon_r(handle, shell, NULL, 0);
}

/* ---- two sectors */

/* Whether another camera's sector lies beyond the line n . p = offset, but for TOUCH. */
static int beyond(const field *f, const fov_camera *p, double nx, double ny, double offset)
{
    double xy[2];
    if (nx * p->x + ny * p->y < offset - TOUCH)
        return 0;
    for (int k = 0; k < f->points - 1; k++) {
        arc_vertex(f, p, k, xy);
        if (nx * xy[0] + ny * xy[1] < offset - TOUCH)
            return 0;
    }
    return 1;
}

/* Whether an edge of the sector at the origin separates it from another one. Each chord of the
 * arc has the whole sector on one side; the two straight sides do where it is convex. */
static int edge_separates(const field *f, const fov_camera *p)
{
    const double *left = f->arc, *right = f->arc + 2 * (f->points - 2);
    if (f->angle <= PI &&
        (beyond(f, p, right[1], -right[0], 0) || beyond(f, p, -left[1], left[0], 0)))
        return 1;
    double inner = cos(f->angle / (f->points - 2) / 2); /* radius that all chords touch */
    for (int k = 0; k < f->points - 2; k++) {
        double nx = (f->arc[2 * k] + f->arc[2 * k + 2]) / (2 * inner);
        double ny = (f->arc[2 * k + 1] + f->arc[2 * k + 3]) / (2 * inner);
        if (beyond(f, p, nx, ny, inner))
            return 1;
    }
    return 0;
}

/* Whether the fields are apart, or only touch. Between convex fields that do not overlap, an edge
 * of one of them always separates; others may get a no. */
static int apart(const field *f, const fov_camera *p)
{
    fov_camera back = fov_seen_back(p);
    return p->x * p->x + p->y * p->y > 4 || edge_separates(f, p) || edge_separates(f, &back);
}

static fov_status shared_area(void *self, const fov_camera *p, double *area)
{
    field *f = self;
    GEOSContextHandle_t handle = f->ctx.handle;
    if (apart(f, p))
        return FOV_OK;
    GEOSGeometry *both = NULL, *second = sector(f, p);
    if (second != NULL)
        both = f->angle <= PI ? GEOSIntersection_r(handle, f->first, second)
                              : GEOSIntersectionPrec_r(handle, f->first, second, GRID);
    int ok = both != NULL && GEOSArea_r(handle, both, area);
    if (both != NULL)
        GEOSGeom_destroy_r(handle, both);
    if (second != NULL)
        GEOSGeom_destroy_r(handle, second);
    return ok ? FOV_OK : FOV_GEOS;
}

/* ---- the kernel */

static void field_close(void *self)
{
    field *f = self;
    if (f->first != NULL)
        GEOSGeom_destroy_r(f->ctx.handle, f->first);
    geos_ctx_close(&f->ctx);
    free(f);
}

static void *field_open(double angle, int points)
{
    static const fov_camera origin = {0, 0, 0, 1};
    field *f = malloc(sizeof *f + 2 * sizeof(double) * (size_t)(points - 1));
    if (f == NULL)
        return NULL;
    f->angle = angle;
    f->points = points;
    f->first = NULL;
    for (int k = 0; k < points - 1; k++) {
        double a = ((double)k / (points - 2) - 0.5) * angle;
        f->arc[2 * k] = sin(a);
        f->arc[2 * k + 1] = cos(a);
    }
    if (geos_ctx_open(&f->ctx) == 0)
        f->first = sector(f, &origin);
    if (f->first != NULL)
        return f;
    field_close(f);
    return NULL;
}

static const char *last_message(const void *self)
{
    return ((const field *)self)->ctx.message;
}

/* At 16 microseconds a pair. */
const fov_kernel geos_kernel = {field_open, shared_area, last_message, field_close, 32};

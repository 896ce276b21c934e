#include "fov.h"

#include <math.h>
#include <stdio.h>
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
    double angle;
    int points;
    double *arc;         /* points - 1 pairs (sin, cos): the arc at the origin, heading 0 */
    GEOSGeometry *first; /* the polygon there, owned */
} field;

/* ---- the sector */

static fov_status field_open(field *f, double angle, int points)
{
    f->angle = angle;
    f->points = points;
    f->first = NULL;
    f->arc = malloc(2 * sizeof(double) * (size_t)(points - 1));
    if (f->arc == NULL)
        return FOV_NO_MEMORY;
    for (int k = 0; k < points - 1; k++) {
        double a = ((double)k / (points - 2) - 0.5) * angle;
        f->arc[2 * k] = sin(a);
        f->arc[2 * k + 1] = cos(a);
    }
    return FOV_OK;
}

static void field_close(field *f, geos_ctx *ctx)
{
    if (f->first != NULL)
        GEOSGeom_destroy_r(ctx->handle, f->first);
    free(f->arc);
}

/* Vertex k of the arc of the sector at (x, y) whose heading has this sine and cosine. */
static void arc_vertex(const field *f, const double *pose, double s, double c, int k, double *xy)
{
    xy[0] = pose[0] + s * f->arc[2 * k + 1] + c * f->arc[2 * k];
    xy[1] = pose[1] + c * f->arc[2 * k + 1] - s * f->arc[2 * k];
}

/* The polygon of the sector at a pose, owned by the caller; NULL where GEOS failed. */
static GEOSGeometry *sector(const field *f, const double *pose, geos_ctx *ctx)
{
    GEOSContextHandle_t handle = ctx->handle;
    unsigned int last = (unsigned int)f->points; /* the ring ends on its first vertex */
    GEOSCoordSequence *ring = GEOSCoordSeq_create_r(handle, last + 1, 2);
    if (ring == NULL)
        return NULL;
    double s = sin(pose[2]), c = cos(pose[2]), xy[2];
    int ok = GEOSCoordSeq_setXY_r(handle, ring, 0, pose[0], pose[1]) &&
             GEOSCoordSeq_setXY_r(handle, ring, last, pose[0], pose[1]);
    for (unsigned int k = 1; ok && k < last; k++) {
        arc_vertex(f, pose, s, c, (int)k - 1, xy);
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

/* Whether the sector at a pose lies beyond the line n . p = offset, but for TOUCH. */
static int beyond(const field *f, const double *pose, double s, double c, double nx, double ny,
                  double offset)
{
    double xy[2];
    if (nx * pose[0] + ny * pose[1] < offset - TOUCH)
        return 0;
    for (int k = 0; k < f->points - 1; k++) {
        arc_vertex(f, pose, s, c, k, xy);
        if (nx * xy[0] + ny * xy[1] < offset - TOUCH)
            return 0;
    }
    return 1;
}

/* Whether an edge of the sector at the origin separates it from the sector at a pose. Each chord
 * of the arc has the whole sector on one side; the two straight sides do where it is convex. */
static int edge_separates(const field *f, const double *pose)
{
    double s = sin(pose[2]), c = cos(pose[2]);
    const double *left = f->arc, *right = f->arc + 2 * (f->points - 2);
    if (f->angle <= PI && (beyond(f, pose, s, c, right[1], -right[0], 0) ||
                           beyond(f, pose, s, c, -left[1], left[0], 0)))
        return 1;
    double inner = cos(f->angle / (f->points - 2) / 2); /* radius that all chords touch */
    for (int k = 0; k < f->points - 2; k++) {
        double nx = (f->arc[2 * k] + f->arc[2 * k + 2]) / (2 * inner);
        double ny = (f->arc[2 * k + 1] + f->arc[2 * k + 3]) / (2 * inner);
        if (beyond(f, pose, s, c, nx, ny, inner))
            return 1;
    }
    return 0;
}

/* Whether the fields are apart, or only touch. Between convex fields that do not overlap, an edge
 * of one of them always separates; others may get a no. */
static int apart(const field *f, const double *pose)
{
    if (hypot(pose[0], pose[1]) > 2)
        return 1;
    double s = sin(pose[2]), c = cos(pose[2]);
    double back[3] = {c * -pose[0] - s * -pose[1], s * -pose[0] + c * -pose[1], -pose[2]};
    return edge_separates(f, pose) || edge_separates(f, back);
}

static fov_status intersection_area(const field *f, const double *pose, geos_ctx *ctx,
                                    double *area)
{
    *area = 0;
    if (!isfinite(pose[0]) || !isfinite(pose[1]) || !isfinite(pose[2]))
        return FOV_NOT_FINITE;
    if (apart(f, pose))
        return FOV_OK;

    fov_status status = FOV_GEOS;
    GEOSGeometry *both = NULL, *second = sector(f, pose, ctx);
    if (second == NULL)
        goto finish;
    both = f->angle <= PI ? GEOSIntersection_r(ctx->handle, f->first, second)
                          : GEOSIntersectionPrec_r(ctx->handle, f->first, second, GRID);
    if (both != NULL && GEOSArea_r(ctx->handle, both, area))
        status = FOV_OK;
finish:
    if (both != NULL)
        GEOSGeom_destroy_r(ctx->handle, both);
    if (second != NULL)
        GEOSGeom_destroy_r(ctx->handle, second);
    return status;
}

fov_status fov_intersection_areas(const double *poses, size_t count, double angle, int points,
                                  double *areas, size_t *failed, char message[FOV_MESSAGE_SIZE])
{
    static const double origin[3] = {0, 0, 0};
    geos_ctx ctx;
    field f;
    size_t i = 0;

    *failed = 0;
    message[0] = '\0';
    if (!isfinite(angle))
        return FOV_NOT_FINITE;
    if (geos_ctx_open(&ctx) != 0)
        return FOV_NO_MEMORY;
    fov_status status = field_open(&f, angle, points);
    if (status == FOV_OK) {
        f.first = sector(&f, origin, &ctx);
        status = f.first == NULL ? FOV_GEOS : FOV_OK;
    }
    for (; status == FOV_OK && i < count; i++)
        status = intersection_area(&f, poses + 3 * i, &ctx, areas + i);
    if (status != FOV_OK) {
        *failed = i > 0 ? i - 1 : 0;
        snprintf(message, FOV_MESSAGE_SIZE, "%s", ctx.message);
    }
    field_close(&f, &ctx);
    geos_ctx_close(&ctx);
    return status;
}

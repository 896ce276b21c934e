#include "convex.h"

#include <math.h>
#include <stdlib.h>

/* In squared radii: an area below is that of fields that only touch. */
static const double TOUCH = 1e-11;

/* A convex polygon: x and y of n vertices, in order. */
typedef struct {
    double *x, *y;
    int n;
} polygon;

typedef struct {
    int arc_points;             /* vertices on the arc */
    double *sin, *cos;          /* of their angles, the sector at the origin with heading 0 */
    double *chord_x, *chord_y;  /* outward normals of the edges between them */
    double inner;               /* distance of those edges from the apex */
    double centre, reach;       /* bounding circle: its centre's distance, the diameter squared */
    polygon now, next;          /* the polygon being clipped, and where its next form goes */
    double *memory;
} clipper;

/* ---- the sector */

static fov_status clipper_open(clipper *c, double angle, int points)
{
    int m = points - 1, room = 2 * points + 4; /* every edge of one may add a vertex to the other */
    c->memory = malloc(sizeof(double) * (4 * (size_t)m + 4 * (size_t)room));
    if (c->memory == NULL)
        return FOV_NO_MEMORY;
    c->arc_points = m;
    c->sin = c->memory;
    c->cos = c->sin + m;
    c->chord_x = c->cos + m;
    c->chord_y = c->chord_x + m;
    c->now.x = c->chord_y + m;
    c->now.y = c->now.x + room;
    c->next.x = c->now.y + room;
    c->next.y = c->next.x + room;
    double step = angle / (m - 1), half = angle / 2;
    for (int k = 0; k < m; k++) {
        double a = ((double)k / (m - 1) - 0.5) * angle;
        c->sin[k] = sin(a);
        c->cos[k] = cos(a);
        c->chord_x[k] = sin(a + step / 2); /* of the edge that begins at k; the last is unused */
        c->chord_y[k] = cos(a + step / 2);
    }
    c->inner = cos(step / 2);
    /* The smallest circle around the sector: through its three corners, or on the two outer ones. */
    int narrow = cos(half) > sin(half);
    double radius = narrow ? 0.5 / cos(half) : sin(half);
    c->centre = narrow ? radius : cos(half);
    c->reach = 4 * radius * radius;
    return FOV_OK;
}

/* The sector at a pose (x, y) whose heading has this sine and cosine. */
static void draw(clipper *c, double x, double y, double s, double co)
{
    c->now.n = c->arc_points + 1;
    c->now.x[0] = x;
    c->now.y[0] = y;
    for (int k = 0; k < c->arc_points; k++) {
        c->now.x[k + 1] = x + s * c->cos[k] + co * c->sin[k];
        c->now.y[k + 1] = y + co * c->cos[k] - s * c->sin[k];
    }
}

/* ---- clipping */

/* Keep what lies on the near side of the line n . p = offset. */
static void clip(clipper *c, double nx, double ny, double offset)
{
    const polygon *p = &c->now;
    polygon *q = &c->next;
    int n = p->n, m = 0;
    if (n == 0)
        return;
    double before = nx * p->x[n - 1] + ny * p->y[n - 1] - offset;
    for (int i = 0, j = n - 1; i < n; j = i++) {
        double here = nx * p->x[i] + ny * p->y[i] - offset;
        if ((before < 0 && here > 0) || (before > 0 && here < 0)) {
            double t = before / (before - here);
            q->x[m] = p->x[j] + t * (p->x[i] - p->x[j]);
            q->y[m++] = p->y[j] + t * (p->y[i] - p->y[j]);
        }
        if (here <= 0) {
            q->x[m] = p->x[i];
            q->y[m++] = p->y[i];
        }
        before = here;
    }
    q->n = m;
    polygon done = c->now;
    c->now = c->next;
    c->next = done;
}

/* Clip by the edges along the arc. A convex polygon none of whose vertices lies beyond an edge
 * stays as it is, so that most edges, and most polygons, need no clipping. */
static void clip_arc(clipper *c)
{
    double inner = c->inner * c->inner;
    int beyond = 0;
    for (int i = 0; i < c->now.n; i++)
        beyond |= c->now.x[i] * c->now.x[i] + c->now.y[i] * c->now.y[i] > inner;
    for (int k = 0; beyond && k < c->arc_points - 1; k++) {
        double most = -1;
        for (int i = 0; i < c->now.n; i++) {
            double d = c->chord_x[k] * c->now.x[i] + c->chord_y[k] * c->now.y[i];
            most = d > most ? d : most;
        }
        if (most > c->inner)
            clip(c, c->chord_x[k], c->chord_y[k], c->inner);
    }
}

static double area(const polygon *p)
{
    double twice = 0;
    for (int i = 1; i + 1 < p->n; i++)
        twice += (p->x[i] - p->x[0]) * (p->y[i + 1] - p->y[0]) -
                 (p->x[i + 1] - p->x[0]) * (p->y[i] - p->y[0]);
    return fabs(twice) / 2;
}

static double pair_area(clipper *c, const double *pose)
{
    double x = pose[0], y = pose[1];
    if (x * x + y * y > 4)
        return 0;
    double s = sin(pose[2]), co = cos(pose[2]);
    double dx = x + c->centre * s, dy = y + c->centre * co - c->centre;
    if (dx * dx + dy * dy > c->reach)
        return 0;
    int last = c->arc_points - 1;
    draw(c, x, y, s, co);
    clip(c, -c->cos[0], c->sin[0], 0);
    clip(c, c->cos[last], -c->sin[last], 0);
    clip_arc(c);
    double shared = area(&c->now);
    return shared > TOUCH ? shared : 0;
}

fov_status convex_intersection_areas(const double *poses, size_t count, double angle, int points,
                                     double *areas, size_t *failed)
{
    clipper c;
    *failed = 0;
    fov_status status = isfinite(angle) ? clipper_open(&c, angle, points) : FOV_NOT_FINITE;
    if (status != FOV_OK)
        return status;
    for (size_t i = 0; status == FOV_OK && i < count; i++) {
        const double *pose = poses + 3 * i;
        *failed = i;
        if (isfinite(pose[0]) && isfinite(pose[1]) && isfinite(pose[2]))
            areas[i] = pair_area(&c, pose);
        else
            status = FOV_NOT_FINITE;
    }
    free(c.memory);
    return status;
}

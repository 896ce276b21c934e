/* The area that two fields share, from what the outline of one sweeps as seen from the other.
 *
 * Let a point run clockwise along the outline of the second field, and a ray follow it from the
 * apex of the first. What the ray passes of the first field, up to the point, is the area shared:
 * clockwise positive, anticlockwise negative (Green's theorem). Each edge of the outline adds its
 * own term, and every term changes continuously with the poses. So edges that coincide, corners
 * that touch and cameras at one place need no care, which they do where one decides whether an
 * edge is inside; and long runs of edges add one term in closed form.
 */
#include "convex.h"

#include <math.h>
#include <stdlib.h>

/* In squared radii: an area below is that of fields that only touch. */
static const double TOUCH = 1e-11;

/* Where a vertex of the second field's arc lies, as seen from the first field. */
enum { LEFT = 1, RIGHT = 2, NEAR_ARC = 4, BEYOND = 8 };

typedef struct {
    int last;                   /* the arc's vertices are numbered 0 to last */
    double half_sin, half_cos;  /* of half the opening */
    double step_sin;            /* sine of the angle between vertices: twice a sector's area */
    double inner, inner2;       /* distance of the chords from the apex, and its square */
    double outer2;              /* squared: chords both of whose ends are further lie outside */
    double centre, reach2;      /* bounding circle: distance of its centre, diameter squared */
    double sin[FOV_MAX_POINTS], cos[FOV_MAX_POINTS]; /* of the vertices' directions */
    double chord_x[FOV_MAX_POINTS], chord_y[FOV_MAX_POINTS]; /* normal of the chord after each */
    double x[FOV_MAX_POINTS], y[FOV_MAX_POINTS];             /* the second field's arc */
    uint64_t place[FOV_MAX_POINTS];                          /* flags of the enum above */
} clipper;

/* Twice the area of the triangle of the origin, u and v; positive where v is clockwise from u. */
static double turn(double ux, double uy, double vx, double vy)
{
    return uy * vx - ux * vy;
}

/* 1 where x is below 0, without a branch, so that compilers make vectors of what uses it. */
static uint64_t negative(double x)
{
    union {
        double value;
        uint64_t bits;
    } u = {x};
    return u.bits >> 63;
}

/* ---- what is swept of the first field */

/* The sector, between two neighbouring vertices, in the direction of (x, y). */
static int sector(const clipper *c, double x, double y)
{
    uint64_t after = 0; /* how many vertices lie clockwise of it, but for the last */
    for (int j = 1; j < c->last; j++)
        after += negative(c->cos[j] * x - c->sin[j] * y);
    return c->last - 1 - (int)after;
}

/* Twice the area of the field to the left of the direction of (x, y), which is in sector k. */
static double before(const clipper *c, int k, double x, double y)
{
    double to_chord = c->inner / (c->chord_x[k] * x + c->chord_y[k] * y);
    return k * c->step_sin + to_chord * turn(c->sin[k], c->cos[k], x, y);
}

static double left_of(const clipper *c, double x, double y)
{
    return before(c, sector(c, x, y), x, y);
}

/* Twice the area swept from u to v between the sides, where a part may lie beyond the arc. */
static double swept_at_arc(const clipper *c, double ux, double uy, double vx, double vy)
{
    int first = sector(c, ux, uy), final = sector(c, vx, vy), step = first < final ? 1 : -1;
    int enter = first, leave = final; /* the chords at which the edge enters and leaves */
    double in = 0, out = 1;           /* where it does */
    for (int k = first; in < out; k += step) {
        double a = c->chord_x[k] * ux + c->chord_y[k] * uy - c->inner;
        double b = c->chord_x[k] * vx + c->chord_y[k] * vy - c->inner;
        if (a > 0 && b > 0) {
            in = out;
        } else if (a > 0 || b > 0) {
            double t = a / (a - b);
            if (a > 0 && t > in) {
                in = t;
                enter = k;
            } else if (b > 0 && t < out) {
                out = t;
                leave = k;
            }
        }
        if (k == final)
            break;
    }
    if (in >= out)
        return before(c, final, vx, vy) - before(c, first, ux, uy);
    double ix = ux + in * (vx - ux), iy = uy + in * (vy - uy);
    double ox = ux + out * (vx - ux), oy = uy + out * (vy - uy);
    double twice = turn(ix, iy, ox, oy);
    if (in > 0)
        twice += before(c, enter, ix, iy) - before(c, first, ux, uy);
    if (out < 1)
        twice += before(c, final, vx, vy) - before(c, leave, ox, oy);
    return twice;
}

/* Twice the area swept from u to v. */
static double swept(const clipper *c, double ux, double uy, double vx, double vy)
{
    double from = 0, to = 1; /* the part of the edge between the sides */
    for (int side = -1; side <= 1; side += 2) {
        double a = c->half_sin * uy + side * c->half_cos * ux;
        double b = c->half_sin * vy + side * c->half_cos * vx;
        if (a <= 0 && b <= 0)
            return 0;
        if (a < 0) {
            double t = a / (a - b);
            from = t > from ? t : from;
        } else if (b < 0) {
            double t = a / (a - b);
            to = t < to ? t : to;
        }
    }
    if (from >= to)
        return 0;
    double dx = vx - ux, dy = vy - uy;
    vx = to < 1 ? ux + to * dx : vx;
    vy = to < 1 ? uy + to * dy : vy;
    ux += from * dx;
    uy += from * dy;
    if (ux * ux + uy * uy <= c->inner2 && vx * vx + vy * vy <= c->inner2)
        return turn(ux, uy, vx, vy);
    return swept_at_arc(c, ux, uy, vx, vy);
}

/* ---- the second field */

/* Whether a side of the first field has the other field wholly beyond. */
static int side_separates(const clipper *c, const fov_camera *p)
{
    for (int side = -1; side <= 1; side += 2) {
        /* The line's normal, pointing inwards, as the other camera sees it. */
        double ahead = c->half_sin * p->cos + side * c->half_cos * p->sin;
        double across = c->half_cos * p->cos - side * c->half_sin * p->sin;
        double most = ahead * c->half_cos + fabs(across) * c->half_sin; /* of the arc's ends */
        most = ahead >= c->half_cos ? 1 : most;
        if (c->half_sin * p->y + side * c->half_cos * p->x + (most > 0 ? most : 0) <= 0)
            return 1;
    }
    return 0;
}

static void place_arc(clipper *c, const fov_camera *p)
{
    const double half_sin = c->half_sin, half_cos = c->half_cos;
    const double inner2 = c->inner2, outer2 = c->outer2;
    for (int k = 0; k <= c->last; k++) {
        c->x[k] = p->x + p->sin * c->cos[k] + p->cos * c->sin[k];
        c->y[k] = p->y + p->cos * c->cos[k] - p->sin * c->sin[k];
    }
    for (int k = 0; k <= c->last; k++) {
        double ahead = half_sin * c->y[k], across = half_cos * c->x[k];
        double far2 = c->x[k] * c->x[k] + c->y[k] * c->y[k];
        c->place[k] = negative(ahead + across) * LEFT | negative(ahead - across) * RIGHT |
                      negative(inner2 - far2) * NEAR_ARC | negative(outer2 - far2) * BEYOND;
    }
}

/* How many of the chords from vertex k on have both their ends at one place. */
static int run(const clipper *c, int k, uint64_t place)
{
    int end = k;
    while (end <= c->last && c->place[end] == place)
        end++;
    return end - k - 1;
}

/* Twice the area swept along the arc of the second field, whose apex is (px, py). */
static double swept_by_arc(const clipper *c, double px, double py)
{
    const double *x = c->x, *y = c->y;
    double twice = 0;
    for (int k = 0, n; k < c->last; k += n) {
        n = 1;
        if (c->place[k] & c->place[k + 1] & (LEFT | RIGHT)) {
            continue;
        } else if (c->place[k] == 0 && c->place[k + 1] == 0) {
            n = run(c, k, 0); /* these run inside: the sum of their turns, about p */
            twice += turn(px, py, x[k + n] - x[k], y[k + n] - y[k]) + n * c->step_sin;
        } else if (c->place[k] == (NEAR_ARC | BEYOND) && c->place[k + 1] == c->place[k]) {
            n = run(c, k, c->place[k]);
            twice += left_of(c, x[k + n], y[k + n]) - left_of(c, x[k], y[k]);
        } else {
            twice += swept(c, x[k], y[k], x[k + 1], y[k + 1]);
        }
    }
    return twice;
}

/* ---- the kernel */

static void *clipper_open(double angle, int points)
{
    clipper *c = malloc(sizeof *c);
    if (c == NULL)
        return NULL;
    c->last = points - 2;
    double step = angle / c->last, half = angle / 2;
    for (int k = 0; k <= c->last; k++) {
        double a = ((double)k / c->last - 0.5) * angle;
        c->sin[k] = sin(a);
        c->cos[k] = cos(a);
        c->chord_x[k] = sin(a + step / 2);
        c->chord_y[k] = cos(a + step / 2);
    }
    c->half_sin = sin(half);
    c->half_cos = cos(half);
    c->step_sin = sin(step);
    c->inner = cos(step / 2);
    c->inner2 = c->inner * c->inner;
    c->outer2 = 1 + sin(step / 2) * sin(step / 2); /* half a chord, squared, by Pythagoras */
    /* The smallest circle around the field: through its three corners, or on the two outer ones. */
    int narrow = cos(half) > sin(half);
    double radius = narrow ? 0.5 / cos(half) : sin(half);
    c->centre = narrow ? radius : cos(half);
    c->reach2 = 4 * radius * radius;
    return c;
}

static fov_status shared_area(void *self, const fov_camera *p, double *area)
{
    clipper *c = self;
    double dx = p->x + c->centre * p->sin, dy = p->y + c->centre * p->cos - c->centre;
    if (p->x * p->x + p->y * p->y > 4 || dx * dx + dy * dy > c->reach2)
        return FOV_OK;
    fov_camera back = fov_seen_back(p);
    if (side_separates(c, p) || side_separates(c, &back))
        return FOV_OK;
    place_arc(c, p);
    double twice = swept_by_arc(c, p->x, p->y) + swept(c, p->x, p->y, c->x[0], c->y[0]) +
                   swept(c, c->x[c->last], c->y[c->last], p->x, p->y);
    *area = twice / 2 > TOUCH ? twice / 2 : 0;
    return FOV_OK;
}

static const char *no_message(const void *self)
{
    (void)self;
    return "";
}

/* At 0.1 microseconds a pair, 0.2 ms of work: a thread starts in a tenth of that. */
const fov_kernel convex_kernel = {clipper_open, shared_area, no_message, free, 2000};

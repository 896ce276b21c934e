/* Overlap of two equal fields of view that are convex, by clipping; plain C, no library.
 *
 * The same polygons as in fov.h, for angles up to pi, without GEOS: one is clipped by the edges of
 * the other (Sutherland and Hodgman, "Reentrant polygon clipping", 1974), in buffers that serve
 * all pairs.
 */
#ifndef GCSA_CONVEX_H
#define GCSA_CONVEX_H

#include "fov.h"

/* As fov_intersection_areas; angle must not exceed pi. */
fov_status convex_intersection_areas(const double *poses, size_t count, double angle, int points,
                                     double *areas, size_t *failed);

#endif

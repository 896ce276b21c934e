/* Overlap of two equal fields of view; plain C on double buffers, no Python.
 *
 * A field of view is a circular sector of radius 1 drawn as a polygon: the apex, then points - 1
 * vertices on the arc, evenly spaced and clockwise. Headings are radians clockwise from +y.
 */
#ifndef GCSA_FOV_H
#define GCSA_FOV_H

#include <stddef.h>

#define FOV_MIN_POINTS 3
#define FOV_MAX_POINTS 1024
#define FOV_MESSAGE_SIZE 256

typedef enum {
    FOV_OK = 0,
    FOV_NO_MEMORY,
    FOV_NOT_FINITE, /* a pose or the angle is nan or infinite */
    FOV_GEOS        /* GEOS refused: message holds its own words */
} fov_status;

/* Area of the intersection of the field at the origin with heading 0 and the field at each of
 * count poses (x, y, heading), which lie one after the other. areas has room for count doubles.
 * points must lie between the two limits above. On failure *failed is the index of the pose. */
fov_status fov_intersection_areas(const double *poses, size_t count, double angle, int points,
                                  double *areas, size_t *failed,
                                  char message[FOV_MESSAGE_SIZE]);

#endif

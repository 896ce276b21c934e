/* Overlap of fields of view of any angle, by GEOS: the reference of the convex kernel. */
#ifndef GCSA_GEOS_H
#define GCSA_GEOS_H

#include "fov.h"

extern const fov_kernel geos_kernel;

#endif

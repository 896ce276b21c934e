/* Overlap of fields of view that are convex (angles up to pi); plain C, no library. */
#ifndef GCSA_CONVEX_H
#define GCSA_CONVEX_H

#include "fov.h"

extern const fov_kernel convex_kernel;

#endif

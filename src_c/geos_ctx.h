/* A GEOS context of one call, with the text of its last error. */
#ifndef GCSA_GEOS_CTX_H
#define GCSA_GEOS_CTX_H

/* With this a call to GEOS's global, not thread-safe functions does not compile. */
#define GEOS_USE_ONLY_R_API
#include <geos_c.h>

#if GEOS_VERSION_MAJOR < 3 || (GEOS_VERSION_MAJOR == 3 && GEOS_VERSION_MINOR < 9)
#error "gcsa._fov needs GEOS 3.9 or later"
#endif

typedef struct {
    GEOSContextHandle_t handle;
    char message[256]; /* of the last error; empty if there was none */
} geos_ctx;

/* 0 and an open context, or -1 where there is no memory for one. The context holds the address
 * of ctx: do not copy or move it while it is open. */
int geos_ctx_open(geos_ctx *ctx);

/* Harmless on a context that failed to open. */
void geos_ctx_close(geos_ctx *ctx);

#endif

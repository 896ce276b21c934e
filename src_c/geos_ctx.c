#include "geos_ctx.h"

#include <stdio.h>

static void keep_message(const char *message, void *ctx)
{
    geos_ctx *self = ctx;
    snprintf(self->message, sizeof self->message, "%s", message);
}

int geos_ctx_open(geos_ctx *ctx)
{
    ctx->message[0] = '\0';
    ctx->handle = GEOS_init_r();
    if (ctx->handle == NULL)
        return -1;
    GEOSContext_setErrorMessageHandler_r(ctx->handle, keep_message, ctx);
    return 0;
}

void geos_ctx_close(geos_ctx *ctx)
{
    if (ctx->handle != NULL)
        GEOS_finish_r(ctx->handle);
    ctx->handle = NULL;
}

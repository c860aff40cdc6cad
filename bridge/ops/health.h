/* Whether the process lives and may be sent traffic: named checks, as kube-apiserver prints them.
 */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/base/diag.h"

struct health;

enum health_kind {
    HEALTH_REPORTED = 0, /* shown by /readyz?verbose only */
    HEALTH_READY,        /* /readyz fails with it */
    HEALTH_LIVE,         /* /livez and /readyz fail with it */
};

enum status health_new(struct health **ret) MUST_CHECK;
void health_free(struct health *h);

/* fn returns whether the check passes; diag may say why not. `name` is borrowed for ever.
 * Thread: at start only; fn is called in the admin listener's thread.
 */
void health_add(struct health *h, const char *name, enum health_kind kind,
                bool (*fn)(void *ctx, struct diag *diag), void *ctx);

/* Whether every check of at least this kind passes; verbose: appends a line for each check of any
 * kind,
 * "[+]name ok" or "[-]name failed: why", and the verdict.
 */
bool health_ask(struct health *h, enum health_kind kind, bool verbose, struct buf *ret);

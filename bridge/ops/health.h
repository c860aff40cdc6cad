/* Whether the process lives and may be sent traffic: named checks, printed as kube-apiserver prints
 * them. */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/base/diag.h"

struct health;

/* What a failed check means; each kind includes those before it. */
enum health_kind {
    HEALTH_REPORTED = 0, /* shown by ?verbose only */
    HEALTH_READY,        /* /readyz fails with it */
    HEALTH_LIVE,         /* /livez and /readyz fail with it */
};

/* How many checks a process may have. */
#define HEALTH_CHECKS_MAX 32

/* Owns: the caller frees *ret with health_free(). Errors: STATUS_NOMEM. */
enum status health_new(struct health **ret) MUST_CHECK;
void health_free(struct health *h);

/* fn returns whether the check passes; diag may say why not. `name` is borrowed for ever.
 * Thread: at start only; fn is called in the thread that asks.
 */
void health_add(struct health *h, const char *name, enum health_kind kind,
                bool (*fn)(void *ctx, struct diag *diag), void *ctx);

struct health_result {
    const char *name; /* static */
    enum health_kind kind;
    bool passed;
    struct diag why; /* of one that did not; may be empty */
};

/* Makes all checks, in the order in which they were added; returns how many there are.
 * Thread: as health_ask(). */
size_t health_check_all(struct health *h, struct health_result ret[HEALTH_CHECKS_MAX]);

/* Whether every check of at least this kind passes. Appends "ok" when it does and verbose is not
 * wanted; otherwise a line for each check, "[+]name ok" or "[-]name failed: why", and the verdict.
 * verbose: the checks of lesser kinds are made and shown too.
 *
 * Thread: any, as far as the checks allow it.
 * Source: https://kubernetes.io/docs/reference/using-api/health-checks/.
 */
bool health_ask(struct health *h, enum health_kind kind, bool verbose, struct buf *ret);

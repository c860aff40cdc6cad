/* The admin listener: /livez /readyz /metrics /version /debug/config /rejections.json, on a port of
 * its own. */
#pragma once

#include "bridge/base/address.h"
#include "bridge/ops/health.h"
#include "bridge/ops/metrics.h"
#include "bridge/ops/rejections.h"

struct admin;

/* Borrowed; must outlive the listener. The functions are called in its thread. */
struct admin_options {
    struct address listen;
    struct metrics *metrics;
    struct health *health;
    struct rejections *rejections;
    const char *version_json;                         /* the body of /version */
    void (*print_config)(void *ctx, struct buf *ret); /* the body of /debug/config: redacted YAML */
    void *print_config_ctx;
};

/* Starts one thread that serves it.
 *
 * Owns:   on STATUS_OK the caller frees *ret with admin_free(), which stops the thread.
 * Errors: STATUS_UNAVAILABLE the address cannot be bound, or the thread not be started;
 *         STATUS_INVALID the host does not resolve; diag says why. STATUS_NOMEM.
 */
enum status admin_new(const struct admin_options *opt, struct admin **ret, struct diag *diag)
    MUST_CHECK;
void admin_free(struct admin *a);

/* The port really bound. */
uint16_t admin_port(const struct admin *a);

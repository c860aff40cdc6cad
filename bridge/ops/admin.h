/* The admin listener: /livez /readyz /metrics /version /debug/config /rejections.json, and pages
 * that others print, on a port of its own. */
#pragma once

#include "bridge/base/address.h"
#include "bridge/ops/health.h"
#include "bridge/ops/metrics.h"
#include "bridge/ops/rejections.h"

struct admin;

/* What stands behind the "?" of a request. */
struct admin_query;

/* The parameter's value, decoded; "" when it has none; NULL when it is not there. Borrowed for the
 * call of the page. */
const char *admin_query_text(const struct admin_query *q, const char *name);

/* A page beside those that the listener has itself. */
struct admin_page {
    const char *path; /* "/status" */
    const char *content_type;
    const char *doc;                     /* its line of the index */
    const char *content_security_policy; /* NULL: none is told */
    /* Appends the body; returns the HTTP code. */
    unsigned (*print)(void *ctx, const struct admin_query *q, struct buf *ret);
    void *ctx;
};

/* Borrowed; must outlive the listener. The functions are called in its thread. */
struct admin_options {
    struct address listen;
    struct metrics *metrics;
    struct health *health;
    struct rejections *rejections;
    const char *version_json;                         /* the body of /version */
    void (*print_config)(void *ctx, struct buf *ret); /* the body of /debug/config: redacted YAML */
    void *print_config_ctx;
    const struct admin_page *pages;
    size_t pages_len;
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

/* A private temporary directory with all the files that the processes of a `dev` run read. */
#pragma once

#include "bridge/base/diag.h"
#include "bridge/dev/tenant.h"

struct secret;
struct workspace;

/* An account that the reconciler finds in accounts.d. */
struct workspace_account {
    const char *id;
    const char *declaration; /* the rest of its YAML, in braces: "system: xero, ..." */
    const char *key;         /* written to a file */
};

struct workspace_options {
    const char *bootstrap;        /* of the broker */
    uint16_t port;                /* of the callbacks, on 127.0.0.1 */
    const struct tenant *tenants; /* borrowed; each gets a route and a secret */
    size_t tenants_len;
    uint16_t provider_port;                   /* of the simulated providers */
    const char *api_key;                      /* Maesn's */
    const struct workspace_account *accounts; /* borrowed */
    size_t accounts_len;
};

/* Makes the directory in $TMPDIR, or /tmp, with bridge.yaml, routes.d/dev.yaml and a fresh secret a
 * tenant, accounts.d/dev.yaml, and fresh keys; nobody else can read any of it.
 * Owns:   on STATUS_OK the caller frees *ret with workspace_free(), which removes the directory.
 * Errors: STATUS_UNAVAILABLE a file cannot be written, diag says which and why. STATUS_INTERNAL no
 *         random bytes. STATUS_NOMEM. Nothing is left behind.
 */
enum status workspace_new(const struct workspace_options *opt, struct workspace **ret,
                          struct diag *diag) MUST_CHECK;

/* Borrowed until workspace_free(), as are the following. */
const char *workspace_directory(const struct workspace *w);
const char *workspace_settings_file(const struct workspace *w);

const char *workspace_accounts_file(const struct workspace *w);

/* A file in the directory for the ingress's log, open for appending and reading. */
const char *workspace_log_file(const struct workspace *w);
int workspace_log_fd(const struct workspace *w);

/* One a tenant. */
struct secret *const *workspace_secrets(const struct workspace *w);

/* Where the n-th tenant's secret stands. */
const char *workspace_secret_file(const struct workspace *w, size_t n);

void workspace_free(struct workspace *w);

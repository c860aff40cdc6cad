/* What an operator can set of the reconciler's decisions. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct keyring;

enum reconciler_policy {
    POLICY_UPSERT_ONLY = 0, /* what is not wanted is left and reported */
    POLICY_SYNC,            /* and is deleted */
};

/* Borrowed while a plan or pass uses them. */
struct reconciler_options {
    enum reconciler_policy policy;
    int64_t interval_ms;     /* between two passes over one account */
    int64_t overlap_ms;      /* a replaced subscription outlives its replacement's secret by this */
    int64_t retire_grace_ms; /* a deleted subscription's callbacks still verify for this */
    int64_t pending_ttl_ms;  /* an intent that came to nothing stays recognisable for this */
    int64_t delete_delay_ms; /* what is no longer wanted stays for this */
    int64_t second_look_ms;  /* between two lists that must agree that something is missing */
    int64_t blocked_retry_ms; /* between two calls for a blocked account */

    const char *const *bases; /* the public base URL, then the previous ones */
    size_t bases_len;
    const struct keyring *route_keys;
};

/* The longest pause after failures in a row. */
#define SETBACK_MAX_MS (3600 * 1000)

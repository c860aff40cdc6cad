/* An account: an end user's accounting system behind a provider, and the subscriptions wanted for
 * it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct provider;
struct secret;

/* Characters of an account id, without the NUL. It is a URL segment, part of a topic, a Kafka key.
 */
#define ACCOUNT_ID_MAX 63

struct account_subscription {
    const char *resource; /* "INVOICE" */
    const char **events;  /* "CREATED", ... */
    size_t events_len;    /* 0: all */
};

/* A plain value; who made it owns what it points to. */
struct account {
    const char *id;
    const struct provider *provider;
    const char *system;           /* the provider's own name for a native account */
    const char *account_key_file; /* resolved */
    struct secret *account_key;   /* the file's content */
    const char *company_id;       /* NULL: none */
    const char *environment_name; /* NULL: none */
    bool wants_all;               /* `subscriptions: all` */
    struct account_subscription *subscriptions;
    size_t subscriptions_len;
    const char **events_raw; /* native event names beside those of the subscriptions */
    size_t events_raw_len;
    const char *file; /* where it is declared */
    unsigned line;
    unsigned column;
};

/* [a-z0-9][a-z0-9-]{0,62} */
bool account_id_is_valid(const char *id);

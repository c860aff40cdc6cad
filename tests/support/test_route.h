/* A route for tests, made of texts: those of cmocka and of libFuzzer, which fail each their own
 * way. */
#pragma once

#include "bridge/base/secret.h"
#include "bridge/domain/route.h"

static inline struct secret *test_secret(const char *text)
{
    struct secret *secret = NULL;
    return text != NULL && secret_new(bytes_of_text(text), &secret, NULL) == STATUS_OK ? secret
                                                                                       : NULL;
}

/* The fields with these secrets, each of which may be NULL; of account acme-42, and by the path
 * /in/test/acme-42/by-hand where they name none. The caller holds a reference. NULL: a failure. */
static inline struct route *test_route(struct route_fields fields, const char *current,
                                       const char *previous, const char *token)
{
    struct route *route = NULL;
    fields.account = "acme-42";
    if (fields.path == NULL)
        fields.path = "/in/test/acme-42/by-hand";
    fields.current_secret = test_secret(current);
    fields.previous_secret = test_secret(previous);
    fields.token = test_secret(token);
    bool is_whole = (current == NULL || fields.current_secret != NULL) &&
                    (previous == NULL || fields.previous_secret != NULL) &&
                    (token == NULL || fields.token != NULL);
    if (is_whole && route_new(&fields, &route) != STATUS_OK)
        route = NULL;
    secret_unref(fields.current_secret);
    secret_unref(fields.previous_secret);
    secret_unref(fields.token);
    return route;
}

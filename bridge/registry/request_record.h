/* What a one-shot command asks the owner of an account for, in the accounts topic: the key is
 * registry_key_of_request(), the value is sealed. A request may be read again at any time: carried
 * out twice it does no more than once. */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/base/diag.h"
#include "bridge/domain/account.h"

enum request_kind {
    REQUEST_PASS = 0, /* a pass at once */
    REQUEST_FORCE,    /* and in it the deletes that the guard rail holds */
    REQUEST_ROTATE,   /* what was created before the request is replaced */
    REQUEST_ADOPT,    /* a subscription that a person made is taken over before it */
    REQUEST_FORGET,   /* an account that is not declared is taken out of the registry */
};

/* How long a request to force, to adopt or to forget counts. */
#define REQUEST_FORCE_MS (10 * 60 * 1000)

/* A plain value; its texts are borrowed, or, from request_record_read(), in the same block. */
struct request_record {
    char account[ACCOUNT_ID_MAX + 1];
    enum request_kind kind;
    const char *resource;    /* REQUEST_ROTATE: kebab case; only that; NULL: all */
    const char *provider_id; /* REQUEST_ADOPT: the subscription's, like those that follow */
    const char *callback_url;
    const char *secret;
    const char *token; /* Moneybird's webhook_token; NULL: none */
    int64_t requested_at_unix_ms;

    /* What was asked for before and is not finished, as far as its sender could see; 0: nothing. */
    int64_t former_rotate_unix_ms; /* when a REQUEST_ROTATE was made */
    const char *former_resource;   /* its resource */
    int64_t former_force_unix_ms;  /* when a REQUEST_FORCE was made */
};

/* As route_record_copy(). */
struct request_record *request_record_copy(const struct request_record *r);
void request_record_free(struct request_record *r);

/* As route_record_write() and route_record_read(). */
enum status request_record_write(const struct request_record *r, struct buf *ret) MUST_CHECK;
enum status request_record_read(struct bytes json, struct request_record **ret, struct diag *diag)
    MUST_CHECK;

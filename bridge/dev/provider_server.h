/* The HTTP server of the simulated providers, on loopback:
 *
 *     /webhooks...             Maesn's API
 *     /api/v2/{n}/webhooks...  Moneybird's
 *     /simulator/faults        the fault switch: GET tells the rules, POST adds some (faults.h),
 *                              DELETE ends them all
 */
#pragma once

#include "bridge/dev/faults.h"
#include "bridge/dev/provider_world.h"

struct provider_server;

/* A call to one of the APIs, after its end. */
struct provider_server_call {
    const char *method;
    const char *path;
    unsigned code; /* of the answer; 0: none was given, on purpose */
    bool done;     /* what the call asks for was tried */
};

struct provider_server_options {
    uint16_t port;                /* 0: any free one */
    struct provider_world *world; /* borrowed */
    struct faults *faults;        /* borrowed */

    /* Told of every call to the APIs before its answer leaves. In a thread of the server; may be
     * NULL. */
    void (*on_call)(void *owner, const struct provider_server_call *call);
    void *owner; /* on_call's */
};

/* Starts the server: one thread that accepts, and one for each connection, since a call may wait
 * for a delay, or for a callback URL's answer, while others go on.
 * Owns:   on STATUS_OK the caller frees *ret with provider_server_free().
 * Errors: STATUS_UNAVAILABLE it cannot listen, or not start its thread; diag says why.
 *         STATUS_NOMEM.
 */
enum status provider_server_new(const struct provider_server_options *opt,
                                struct provider_server **ret, struct diag *diag) MUST_CHECK;

uint16_t provider_server_port(const struct provider_server *s);

/* Ends every connection; calls that wait are not answered any more. */
void provider_server_free(struct provider_server *s);

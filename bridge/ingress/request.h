/* One callback's way through the ingress: judged, gathered, verified, published, answered. */
#pragma once

#include <stdint.h>

#include "bridge/domain/registry.h"
#include "bridge/ingress/answer.h"
#include "bridge/ingress/flight.h"

struct connection;
struct framing;

/* Lives in its connection; all zero between requests. */
struct request {
    struct route *route;      /* a reference; NULL: none was found yet */
    enum route_lookup lookup; /* how it was found */
    struct flight *flight;    /* a reference; NULL: it was not taken up */
    struct callback callback; /* once it is complete; borrows from the flight */
    enum answer answer;       /* ANSWER_NONE until it is decided */
    int64_t started_mono_us;  /* the first call of the handler; 0: it was not called yet */
    uint64_t body_len;        /* received, or announced where more was */
    bool is_unframed;         /* a POST that does not say how long its body is: what follows it may
                                 be that body to another reader, so its connection closes */
    bool admitted;            /* holds a request of the budget */
    bool counted;             /* its answer was counted and logged */
};

/* The header is complete: judges it, and takes the callback up or answers at once.
 * Returns false when the connection is to be closed, as the three below.
 */
bool request_begin(struct connection *c, const char *target, const char *method);

/* A piece of the body. */
bool request_gather(struct connection *c, struct bytes piece);

/* The request is complete: verifies, unifies, publishes; or answers. */
bool request_complete(struct connection *c);

/* The answer was decided while it was suspended. */
bool request_reply(struct connection *c);

/* It is held, and a route has changed: goes on if that was its own. */
void request_reconsider(struct connection *c);

/* The sink reported: decides the answer and resumes. */
void request_settle(struct flight *f);

/* Its time has come: decides without the report, or without the secret, and resumes; a refusal that
 * was delayed goes out. Returns false
 * when the report was first, and is on its way through the mailbox.
 */
bool request_expire(struct connection *c);

/* It is not complete and will not be: answers at once, gives back what it took, and ends the
 * connection. */
void request_refuse(struct connection *c, enum answer answer);

/* Counts and logs its answer; path is NULL or, while there is no route, what it asked for. */
void request_count(struct connection *c, enum answer answer, const char *path);

/* It is over, one way or the other: lets go of all it holds. */
void request_done(struct connection *c);

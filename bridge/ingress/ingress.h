/* The public listener: callbacks come in, are verified, unified, published, and answered when they
 * are durable. */
#pragma once

#include "bridge/base/address.h"
#include "bridge/domain/activity.h"
#include "bridge/domain/envelope.h"
#include "bridge/domain/event_sink.h"
#include "bridge/domain/registry.h"
#include "bridge/ingress/limit.h"
#include "bridge/ops/metrics.h"
#include "bridge/ops/rejections.h"

struct ingress;

/* Files of the public listener's TLS; "" for none. */
struct ingress_tls_options {
    const char *certificate_file;
    const char *key_file;
    const char *client_ca_file; /* not "": without a client certificate signed by it the handshake
                                   fails, and no request is read */
};

/* Who asks too often is answered 429; see limit.h. All zero: no limits. */
struct ingress_limits {
    struct limit_rate callbacks;         /* that verify, of one account */
    struct limit_rate failed_signatures; /* of one account; never in the way of a right one */
    struct limit_rate unknown_paths;     /* of all senders together */
    uint32_t replay_window_s;            /* how long a callback is remembered; 0: not at all */
};

/* Borrowed; must outlive the ingress. */
struct ingress_options {
    struct address listen;
    unsigned threads;           /* 0: one per core, at most 4 */
    int64_t deadline_ms;        /* from a complete request to its answer, at the latest */
    int64_t header_timeout_ms;  /* absolute, as the next: from accept or from the request line */
    int64_t body_timeout_ms;    /* from the end of the header */
    int64_t idle_timeout_ms;    /* from an answer to the next request line */
    size_t connections_max;     /* beyond it a newcomer takes the place of the slowest */
    size_t in_flight_max;       /* callbacks taken up and not yet answered */
    size_t in_flight_max_bytes; /* of bodies, until their records are settled */
    size_t body_max_bytes;
    struct ingress_limits limits; /* at first */
    struct ingress_tls_options tls;
    struct envelope_options envelope;
    struct provider_options provider;
    const struct provider *const
        *providers; /* NULL-terminated: for metrics' labels and header names */
    struct registry *registry;
    struct event_sink *sink;
    struct activity *activity; /* NULL: nobody wants to hear */
    struct metrics *metrics;
    struct rejections *rejections;
};

/* Opens the sockets and starts the loop threads.
 * Owns:   on STATUS_OK the caller frees *ret with ingress_free().
 * Errors: STATUS_INVALID (a TLS file, an address), STATUS_UNAVAILABLE (cannot listen),
 * STATUS_NOMEM; diag says why.
 */
enum status ingress_new(const struct ingress_options *opt, struct ingress **ret, struct diag *diag)
    MUST_CHECK;

uint16_t ingress_port(const struct ingress *in);

/* Reads the TLS files again, keeping the old ones for handshakes under way.
 * Errors: STATUS_INVALID: the old certificate stays in force, diag says why. STATUS_NOMEM.
 */
enum status ingress_reload_tls(struct ingress *in, struct diag *diag) MUST_CHECK;

/* Thread: any. */
void ingress_set_limits(struct ingress *in, const struct ingress_limits *limits);

/* Whether every loop thread has turned within the last max_age_ms: for /livez. Thread: any. */
bool ingress_is_alive(const struct ingress *in, int64_t max_age_ms);

/* From now on every answer closes its connection, new ones are still accepted. Thread: any. */
void ingress_drain(struct ingress *in);

/* Stops accepting and waits until every request is answered, or until the instant has come, when
 * what is left is cut. Returns how many requests were cut. Thread: the one that owns the ingress.
 */
size_t ingress_stop(struct ingress *in, int64_t until_mono_ms);

/* After ingress_stop(). */
void ingress_free(struct ingress *in);

/* One probe: a signed test event through the public URL, waited for in Kafka.
 *
 * The reader stands at the end of the record's partition before anything is sent, so only what this
 * run sent is met; the record is known by its ce_id, which no other run has.
 */
#pragma once

#include "bridge/app/probe_event.h"
#include "bridge/kafka/producer.h"

/* In the order in which they are come to. */
enum probe_hop {
    PROBE_KAFKA = 0, /* the brokers answer, the topic can be read: the probe's own connection */
    PROBE_DNS,
    PROBE_CONNECT,
    PROBE_TLS,
    PROBE_ANSWER, /* from the connection to the whole answer */
    PROBE_RECORD, /* from the answer to the record */
    PROBE_HOPS,
};

/* "kafka", "dns", ... Static. */
const char *probe_hop_name(enum probe_hop hop);

#define PROBE_NOT_REACHED (-1)

struct probe_report {
    enum probe_hop failed; /* PROBE_HOPS: none */
    bool is_refused;       /* asking again changes nothing: a wrong signature, a wrong record */
    bool is_interrupted;
    struct diag problem;         /* of what failed: a sentence without a secret */
    char topic[250];             /* where the record belongs */
    char id[33];                 /* its ce_id */
    int32_t partition;           /* -1: not known */
    int64_t offset;              /* of the record; -1: it was not met */
    unsigned code;               /* of the HTTP answer; 0: none */
    bool is_secured;             /* there is a hop PROBE_TLS */
    int64_t hops_us[PROBE_HOPS]; /* PROBE_NOT_REACHED, or how long each took */
    int64_t total_us;            /* from the first step towards the URL to the record, or its end */

    /* By the clocks of the machines they happened on; 0: it did not. */
    int64_t sent_at_unix_ms;
    int64_t received_at_unix_ms; /* by the ingress */
    int64_t timestamp_unix_ms;   /* of the record: the ingress's or the broker's */
    int64_t met_at_unix_ms;      /* by the probe, in Kafka */
};

/* Everything is borrowed for the run. */
struct probe_run_options {
    const struct cluster *cluster;
    struct probe_event_rules rules;
    const struct route *route; /* of Maesn, with a current secret */
    const char *base_url;      /* as http_base.url; the route's path comes behind it */
    const char *ca_file;       /* PEM; "": the system's */
    int64_t connect_timeout_ms;
    int64_t timeout_ms; /* all in all */
    void *ctx;
    bool (*is_interrupted)(void *ctx); /* asked now and then: the run ends */
};

/* *ret is true on STATUS_OK, also if a hop failed.
 * Errors: STATUS_INVALID an option is refused, diag says which. STATUS_NOMEM, STATUS_INTERNAL.
 */
enum status probe_run(const struct probe_run_options *opt, struct probe_report *ret,
                      struct diag *diag) MUST_CHECK;

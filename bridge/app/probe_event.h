/* The test event of `probe`, and whether a record is what it must become. */
#pragma once

#include "bridge/base/crypto.h"
#include "bridge/base/diag.h"
#include "bridge/domain/envelope.h"
#include "bridge/domain/trace_context.h"

struct probe_event {
    const struct route *route; /* borrowed */
    int64_t made_at_unix_ms;
    char body[256];
    size_t body_len;
    char signature[2 * CRYPTO_SHA256_SIZE + 1]; /* the value of the provider's signature header */
    char traceparent[TRACEPARENT_SIZE];
};

/* A signed event that no other is equal to; the route is Maesn's and has a current secret.
 * Errors: STATUS_NOMEM. STATUS_INTERNAL no random bytes.
 */
enum status probe_event_make(const struct route *r, int64_t now_unix_ms, struct probe_event *ret)
    MUST_CHECK;

/* How the ingress makes records. */
struct probe_event_rules {
    struct envelope_options envelope;
    struct provider_options provider;
};

/* The record that the ingress makes of the event when it receives it at this instant, but for the
 * random part of its trace context.
 * Owns:   *ret is in the arena, and borrows from the event.
 * Errors: STATUS_NOMEM. STATUS_INTERNAL no random bytes.
 */
enum status probe_event_record(const struct probe_event *e, const struct probe_event_rules *rules,
                               int64_t received_at_unix_ms, struct arena *a, struct record *ret)
    MUST_CHECK;

/* Whether topic, key, value and headers are what they must be; *ret_received_at_unix_ms is when the
 * ingress received the event, by its own clock.
 * Errors: STATUS_INVALID they are not, diag says what. Otherwise as probe_event_record().
 */
enum status probe_event_check(const struct probe_event *e, const struct probe_event_rules *rules,
                              const struct record *found, struct arena *a,
                              int64_t *ret_received_at_unix_ms, struct diag *diag) MUST_CHECK;

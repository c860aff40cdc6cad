/* Writes when each subscription's callbacks came, at most once a minute each, for those who want to
 * see a silent one. A hint: nothing rests on it, and no callback waits for it.
 *
 *            note()                 a batch of at most ACTIVITY_BATCH_MAX, one at a time
 *   (none) ─────────► ready ───────────────────────────────────────────────► resting
 *     ▲                 ▲                  something was noted                  │
 *     │                 └───────────────────────────────────────────────────────┤ after a minute
 *     └─────────────────────────────────────────────────────────────────────────┘ nothing was
 *
 * What could not be written is told with the next record.
 */
#pragma once

#include "bridge/domain/activity.h"
#include "bridge/domain/event_sink.h"

struct activity_writer;

/* How often a subscription has a record at most. */
#define ACTIVITY_INTERVAL_MS 60000

/* Records under way at once: a twentieth of what the producer's queue takes. */
#define ACTIVITY_BATCH_MAX 1000

/* Subscriptions that are kept in mind; what is beyond is not told. */
#define ACTIVITY_SUBSCRIPTIONS_MAX 200000

/* Borrowed. */
struct activity_writer_options {
    struct event_sink *sink;
    const char *topic;
    int64_t interval_ms; /* ACTIVITY_INTERVAL_MS, but in tests */
    int64_t turn_ms;     /* how long what is noted is gathered */
};

/* Starts its thread.
 * Owns:   on STATUS_OK the caller stops it with activity_writer_stop() and frees *ret with
 * activity_writer_free(). Errors: STATUS_NOMEM.
 */
enum status activity_writer_new(const struct activity_writer_options *opt,
                                struct activity_writer **ret) MUST_CHECK;

/* The port; borrowed until activity_writer_free(). */
struct activity *activity_writer_port(struct activity_writer *w);

/* Publishes nothing more; what is noted from now on is not told. */
void activity_writer_stop(struct activity_writer *w);

/* After activity_writer_stop(), and when the sink has reported all it took. */
void activity_writer_free(struct activity_writer *w);

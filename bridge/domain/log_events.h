/* The catalogue of log events (log_events.def) and how to write one. */
#pragma once

#include "bridge/base/log.h"

enum log_event_id {
#define L(id, name, level, lines_per_minute, action) LOG_EVENT_##id,
#include "bridge/domain/log_events.def"
#undef L
    LOG_EVENTS
};

extern struct log_event log_events[LOG_EVENTS];

/* LOG(KAFKA_UNAVAILABLE, log_text("error", why)): one line of the event, with at least one field.
 */
#define LOG(id, ...)                                                                               \
    log_write(&log_events[LOG_EVENT_##id], (const struct log_field[]){__VA_ARGS__},                \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

#include "bridge/domain/log_events.h"

struct log_event log_events[LOG_EVENTS] = {
#define L(id, event_name, event_level, lines, what_to_do)                                          \
    [LOG_EVENT_##id] = {                                                                           \
        .name = (event_name),                                                                      \
        .level = (event_level),                                                                    \
        .lines_per_minute = (lines),                                                               \
        .action = (what_to_do),                                                                    \
    },
#include "bridge/domain/log_events.def"
#undef L
};

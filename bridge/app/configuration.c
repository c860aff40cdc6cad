#include "bridge/app/configuration.h"

#include "bridge/app/cluster_settings.h"
#include "bridge/base/clock.h"
#include "bridge/domain/log_events.h"
#include "bridge/providers/providers.h"

enum status configuration_load(const char *file, enum settings_process process,
                               struct configuration *ret, struct problems *problems)
{
    *ret = (struct configuration){.read_from_unix_ms = clock_unix_ms()};
    paths_init(&ret->read);
    return settings_load(file, process, providers_all, cluster_settings_check, &ret->settings,
                         problems, &ret->read);
}

void configuration_done(struct configuration *c)
{
    settings_free(c->settings);
    c->settings = NULL;
    paths_done(&c->read);
}

struct configuration configuration_take(struct configuration *from)
{
    struct configuration taken = *from;
    *from = (struct configuration){0};
    paths_init(&from->read);
    return taken;
}

void configuration_log(const struct problems *problems)
{
    for (size_t i = 0; i < problems->len; i++) {
        const struct problem *problem = &problems->items[i];
        bool is_error = problem->severity == PROBLEM_ERROR;
        const struct log_field fields[] = {
            log_text("file", problem->place.file),       log_number("line", problem->place.line),
            log_number("column", problem->place.column), log_text("key", problem->key),
            log_text("problem", problem->text),
        };
        log_write(&log_events[is_error ? LOG_EVENT_CONFIG_REJECTED : LOG_EVENT_CONFIG_WARNED],
                  fields, sizeof(fields) / sizeof(fields[0]));
    }
}

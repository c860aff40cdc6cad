/* The settings as read at one moment, and what to watch to know that they are no longer what the
 * files say. */
#pragma once

#include "bridge/settings/settings.h"

struct configuration {
    struct settings *settings; /* NULL: they could not be read */
    struct paths read;         /* what they were read from, also when that failed */
    int64_t read_from_unix_ms; /* the instant before reading began */
    bool any_topic_settings;   /* the registry topic is taken as it is: only `dev` sets it, whose
                                  broker has no topic settings */
};

/* Reads the settings of a process with every provider there is.
 * Owns:   the caller ends *ret with configuration_done(), also after an error.
 * Errors: as settings_load(); problems say what is wrong, and where.
 */
enum status configuration_load(const char *file, enum settings_process process,
                               struct configuration *ret, struct problems *problems) MUST_CHECK;
void configuration_done(struct configuration *c);

/* Moves the content; *from is left empty. */
struct configuration configuration_take(struct configuration *from);

/* Logs each problem: config.rejected for an error, config.warned for a warning. */
void configuration_log(const struct problems *problems);

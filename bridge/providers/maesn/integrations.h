/* The accounting systems behind Maesn, and what a subscription to each may say. */
#pragma once

#include <stdbool.h>

/* Whether a subscription of this system may name something. */
enum integration_rule {
    INTEGRATION_UNSUPPORTED = 0, /* sending it is an error, or a warning */
    INTEGRATION_OPTIONAL,
    INTEGRATION_REQUIRED,
};

struct integration {
    const char *system; /* "exact-nl", as Maesn spells it */
    enum integration_rule environment;
    enum integration_rule company_id; /* optional: needed unless the end user has chosen one */
    enum integration_rule resource;
    enum integration_rule event_type;
    const char *const *resources;   /* a NULL ends the list; empty: Maesn chooses */
    const char *const *event_types; /* likewise */
    bool sends_arrays;              /* several events in one callback */
};

/* A row without a system ends the table. */
extern const struct integration integrations[];

/* The row of this system, or NULL. Static. */
const struct integration *integration_of(const char *system);

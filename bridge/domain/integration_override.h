/* What an operator says of a target system, over a provider's built-in table. */
#pragma once

#include <stddef.h>

/* Whether a parameter of a provider's request is needed; UNSET leaves it to the built-in table. */
enum requirement {
    REQUIREMENT_UNSET = 0,
    REQUIREMENT_REQUIRED,
    REQUIREMENT_OPTIONAL,
    REQUIREMENT_UNSUPPORTED,
};

struct integration_override {
    const char *system; /* in the built-in table, or a new one */
    enum requirement resource;
    enum requirement event_type;
    enum requirement company_id;
    const char **resources; /* NULL: not given */
    size_t resources_len;
    const char **events; /* NULL: not given */
    size_t events_len;
};

struct integration_overrides {
    struct integration_override *items;
    size_t len;
};

/* The one for this system, or NULL. Borrowed. */
const struct integration_override *
integration_overrides_find(const struct integration_overrides *overrides, const char *system);

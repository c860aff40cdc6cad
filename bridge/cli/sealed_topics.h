/* The two topics whose records are sealed, as the commands of `registry` work with them. */
#pragma once

#include "bridge/cli/registry_access.h"

enum sealed_topic {
    SEALED_REGISTRY = 0,
    SEALED_ACCOUNTS,
};
#define SEALED_TOPICS 2

struct sealed_topics {
    struct topic_table *of[SEALED_TOPICS];
};

/* Owns:   the caller ends *ret with sealed_topics_close(), also after an error; all zero is fine.
 * Errors: as registry_access_open(). */
enum status sealed_topics_open(const struct registry_access *x, struct sealed_topics *ret,
                               struct diag *diag) MUST_CHECK;
void sealed_topics_close(struct sealed_topics *t);

const char *sealed_topics_name(const struct registry_access *x, enum sealed_topic topic);

/* Whether a key belongs to a sealed record, and in which topic. */
bool sealed_topics_of_key(struct bytes key, enum sealed_topic *ret);

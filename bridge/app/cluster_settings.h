/* How the settings say to reach the cluster, in the words of the kafka folder. */
#pragma once

#include "bridge/kafka/producer.h"
#include "bridge/settings/settings.h"

struct cluster_settings {
    struct cluster cluster; /* borrows from the settings */
    struct cluster_property *raw;
};

/* Owns:   the caller ends it with cluster_settings_done(), also after an error. Errors:
 * STATUS_NOMEM.
 */
enum status cluster_settings_init(struct cluster_settings *c, const struct settings *s) MUST_CHECK;
void cluster_settings_done(struct cluster_settings *c);

/* Asks librdkafka whether it takes them; nothing is connected to. What it refuses becomes a problem
 * at the value's place. Errors: STATUS_NOMEM.
 */
enum status cluster_settings_check(const struct settings *s, struct problems *problems) MUST_CHECK;

/* Topic and key templates: how an event's names become a Kafka topic and a record key. */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/base/diag.h"

/* What the placeholders stand for. NULL, except for resource_id, stands for nothing. */
struct naming {
    const char *provider;
    const char *system;
    const char *account;
    const char *resource;    /* as received */
    const char *event_type;  /* as received; NULL: none came */
    const char *resource_id; /* NULL: none came */
};

/* "created" of "CREATED"; "changed" where none came. Source: the published sample always has one;
 * Business Central and others subscribe without.
 */
#define NAMING_NO_EVENT_TYPE "CHANGED"

/* As envelope_check_topic_template() and envelope_check_key_template(). */
enum status naming_check_topic(const char *template, struct diag *diag) MUST_CHECK;
enum status naming_check_key(const char *template, struct diag *diag) MUST_CHECK;

/* Each value in lower kebab case; an event type that is not known is "other", one that did not come
 * "changed". NULL when memory is short.
 */
const char *naming_topic(const char *template, const struct naming *n, struct arena *a);

/* Resource and event type in upper case, the rest as it is. NULL when memory is short. */
const char *naming_key(const char *template, const struct naming *n, struct arena *a);

/* Which topics the declared routes write to: what is fetched ahead, and what `topics plan` wants to
 * see. */
#pragma once

#include "bridge/domain/envelope.h"

struct settings;

/* Sorted, each once. */
struct event_topics {
    const char **names; /* the texts are in the arena, or borrowed from the options */
    size_t len;
    size_t capacity;
    struct arena *arena;
};

void event_topics_init(struct event_topics *t);
void event_topics_done(struct event_topics *t);

/* Adds the topics of every static route, and those that need no route: other, token, dead letters.
 * Errors: STATUS_NOMEM: the list may lack some.
 */
enum status event_topics_add(struct event_topics *t, const struct envelope_options *opt,
                             const struct settings *s) MUST_CHECK;

/* One more, borrowed, behind the others. Errors: STATUS_NOMEM. */
enum status event_topics_add_name(struct event_topics *t, const char *name) MUST_CHECK;

/* The topics that settings name: legal, and none that two kinds of records would mix in. */
#pragma once

struct load;

/* Problems with the templates, and with fixed topics that are the same. */
void topics_check(struct load *l);

/* Problems with a template that sends a declared route's events to the topic of something else. */
void topics_check_routes(struct load *l);

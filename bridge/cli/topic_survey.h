/* The topics that the settings ask for, compared with those of the cluster. */
#pragma once

#include "bridge/app/cluster_settings.h"
#include "bridge/app/event_topics.h"
#include "bridge/kafka/topics_admin.h"

struct topic_survey {
    struct cluster_settings cluster;
    struct event_topics event_topics;
    struct topics_wish *wishes;
    struct topics_admin *admin;
    struct arena *arena;
    struct topics_plan plan;
};

/* Asks the cluster. `settings` must outlive the survey.
 * Owns:   the caller ends it with topic_survey_done(), also after an error; all zero is fine.
 * Errors: as topics_admin_new() and topics_admin_plan().
 */
enum status topic_survey_make(const struct settings *s, const struct topics_sizes *sizes,
                              struct topic_survey *ret, struct diag *diag) MUST_CHECK;
void topic_survey_done(struct topic_survey *survey);

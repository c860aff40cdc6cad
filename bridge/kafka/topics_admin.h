/* Topics in the cluster: looked at, created, altered; never deleted. */
#pragma once

#include "bridge/base/diag.h"
#include "bridge/kafka/producer.h"
#include "bridge/kafka/topics_plan.h"

struct topics_admin;

/* Connects when it is first asked something.
 * Owns:   on STATUS_OK the caller frees *ret with topics_admin_free().
 * Errors: STATUS_INVALID librdkafka refuses an option, or a secret file cannot be read.
 * STATUS_NOMEM.
 */
enum status topics_admin_new(const struct cluster *cluster, struct topics_admin **ret,
                             struct diag *diag) MUST_CHECK;
void topics_admin_free(struct topics_admin *admin);

/* Asks the cluster for these topics and compares.
 * Owns:   as topics_plan_make().
 * Errors: STATUS_UNAVAILABLE the cluster is away, or forbids it; diag says so. STATUS_NOMEM.
 */
enum status topics_admin_plan(struct topics_admin *admin, const struct topics_wish wishes[],
                              size_t wishes_len, const struct topics_sizes *sizes, struct arena *a,
                              struct topics_plan *ret, struct diag *diag) MUST_CHECK;

/* Makes one change. A topic that somebody else made meanwhile is fine.
 * Errors: STATUS_UNAVAILABLE the cluster is away, or forbids it; STATUS_INVALID it refuses the
 * change (too few brokers, a policy); diag says why.
 */
enum status topics_admin_apply(struct topics_admin *admin, const struct topics_change *change,
                               struct diag *diag) MUST_CHECK;

/* The ingress's metrics: every series is made at start, so that counting takes no lock. */
#pragma once

#include "bridge/domain/provider.h"
#include "bridge/ingress/answer.h"
#include "bridge/ops/metrics.h"

struct tally;

/* What a sender can ask for too often; the names are metric labels. */
enum limited {
    LIMITED_CALLBACKS = 0,
    LIMITED_FAILED_SIGNATURES,
    LIMITED_UNKNOWN_PATHS,
};
#define LIMITS 3

/* providers is NULL-terminated; it and the metrics are borrowed.
 * Owns: on STATUS_OK the caller frees *ret with tally_free(). Errors: STATUS_NOMEM.
 */
enum status tally_new(struct metrics *metrics, const struct provider *const *providers,
                      struct tally **ret) MUST_CHECK;
void tally_free(struct tally *t);

/* Thread: any. provider NULL: no route was found. */
void tally_answer(struct tally *t, const struct provider *provider, enum answer answer,
                  int64_t duration_us);
void tally_verification(struct tally *t, const struct provider *provider,
                        enum verification verification);
void tally_limited(struct tally *t, enum limited limited);
void tally_replay(struct tally *t, const struct provider *provider);
void tally_in_flight(struct tally *t, int change);

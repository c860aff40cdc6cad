/* A replay: dead letters read again, judged by today's parser and, if that is wanted, produced to
 * where they belong, each letter once.
 *
 * Every batch is one transaction: what the letters became, and a mark for each letter. So whatever
 * ends a run, a letter was replayed and marked, or neither; the next run goes on. A second run at
 * the same time fences the first.
 */
#pragma once

#include "bridge/kafka/producer.h"
#include "bridge/replay/selection.h"
#include "bridge/replay/tally.h"

/* Letters of one transaction, and about how many bytes and records: small enough that consumers
 * that read what is committed hardly wait for its end. */
#define REPLAY_BATCH_LETTERS 500
#define REPLAY_BATCH_BYTES ((size_t)4 << 20)
#define REPLAY_BATCH_RECORDS 5000

struct replay_report {
    size_t letters;      /* in the topic */
    size_t already;      /* of them: replayed by an earlier run */
    size_t not_selected; /* of the others */
    struct tally tally;  /* of the selected ones */
    uint64_t passed;     /* offsets that were read, of `total`: for progress */
    uint64_t total;
    bool is_interrupted;
};

/* Everything is borrowed for the run. */
struct replay_run_options {
    const struct cluster *cluster;
    struct judgement_options judgement;
    const struct selection *selection;
    bool execute; /* false: only the report is made; nothing is written, and nobody is fenced */
    void *ctx;
    void (*on_progress)(void *ctx, const struct replay_report *report); /* after each batch */
    bool (*is_interrupted)(void *ctx); /* asked between letters: the run ends, all is in order */
};

/* Reads the letters that the topic holds when it begins; its report is true also after an error: of
 * what was committed until then. The topic of marks is made when it is missing.
 * Owns:   the caller ends *ret with replay_report_done(), also after an error.
 * Errors: STATUS_BUSY another replay took over. STATUS_UNAVAILABLE a topic is missing or forbidden,
 * or the brokers do not answer. STATUS_INVALID the topic of marks is not compact-only, or an option
 * is refused. STATUS_NOMEM, STATUS_INTERNAL.
 */
enum status replay_run(const struct replay_run_options *opt, struct replay_report *ret,
                       struct diag *diag) MUST_CHECK;
void replay_report_done(struct replay_report *report);

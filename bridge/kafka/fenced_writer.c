#include "bridge/kafka/fenced_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/scoped.h"
#include "bridge/kafka/transactor.h"

struct fenced_writer {
    struct transactor *transactor;
    char *topic;
    int32_t partition;
};

DEFINE_CLEANUP(struct fenced_writer *, fenced_writer_free)

enum status fenced_writer_new(const struct fenced_writer_options *opt, struct fenced_writer **ret,
                              struct diag *diag)
{
    CLEANUP(fenced_writer_free_scoped) struct fenced_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return STATUS_NOMEM;
    w->partition = opt->partition;
    w->topic = strdup(opt->topic);
    if (w->topic == NULL)
        return STATUS_NOMEM;
    char id[512];
    snprintf(id, sizeof id, "%s-%" PRId32, opt->topic, opt->partition);
    enum status status = transactor_new(opt->cluster, id, &w->transactor, diag);
    if (status == STATUS_OK)
        *ret = TAKE(w);
    return status;
}

void fenced_writer_free(struct fenced_writer *w)
{
    if (w == NULL)
        return;
    transactor_free(w->transactor);
    free(w->topic);
    free(w);
}

enum fenced_writer_state fenced_writer_state(const struct fenced_writer *w)
{
    switch (transactor_state(w->transactor)) {
    case TRANSACTOR_LOST:
        break;
    case TRANSACTOR_FENCED:
        return FENCED_WRITER_FENCED;
    case TRANSACTOR_UNCLAIMED:
        return FENCED_WRITER_UNCLAIMED;
    case TRANSACTOR_READY:
        return FENCED_WRITER_READY;
    }
    return FENCED_WRITER_LOST;
}

/* Says of which partition it is true. */
static enum status told(const struct fenced_writer *w, enum status status, const struct diag *why,
                        struct diag *diag)
{
    if (status == STATUS_OK || why->text[0] == '\0')
        return status;
    return diag_set(diag, status, "%s: partition %" PRId32 ": %s", w->topic, w->partition,
                    why->text);
}

/* Asked first, so that a claim of what is not there fences nobody. */
static enum status look_at_partition(struct fenced_writer *w, int64_t until_mono_ms,
                                     struct diag *why)
{
    int32_t partitions = 0;
    enum status status = transactor_look(w->transactor, w->topic, until_mono_ms, &partitions, why);
    if (status == STATUS_OK && w->partition >= partitions)
        return diag_set(why, STATUS_INVALID, "there is no such partition");
    return status;
}

enum status fenced_writer_claim(struct fenced_writer *w, int64_t until_mono_ms, struct diag *diag)
{
    struct diag why = {0};
    enum status status = STATUS_OK;
    if (fenced_writer_state(w) == FENCED_WRITER_UNCLAIMED)
        status = look_at_partition(w, until_mono_ms, &why);
    if (status == STATUS_OK)
        status = transactor_claim(w->transactor, until_mono_ms, &why);
    return told(w, status, &why, diag);
}

enum status fenced_writer_write(struct fenced_writer *w,
                                const struct fenced_writer_record records[], size_t len,
                                int64_t until_mono_ms, struct diag *diag)
{
    struct diag why = {0};
    if (fenced_writer_state(w) != FENCED_WRITER_READY) {
        (void)diag_set(&why, STATUS_UNAVAILABLE, "the partition is not, or no longer, ours");
        return told(w, STATUS_UNAVAILABLE, &why, diag);
    }
    if (len == 0)
        return STATUS_OK;
    enum status status = transactor_begin(w->transactor, &why);
    for (size_t i = 0; status == STATUS_OK && i < len; i++) {
        const struct transactor_record record = {
            .topic = w->topic,
            .partition = w->partition,
            .key = records[i].key,
            .value = records[i].value,
        };
        status = transactor_put(w->transactor, &record, &why);
    }
    if (status == STATUS_OK)
        status = transactor_commit(w->transactor, until_mono_ms, &why);
    return told(w, status, &why, diag);
}

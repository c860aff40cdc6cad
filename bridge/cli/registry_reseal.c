#include "bridge/cli/registry_reseal.h"

#include <stdio.h>

#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/cli/output.h"
#include "bridge/cli/sealed_topics.h"
#include "bridge/registry/sealed.h"

/* Unreadable records that are told one by one. */
#define TOLD_MAX 20

struct reseal {
    const struct registry_access *access;
    enum sealed_topic topic; /* that is being worked on */
    int32_t partition;       /* likewise */
    struct topic_changes *changes;
    bool is_needed;
    enum status status;

    size_t current; /* that are under the first key already */
    size_t resealed;
    size_t unreadable;
    struct buf told; /* of the unreadable ones, a JSON list's elements */
};

/* Whether it is a sealed record of this topic and partition. */
static bool concerns(const struct reseal *r, const struct topic_row *row)
{
    enum sealed_topic topic;
    return row->partition == r->partition && sealed_topics_of_key(row->key, &topic) &&
           topic == r->topic;
}

static bool is_current(const struct reseal *r, const struct topic_row *row)
{
    struct bytes name = sealed_key_name(row->value);
    return name.data != NULL &&
           bytes_equal(name, bytes_of_text(keyring_name(r->access->keyring, 0)));
}

static void note_need(void *ctx, const struct topic_row *row)
{
    struct reseal *r = ctx;
    if (!concerns(r, row))
        return;
    bool current = is_current(r, row);
    r->current += current;
    r->is_needed = r->is_needed || !current;
}

static void note_unreadable(struct reseal *r, const struct topic_row *row, const struct diag *diag)
{
    if (r->unreadable++ >= TOLD_MAX)
        return;
    buf_append_text(&r->told, r->told.len == 0 ? "{\"key\":" : ",{\"key\":");
    json_text_string(&r->told, row->key);
    buf_append_text(&r->told, ",\"reason\":");
    json_text_string(&r->told, bytes_of_text(diag->text));
    buf_append_text(&r->told, "}");
}

static void reseal_row(void *ctx, const struct topic_row *row)
{
    struct reseal *r = ctx;
    if (r->status != STATUS_OK || !concerns(r, row) || is_current(r, row))
        return;
    CLEANUP(buf_wipe_done) struct buf json;
    struct diag diag = {0};
    const char *topic = sealed_topics_name(r->access, r->topic);
    buf_init(&json, SEALED_PLAINTEXT_MAX);
    enum status status = registry_access_unseal(r->access, topic, row, &json, &diag);
    if (status == STATUS_OK)
        r->status =
            registry_access_add_sealed(r->access, topic, row->key, buf_bytes(&json), r->changes);
    else if (status == STATUS_NOMEM)
        r->status = status;
    else
        note_unreadable(r, row, &diag);
}

static enum status decide_reseal(void *ctx, const struct topic_rows *rows, int32_t partition,
                                 struct topic_changes *ret, struct diag *diag)
{
    struct reseal *r = ctx;
    (void)diag;
    r->partition = partition;
    r->changes = ret;
    r->status = STATUS_OK;
    topic_rows_each(rows, reseal_row, r);
    return r->status;
}

/* A partition that has nothing to reseal is not claimed. */
static enum status reseal_partition(struct reseal *r, struct topic_table *table, int32_t partition,
                                    struct diag *diag)
{
    size_t written = 0;
    r->is_needed = false;
    r->partition = partition;
    topic_rows_each(topic_table_lock(table), note_need, r);
    topic_table_unlock(table);
    if (!r->is_needed)
        return STATUS_OK;
    enum status status = topic_table_change(table, partition, decide_reseal, r, &written, diag);
    r->resealed += written;
    return status;
}

static enum status reseal_all(struct reseal *r, struct sealed_topics *topics, struct diag *diag)
{
    enum status status = registry_access_alone(r->access, diag);
    if (status == STATUS_OK)
        status = sealed_topics_open(r->access, topics, diag);
    for (int topic = 0; status == STATUS_OK && topic < SEALED_TOPICS; topic++) {
        struct topic_table *table = topics->of[topic];
        r->topic = (enum sealed_topic)topic;
        for (int32_t p = 0; status == STATUS_OK && p < topic_table_partitions(table); p++)
            status = reseal_partition(r, table, p, diag);
    }
    return status;
}

static enum exit_code print(const struct reseal *r, bool as_json)
{
    CLEANUP(buf_done) struct buf text;
    const char *key = keyring_name(r->access->keyring, 0);
    buf_init(&text, OUTPUT_MAX);
    if (as_json) {
        buf_append_text(&text, "{\"sealed_under\":");
        json_text_string(&text, bytes_of_text(key));
        buf_printf(&text,
                   ",\"resealed\":%zu,\"current\":%zu,\"unreadable\":%zu,\"records\":[%s]}\n",
                   r->resealed, r->current, r->unreadable, buf_text(&r->told));
    } else {
        buf_printf(&text, "%zu record%s resealed under %s, %zu %s already\n", r->resealed,
                   r->resealed == 1 ? "" : "s", key, r->current, r->current == 1 ? "was" : "were");
        if (r->unreadable > 0)
            buf_printf(&text, "%zu cannot be read and %s left: %s%s\n", r->unreadable,
                       r->unreadable == 1 ? "was" : "were", buf_text(&r->told),
                       r->unreadable > TOLD_MAX ? ", ..." : "");
    }
    return output_write(stdout, &text);
}

static enum exit_code reseal_run(const struct invocation *in)
{
    CLEANUP(registry_access_done) struct registry_access x;
    CLEANUP(sealed_topics_close) struct sealed_topics topics = {0};
    enum exit_code code = registry_access_init(in, "registry reseal", &x);
    if (code != EXIT_CODE_FINE)
        return code;
    struct reseal r = {.access = &x};
    /* A key and a sentence each, every character escaped. */
    buf_init(&r.told, (size_t)TOLD_MAX * 6 * (REGISTRY_KEY_SIZE + sizeof(struct diag) + 16));
    struct diag diag = {0};
    enum status status = reseal_all(&r, &topics, &diag);
    if (status != STATUS_OK)
        code = registry_access_fail(&x, status, &diag);
    else if (r.unreadable > 0)
        code = EXIT_CODE_FAILURE;
    if (status == STATUS_OK || r.resealed > 0) {
        enum exit_code told = print(&r, invocation_wants_json(in));
        code = code == EXIT_CODE_FINE ? told : code;
    }
    buf_done(&r.told);
    return code;
}

const struct command registry_reseal_command = {
    .name = "registry reseal",
    .operands = "",
    .summary = "Seal every record under the keyring's first key.",
    .description =
        "For a change of the key: put the new one first into the keyring_file of every process,\n"
        "wait until all have read it, stop the reconcilers, reseal, and take the old key out of\n"
        "the files. Records of topics.registry and topics.accounts that are sealed under another\n"
        "key are opened, sealed anew and written; the ingresses go on.\n"
        "\n"
        "Refused while reconcilers run. A second run after a failure completes the first.",
    .examples = "  $ (maesn-bridge keygen; cat keyring) > keyring.new\n"
                "  $ maesn-bridge registry reseal --config bridge.yaml",
    .exit_codes =
        (const struct exit_meaning[]){
            {0, "every record is sealed under the first key"},
            {1, "a record cannot be read, or a reconciler runs"},
            {64, "wrong use"},
            {69, "the brokers do not answer, or a topic is missing"},
            {78, "the configuration is faulty, or a topic is not what it must be"},
            {0}},
    .run = reseal_run,
};

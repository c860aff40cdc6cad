#include "bridge/cli/registry_export.h"

#include <errno.h>
#include <stdio.h>

#include "bridge/base/scoped.h"
#include "bridge/cli/output.h"
#include "bridge/cli/sealed_topics.h"
#include "bridge/providers/providers.h"
#include "bridge/registry/record_line.h"
#include "bridge/registry/sealed.h"

/* Reads what a record holds, and makes sure that it is what its key says. */
static enum status open_record(const struct registry_access *x, const char *topic,
                               const struct topic_row *row, struct buf *ret, struct diag *diag)
{
    struct registry_key key = registry_key_read(row->key);
    enum status status = registry_access_unseal(x, topic, row, ret, diag);
    return status == STATUS_OK ? record_line_check(&key, buf_bytes(ret), providers_all, diag)
                               : status;
}

struct export
{
    const struct registry_access *access;
    enum sealed_topic topic;
    bool with_secrets;
    struct buf line;
    size_t unreadable;
    enum status status; /* STATUS_NOMEM, or STATUS_UNAVAILABLE: standard output is closed */
};

static enum status write_line(struct export *e, const struct topic_row *row)
{
    CLEANUP(buf_wipe_done) struct buf json;
    struct diag diag = {0};
    buf_init(&json, SEALED_PLAINTEXT_MAX);
    enum status status =
        open_record(e->access, sealed_topics_name(e->access, e->topic), row, &json, &diag);
    if (status == STATUS_OK)
        status = record_line_write(row->key, buf_bytes(&json), e->with_secrets, &e->line);
    else if (status != STATUS_NOMEM) {
        e->unreadable++;
        status = record_line_write_unreadable(row->key, diag.text, sealed_key_name(row->value),
                                              &e->line);
    }
    return status;
}

static void export_row(void *ctx, const struct topic_row *row)
{
    struct export *e = ctx;
    enum sealed_topic topic;
    if (e->status != STATUS_OK || !sealed_topics_of_key(row->key, &topic) || topic != e->topic)
        return;
    e->line.len = 0;
    e->status = write_line(e, row);
    if (e->status == STATUS_OK && fwrite(e->line.data, 1, e->line.len, stdout) != e->line.len)
        e->status = STATUS_UNAVAILABLE;
}

static enum exit_code export_end(const struct export *e)
{
    if (e->status == STATUS_NOMEM)
        return output_out_of_memory();
    if (e->status != STATUS_OK || fflush(stdout) != 0) {
        fprintf(stderr, "maesn-bridge registry export: cannot write: %s\n", strerror(errno));
        return EXIT_CODE_FAILURE;
    }
    if (e->unreadable == 0)
        return EXIT_CODE_FINE;
    fprintf(stderr, "maesn-bridge registry export: %zu record%s cannot be read\n", e->unreadable,
            e->unreadable == 1 ? "" : "s");
    return EXIT_CODE_FAILURE;
}

static enum exit_code export_run(const struct invocation *in)
{
    CLEANUP(registry_access_done) struct registry_access x;
    CLEANUP(sealed_topics_close) struct sealed_topics topics = {0};
    enum exit_code code = registry_access_init(in, "registry export", &x);
    if (code != EXIT_CODE_FINE)
        return code;
    struct diag diag = {0};
    enum status status = sealed_topics_open(&x, &topics, &diag);
    if (status != STATUS_OK)
        return registry_access_fail(&x, status, &diag);
    struct export e = {.access = &x, .with_secrets = invocation_has(in, "with-secrets")};
    buf_init(&e.line, RECORD_LINE_MAX);
    e.status = buf_reserve(&e.line, RECORD_LINE_MAX);
    for (int topic = 0; topic < SEALED_TOPICS; topic++) {
        e.topic = (enum sealed_topic)topic;
        topic_rows_each(topic_table_lock(topics.of[topic]), export_row, &e);
        topic_table_unlock(topics.of[topic]);
    }
    buf_wipe_done(&e.line);
    return export_end(&e);
}

static const struct command_option options[] = {
    {"with-secrets", NULL,
     "Write account keys, signing secrets and tokens too: keep the output as you keep them."},
    {0},
};

const struct command registry_export_command = {
    .name = "registry export",
    .operands = "",
    .summary = "Write what the registry holds, one JSON object a line.",
    .description =
        "Reads the topics topics.registry and topics.accounts to their end and writes each\n"
        "record, opened with the keyring, in the order of the keys. Nothing is changed, and\n"
        "reconcilers may run.\n"
        "\n"
        "  {\"key\": ..., \"record\": {...}}\n"
        "  {\"key\": ..., \"record\": {...}, \"redacted\": [\"secret\"]}\n"
        "  {\"key\": ..., \"unreadable\": \"why\", \"sealed_under\": \"2025-11-01\"}\n"
        "\n"
        "Only lines with their secrets can be imported. deploy/schemas has their JSON Schema.",
    .options = options,
    .examples = "  $ maesn-bridge registry export | jq -r 'select(.record.state) | .key'\n"
                "  $ maesn-bridge registry export --with-secrets | age -r KEY > registry.age",
    .exit_codes =
        (const struct exit_meaning[]){
            {0, "everything was written"},
            {1, "a record cannot be read; all others were written"},
            {64, "wrong use"},
            {69, "the brokers do not answer, or a topic is missing"},
            {78, "the configuration is faulty, or a topic is not what it must be"},
            {0}},
    .run = export_run,
};

#include "bridge/cli/registry_import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/crypto.h"
#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/cli/output.h"
#include "bridge/cli/sealed_topics.h"
#include "bridge/providers/providers.h"
#include "bridge/registry/record_line.h"
#include "bridge/registry/sealed.h"

/* What is told of single records: enough to see what is the matter. */
#define TOLD_MAX 20

struct import {
    const struct registry_access *access;
    const char *file; /* as it is named to people */
    bool force;
    struct topic_rows wanted[SEALED_TOPICS]; /* sealed; all of partition 0 */
    size_t faults;

    enum sealed_topic topic; /* that is being worked on */
    int32_t partitions;
    int32_t partition; /* -1: all of them */
    const struct topic_rows *rows;
    struct topic_changes *changes; /* NULL: it is only looked */
    size_t unchanged;
    struct buf conflicts; /* a JSON list's elements */
    size_t conflicts_len;
    enum status status;
    size_t written;
};

static void import_done(struct import *i)
{
    for (int topic = 0; topic < SEALED_TOPICS; topic++)
        topic_rows_done(&i->wanted[topic]);
    buf_done(&i->conflicts);
}

static void tell_fault(struct import *i, size_t line, const char *text)
{
    if (i->faults++ < TOLD_MAX)
        fprintf(stderr, "%s:%zu: %s\n", i->file, line, text);
}

/* Seals the record and keeps it; a faulty one is told of. */
static enum status keep(struct import *i, struct bytes key_text, struct bytes json, size_t line)
{
    CLEANUP(buf_done) struct buf sealed;
    struct diag diag = {0};
    struct registry_key key = registry_key_read(key_text);
    enum sealed_topic topic = SEALED_REGISTRY;
    buf_init(&sealed, SEALED_MAX);
    enum status status = record_line_check(&key, json, providers_all, &diag);
    if (status == STATUS_OK && !sealed_topics_of_key(key_text, &topic))
        return STATUS_INTERNAL; /* else the check had refused it */
    if (status == STATUS_OK && topic_rows_find(&i->wanted[topic], 0, key_text) != NULL)
        status = diag_set(&diag, STATUS_INVALID, "its key was there before, expected each once");
    if (status == STATUS_OK)
        status = sealed_seal(i->access->keyring, sealed_topics_name(i->access, topic), key_text,
                             json, &sealed);
    if (status == STATUS_OK)
        return topic_rows_put(&i->wanted[topic], 0, key_text, buf_bytes(&sealed));
    if (status == STATUS_NOMEM)
        return status;
    tell_fault(i, line, diag.text[0] == '\0' ? "the record is too long" : diag.text);
    return STATUS_OK;
}

static enum status read_line(struct import *i, struct bytes text, size_t line)
{
    CLEANUP(buf_wipe_done) struct buf json;
    CLEANUP(buf_done) struct buf key;
    struct diag diag = {0};
    buf_init(&key, REGISTRY_KEY_SIZE);
    buf_init(&json, SEALED_PLAINTEXT_MAX);
    enum status status = buf_reserve(&json, SEALED_PLAINTEXT_MAX);
    if (status == STATUS_OK)
        status = record_line_read(text, &key, &json, &diag);
    if (status == STATUS_OK)
        return keep(i, buf_bytes(&key), buf_bytes(&json), line);
    if (status == STATUS_NOMEM)
        return status;
    tell_fault(i, line, diag.text[0] == '\0' ? "it is too long" : diag.text);
    return STATUS_OK;
}

/* Reads every line, also after a faulty one; empty ones say nothing. */
static enum status read_lines(struct import *i, FILE *file)
{
    char *text = NULL;
    size_t capacity = 0, line = 0;
    ssize_t len;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && (len = getline(&text, &capacity, file)) >= 0) {
        line++;
        while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
            len--;
        if (len > RECORD_LINE_MAX)
            tell_fault(i, line, "it is too long");
        else if (len > 0)
            status = read_line(i, bytes_of(text, (size_t)len), line);
    }
    if (text != NULL)
        crypto_wipe(text, capacity);
    free(text);
    return status;
}

static enum exit_code read_file(struct import *i, const char *path)
{
    bool is_standard = path == NULL || strcmp(path, "-") == 0;
    i->file = is_standard ? "(standard input)" : path;
    FILE *file = is_standard ? stdin : fopen(path, "re");
    enum status status = file == NULL ? STATUS_UNAVAILABLE : read_lines(i, file);
    bool failed = file == NULL || ferror(file) != 0;
    if (failed)
        fprintf(stderr, "maesn-bridge registry import: %s: %s\n", i->file, strerror(errno));
    if (file != NULL && !is_standard)
        (void)fclose(file);
    if (status == STATUS_NOMEM)
        return output_out_of_memory();
    if (i->faults > 0)
        fprintf(stderr, "maesn-bridge registry import: %zu faulty line%s, nothing was imported\n",
                i->faults, i->faults == 1 ? "" : "s");
    return failed || i->faults > 0 ? EXIT_CODE_FAILURE : EXIT_CODE_FINE;
}

/* Whether the row that is there says the same as the wanted one. What cannot be read does not. */
static enum status compare(const struct import *i, const struct topic_row *there,
                           const struct topic_row *wanted, bool *ret_same)
{
    CLEANUP(buf_wipe_done) struct buf a;
    CLEANUP(buf_wipe_done) struct buf b;
    const char *topic = sealed_topics_name(i->access, i->topic);
    buf_init(&a, SEALED_PLAINTEXT_MAX);
    buf_init(&b, SEALED_PLAINTEXT_MAX);
    enum status status = registry_access_unseal(i->access, topic, there, &a, NULL);
    if (status == STATUS_OK)
        status = registry_access_unseal(i->access, topic, wanted, &b, NULL);
    *ret_same = false;
    if (status == STATUS_OK)
        status = record_line_compare(buf_bytes(&a), buf_bytes(&b), ret_same);
    return status == STATUS_NOMEM ? status : STATUS_OK;
}

static void note_conflict(struct import *i, struct bytes key)
{
    if (i->conflicts_len++ < TOLD_MAX) {
        buf_append_text(&i->conflicts, i->conflicts.len == 0 ? "" : ",");
        json_text_string(&i->conflicts, key);
    }
}

/* A wanted row of the partition that is worked on: it is there as it is, it is in conflict, or it
 * is written. */
static void judge_row(void *ctx, const struct topic_row *wanted)
{
    struct import *i = ctx;
    struct registry_key key = registry_key_read(wanted->key);
    int32_t partition = registry_key_partition(key.account, i->partitions);
    if (i->status != STATUS_OK || (i->partition >= 0 && partition != i->partition))
        return;
    const struct topic_row *there = topic_rows_find(i->rows, partition, wanted->key);
    bool same = false;
    if (there != NULL)
        i->status = compare(i, there, wanted, &same);
    if (i->status != STATUS_OK)
        return;
    if (same)
        i->unchanged += i->changes != NULL;
    else if (there != NULL && !i->force)
        note_conflict(i, wanted->key);
    else if (i->changes != NULL)
        i->status = topic_changes_add(i->changes, wanted->key, wanted->value);
}

static enum status judge_rows(struct import *i, const struct topic_rows *rows, int32_t partition,
                              struct topic_changes *changes)
{
    i->rows = rows;
    i->partition = partition;
    i->changes = changes;
    i->status = STATUS_OK;
    topic_rows_each(&i->wanted[i->topic], judge_row, i);
    return i->status;
}

static enum status decide_import(void *ctx, const struct topic_rows *rows, int32_t partition,
                                 struct topic_changes *ret, struct diag *diag)
{
    struct import *i = ctx;
    enum status status = judge_rows(i, rows, partition, ret);
    if (status == STATUS_OK && i->conflicts_len > 0)
        return diag_set(diag, STATUS_BUSY, "another one writes to the registry meanwhile");
    return status;
}

/* --- all of it ------------------------------------------------------------------------------ */

/* Finds out what is in the way, before anything is written. */
static enum status look(struct import *i, struct topic_table *table)
{
    i->partitions = topic_table_partitions(table);
    enum status status = judge_rows(i, topic_table_lock(table), -1, NULL);
    topic_table_unlock(table);
    return status;
}

struct partition_search {
    int32_t partitions;
    int32_t partition;
    bool found;
};

static void find_partition(void *ctx, const struct topic_row *wanted)
{
    struct partition_search *search = ctx;
    struct registry_key key = registry_key_read(wanted->key);
    if (registry_key_partition(key.account, search->partitions) == search->partition)
        search->found = true;
}

/* Writes to each partition that has something wanted. */
static enum status write_topic(struct import *i, struct topic_table *table, struct diag *diag)
{
    enum status status = STATUS_OK;
    i->partitions = topic_table_partitions(table);
    for (int32_t p = 0; status == STATUS_OK && p < i->partitions; p++) {
        struct partition_search search = {i->partitions, p, false};
        size_t written = 0;
        topic_rows_each(&i->wanted[i->topic], find_partition, &search);
        if (search.found)
            status = topic_table_change(table, p, decide_import, i, &written, diag);
        i->written += written;
    }
    return status;
}

static enum status import_all(struct import *i, struct sealed_topics *topics, struct diag *diag)
{
    enum status status = registry_access_alone(i->access, diag);
    if (status == STATUS_OK)
        status = sealed_topics_open(i->access, topics, diag);
    for (int topic = 0; status == STATUS_OK && topic < SEALED_TOPICS; topic++) {
        i->topic = (enum sealed_topic)topic;
        status = look(i, topics->of[topic]);
    }
    if (status == STATUS_OK && i->conflicts_len > 0)
        return diag_set(diag, STATUS_BUSY,
                        "%zu key%s exist%s with another record, nothing was imported: --force "
                        "replaces them",
                        i->conflicts_len, i->conflicts_len == 1 ? "" : "s",
                        i->conflicts_len == 1 ? "s" : "");
    for (int topic = 0; status == STATUS_OK && topic < SEALED_TOPICS; topic++) {
        i->topic = (enum sealed_topic)topic;
        status = write_topic(i, topics->of[topic], diag);
    }
    return status;
}

static enum exit_code print(const struct import *i, bool as_json)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, OUTPUT_MAX);
    if (as_json)
        buf_printf(&text, "{\"imported\":%zu,\"unchanged\":%zu,\"conflicts\":%zu,\"keys\":[%s]}\n",
                   i->written, i->unchanged, i->conflicts_len, buf_text(&i->conflicts));
    else if (i->conflicts_len > 0)
        buf_printf(&text, "in conflict: %s%s\n", buf_text(&i->conflicts),
                   i->conflicts_len > TOLD_MAX ? ", ..." : "");
    else
        buf_printf(&text, "%zu record%s imported, %zu %s there already\n", i->written,
                   i->written == 1 ? "" : "s", i->unchanged, i->unchanged == 1 ? "was" : "were");
    return output_write(stdout, &text);
}

static enum exit_code import_run(const struct invocation *in)
{
    CLEANUP(registry_access_done) struct registry_access x;
    CLEANUP(sealed_topics_close) struct sealed_topics topics = {0};
    CLEANUP(import_done) struct import i = {.access = &x, .force = invocation_has(in, "force")};
    buf_init(&i.conflicts, (size_t)TOLD_MAX * REGISTRY_KEY_SIZE * 6);
    enum exit_code code = registry_access_init(in, "registry import", &x);
    if (code == EXIT_CODE_FINE)
        code = read_file(&i, invocation_operand(in, 0));
    if (code != EXIT_CODE_FINE)
        return code;
    struct diag diag = {0};
    enum status status = import_all(&i, &topics, &diag);
    if (status != STATUS_OK)
        code = registry_access_fail(&x, status, &diag);
    if (status == STATUS_OK || i.written > 0 || i.conflicts_len > 0) {
        enum exit_code told = print(&i, invocation_wants_json(in));
        code = code == EXIT_CODE_FINE ? told : code;
    }
    return code;
}

static const struct command_option options[] = {
    {"force", NULL, "Replace records whose keys exist."},
    {0},
};

const struct command registry_import_command = {
    .name = "registry import",
    .operands = "[FILE]",
    .operands_max = 1,
    .summary = "Seal and write what `registry export --with-secrets` wrote.",
    .description =
        "Reads lines of JSON from FILE, or from standard input, seals each record under the\n"
        "keyring's first key and writes it to its account's partition, whatever the number of\n"
        "partitions was where it came from. Every line is checked before anything is written.\n"
        "\n"
        "Refused while reconcilers run, and where a key exists with another record unless\n"
        "--force is given; what is there as it is, is left. A second run after a failure\n"
        "completes the first.",
    .options = options,
    .examples = "  $ maesn-bridge registry import registry.jsonl\n"
                "  $ age -d registry.age | maesn-bridge registry import",
    .exit_codes =
        (const struct exit_meaning[]){
            {0, "every record is there"},
            {1, "a line is faulty, a key exists, or a reconciler runs"},
            {64, "wrong use"},
            {69, "the brokers do not answer, or a topic is missing"},
            {78, "the configuration is faulty, or a topic is not what it must be"},
            {0}},
    .run = import_run,
};

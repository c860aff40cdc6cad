#include "bridge/cli/registry_access.h"

#include <poll.h>
#include <stdio.h>

#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"
#include "bridge/base/log.h"
#include "bridge/base/scoped.h"
#include "bridge/cli/invocation_settings.h"
#include "bridge/cli/output.h"
#include "bridge/kafka/membership.h"
#include "bridge/registry/sealed.h"

/* The longest time to ask after the group's members. */
static const int64_t patience_ms = 20000;

/* Commands at the same time fence each other: they come again, after waits that differ and grow,
 * for without them they were measured to fence each other for ever. A change takes about 400 ms. */
static const int tries_max = 10;
static const int first_wait_ms = 400, doublings_max = 4;

/* --- the configuration ---------------------------------------------------------------------- */

enum exit_code registry_access_fail(const struct registry_access *x, enum status status,
                                    const struct diag *diag)
{
    return output_failure(x->command, status, diag);
}

enum exit_code registry_access_init(const struct invocation *in, const char *command,
                                    struct registry_access *ret)
{
    *ret = (struct registry_access){.command = command};
    log_set_level(LOG_ERROR); /* what fails is told in a sentence, not in librdkafka's lines */
    struct diag diag = {0};
    enum status status = invocation_settings(in, SETTINGS_RECONCILER, &ret->configuration);
    if (status == STATUS_INVALID) /* it was told */
        return EXIT_CODE_CONFIG;
    const struct settings *s = ret->settings = ret->configuration.settings;
    if (status == STATUS_OK && s->topics_registry[0] == '\0')
        status = diag_set(&diag, STATUS_INVALID,
                          "topics.registry: \"\", expected a topic: without a registry there are "
                          "no subscriptions");
    if (status == STATUS_OK)
        status = cluster_settings_init(&ret->cluster, s);
    if (status == STATUS_OK)
        status = keyring_from_file(s->keyring_file, &ret->keyring, &diag);
    return status == STATUS_OK ? EXIT_CODE_FINE : registry_access_fail(ret, status, &diag);
}

void registry_access_done(struct registry_access *x)
{
    keyring_unref(x->keyring);
    cluster_settings_done(&x->cluster);
    configuration_done(&x->configuration);
}

/* --- the topics ----------------------------------------------------------------------------- */

struct placing {
    const struct topic_table *table;
    struct diag *diag;
    enum status status;
};

static void check_place(void *ctx, const struct topic_row *row)
{
    struct placing *p = ctx;
    struct registry_key key = registry_key_read(row->key);
    if (key.kind == REGISTRY_KEY_UNKNOWN || key.kind == REGISTRY_KEY_REQUEST)
        return;
    int32_t expected = registry_key_partition(key.account, topic_table_partitions(p->table));
    if (row->partition != expected)
        p->status =
            diag_set(p->diag, STATUS_INVALID,
                     "topic %s: a record of account %s is in partition %d, expected %d: "
                     "the topic was resized",
                     topic_table_topic(p->table), key.account, (int)row->partition, (int)expected);
}

DEFINE_CLEANUP(struct topic_table *, topic_table_close)

const struct account *registry_access_find_in_files(const struct registry_access *x,
                                                    const char *account)
{
    for (size_t i = 0; i < x->settings->accounts_len; i++)
        if (strcmp(x->settings->accounts[i].id, account) == 0)
            return &x->settings->accounts[i];
    return NULL;
}

enum status registry_access_open(const struct registry_access *x, const char *topic,
                                 struct topic_table **ret, struct diag *diag)
{
    CLEANUP(topic_table_close_scoped) struct topic_table *table = NULL;
    enum status status = topic_table_open(&x->cluster.cluster, topic, &table, diag);
    if (status != STATUS_OK)
        return status;
    struct placing placing = {table, diag, STATUS_OK};
    topic_rows_each(topic_table_lock(table), check_place, &placing);
    topic_table_unlock(table);
    if (placing.status == STATUS_OK)
        *ret = TAKE(table);
    return placing.status;
}

enum status registry_access_members(const struct registry_access *x, size_t *ret, struct diag *diag)
{
    /* A topic's name and what the group's adds to it. */
    char group[300];
    snprintf(group, sizeof(group), "%s-reconciler", x->settings->topics_registry);
    return membership_count(&x->cluster.cluster, group, clock_mono_ms() + patience_ms, ret, diag);
}

enum status registry_access_alone(const struct registry_access *x, struct diag *diag)
{
    size_t members = 0;
    enum status status = registry_access_members(x, &members, diag);
    if (status != STATUS_OK || members == 0)
        return status;
    return diag_set(diag, STATUS_BUSY,
                    "group %s-reconciler has %zu member%s, expected none: stop the reconcilers "
                    "first",
                    x->settings->topics_registry, members, members == 1 ? "" : "s");
}

/* --- changing the accounts topic ------------------------------------------------------------- */

static void wait_a_while(int tries)
{
    uint16_t random = 0;
    int longest_ms = first_wait_ms << (tries < doublings_max ? tries : doublings_max);
    (void)!crypto_random((uint8_t *)&random, sizeof(random)); /* without, it is no wait */
    (void)poll(NULL, 0, random % longest_ms);
}

enum status registry_access_change(struct topic_table *table, int32_t partition,
                                   topic_decide_fn *decide, void *ctx, struct diag *diag)
{
    enum status status = STATUS_BUSY;
    struct diag why = {0};
    for (int i = 0; status == STATUS_BUSY && i < tries_max; i++) {
        size_t written;
        if (i > 0)
            wait_a_while(i);
        why = (struct diag){0};
        status = topic_table_change(table, partition, decide, ctx, &written, &why);
    }
    return status == STATUS_OK ? status : diag_set(diag, status, "%s", why.text);
}

enum status registry_access_unseal(const struct registry_access *x, const char *topic,
                                   const struct topic_row *row, struct buf *ret, struct diag *diag)
{
    return sealed_open(x->keyring, topic, row->key, row->value, ret, diag);
}

enum status registry_access_add_sealed(const struct registry_access *x, const char *topic,
                                       struct bytes key, struct bytes json,
                                       struct topic_changes *ret)
{
    CLEANUP(buf_done) struct buf sealed;
    buf_init(&sealed, SEALED_MAX);
    enum status status = sealed_seal(x->keyring, topic, key, json, &sealed);
    return status == STATUS_OK ? topic_changes_add(ret, key, buf_bytes(&sealed)) : status;
}

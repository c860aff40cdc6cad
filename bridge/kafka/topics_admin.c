#include "bridge/kafka/topics_admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/kafka/client.h"
#include "bridge/kafka/cluster.h"
#include "bridge/kafka/errors.h"

/* How long one question may take: a start of the TLS and SASL exchange with every broker included.
 */
#define ADMIN_TIMEOUT_MS 10000

/* Topics whose settings are asked for at once. */
#define DESCRIBE_MAX 200

struct topics_admin {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
};

DEFINE_CLEANUP(struct topics_admin *, topics_admin_free)

static void options_free(rd_kafka_AdminOptions_t *options)
{
    if (options != NULL)
        rd_kafka_AdminOptions_destroy(options);
}
DEFINE_CLEANUP(rd_kafka_AdminOptions_t *, options_free)

enum status topics_admin_new(const struct cluster *cluster, struct topics_admin **ret,
                             struct diag *diag)
{
    CLEANUP(topics_admin_free_scoped) struct topics_admin *admin = calloc(1, sizeof *admin);
    if (admin == NULL)
        return STATUS_NOMEM;
    rd_kafka_conf_t *conf;
    enum status status = cluster_conf(cluster, &conf, diag);
    if (status != STATUS_OK)
        return status;
    /* What went wrong is told by the answers; librdkafka's own lines would only repeat it. */
    status = cluster_set(conf, "log_level", "0", diag);
    char why[256] = "";
    if (status == STATUS_OK)
        admin->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (admin->rk == NULL) {
        rd_kafka_conf_destroy(conf);
        return diag_set(diag, STATUS_INVALID, "kafka: %s", why);
    }
    admin->queue = rd_kafka_queue_new(admin->rk);
    *ret = TAKE(admin);
    return STATUS_OK;
}

void topics_admin_free(struct topics_admin *admin)
{
    if (admin == NULL)
        return;
    if (admin->queue != NULL)
        rd_kafka_queue_destroy(admin->queue);
    if (admin->rk != NULL)
        rd_kafka_destroy(admin->rk);
    free(admin);
}

static enum status unavailable(struct diag *diag, const char *what, const char *why)
{
    return diag_set(diag, STATUS_UNAVAILABLE, "kafka: %s: %s", what, why);
}

/* The answer to a request, already made, or NULL when none comes. */
static rd_kafka_event_t *await(struct topics_admin *admin)
{
    return rd_kafka_queue_poll(admin->queue, ADMIN_TIMEOUT_MS + 1000);
}

static rd_kafka_AdminOptions_t *options_new(struct topics_admin *admin, rd_kafka_admin_op_t op)
{
    char why[256];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(admin->rk, op);
    if (options != NULL)
        rd_kafka_AdminOptions_set_request_timeout(options, ADMIN_TIMEOUT_MS, why, sizeof why);
    return options;
}

/* --- looking -----------------------------------------------------------------------------------
 */

static const struct rd_kafka_metadata_topic *metadata_of(const struct rd_kafka_metadata *metadata,
                                                         const char *name)
{
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (strcmp(metadata->topics[i].topic, name) == 0)
            return &metadata->topics[i];
    return NULL;
}

static void copy_sizes(const struct rd_kafka_metadata_topic *topic, struct topics_found *ret)
{
    ret->partitions = topic->partition_cnt;
    for (int i = 0; i < topic->partition_cnt; i++)
        if (i == 0 || topic->partitions[i].replica_cnt < ret->replication_factor)
            ret->replication_factor = topic->partitions[i].replica_cnt;
}

static enum status copy_values(const rd_kafka_ConfigResource_t *resource, struct arena *a,
                               struct topics_found *ret, struct diag *diag)
{
    if (rd_kafka_ConfigResource_error(resource) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        const char *why = rd_kafka_ConfigResource_error_string(resource);
        return unavailable(diag, ret->name, why == NULL ? "no settings" : why);
    }
    size_t len;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &len);
    ret->values = arena_alloc(a, (len + 1) * sizeof *ret->values);
    if (ret->values == NULL)
        return STATUS_NOMEM;
    for (size_t i = 0; i < len; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        char *name_copy = arena_dup(a, bytes_of_text(rd_kafka_ConfigEntry_name(entries[i])));
        char *value_copy = arena_dup(a, bytes_of_text(value == NULL ? "" : value));
        if (name_copy == NULL || value_copy == NULL)
            return STATUS_NOMEM;
        ret->values[ret->values_len++] = (struct topics_value){name_copy, value_copy};
    }
    return STATUS_OK;
}

/* The answer to one DescribeConfigs, for at most DESCRIBE_MAX topics. */
static enum status describe(struct topics_admin *admin, const char *const names[], size_t len,
                            rd_kafka_event_t **ret, struct diag *diag)
{
    CLEANUP(options_free_scoped)
    rd_kafka_AdminOptions_t *options = options_new(admin, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_ConfigResource_t *resources[DESCRIBE_MAX];
    for (size_t i = 0; i < len; i++)
        resources[i] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, names[i]);
    rd_kafka_DescribeConfigs(admin->rk, resources, len, options, admin->queue);
    rd_kafka_ConfigResource_destroy_array(resources, len);
    CLEANUP(client_event_release) rd_kafka_event_t *event = await(admin);
    if (event == NULL)
        return unavailable(diag, "settings of topics", "no answer");
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return unavailable(diag, "settings of topics", rd_kafka_event_error_string(event));
    *ret = TAKE(event);
    return STATUS_OK;
}

static enum status look_at_settings(struct topics_admin *admin, struct topics_found found[],
                                    size_t len, struct arena *a, struct diag *diag)
{
    for (size_t from = 0; from < len; from += DESCRIBE_MAX) {
        size_t part = len - from < DESCRIBE_MAX ? len - from : DESCRIBE_MAX;
        const char *names[DESCRIBE_MAX];
        for (size_t i = 0; i < part; i++)
            names[i] = found[from + i].name;
        CLEANUP(client_event_release) rd_kafka_event_t *event = NULL;
        enum status status = describe(admin, names, part, &event, diag);
        if (status != STATUS_OK)
            return status;
        size_t answers;
        const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(event), &answers);
        for (size_t i = 0; i < answers; i++)
            for (size_t k = 0; k < part && status == STATUS_OK; k++)
                if (strcmp(rd_kafka_ConfigResource_name(resources[i]), names[k]) == 0)
                    status = copy_values(resources[i], a, &found[from + k], diag);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

enum status topics_admin_plan(struct topics_admin *admin, const struct topics_wish wishes[],
                              size_t wishes_len, const struct topics_sizes *sizes, struct arena *a,
                              struct topics_plan *ret, struct diag *diag)
{
    CLEANUP(client_metadata_release) const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t err = rd_kafka_metadata(admin->rk, 1, NULL, &metadata, ADMIN_TIMEOUT_MS);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return unavailable(diag, "the cluster does not answer", rd_kafka_err2str(err));
    struct topics_found *found = arena_alloc(a, (wishes_len + 1) * sizeof *found);
    if (found == NULL)
        return STATUS_NOMEM;
    size_t found_len = 0;
    for (size_t i = 0; i < wishes_len; i++) {
        const struct rd_kafka_metadata_topic *topic = metadata_of(metadata, wishes[i].name);
        if (topic == NULL || topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            continue;
        found[found_len] = (struct topics_found){.name = wishes[i].name};
        copy_sizes(topic, &found[found_len++]);
    }
    enum status status = look_at_settings(admin, found, found_len, a, diag);
    if (status != STATUS_OK)
        return status;
    return topics_plan_make(wishes, wishes_len, found, found_len, metadata->broker_cnt, sizes, a,
                            ret);
}

/* --- changing ----------------------------------------------------------------------------------
 */

static enum status change_failed(const struct topics_change *change, rd_kafka_resp_err_t err,
                                 const char *why, struct diag *diag)
{
    enum status status = err == RD_KAFKA_RESP_ERR_INVALID_CONFIG ||
                                 err == RD_KAFKA_RESP_ERR_POLICY_VIOLATION ||
                                 err == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR ||
                                 err == RD_KAFKA_RESP_ERR_INVALID_PARTITIONS ||
                                 err == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION
                             ? STATUS_INVALID
                             : STATUS_UNAVAILABLE;
    return diag_set(diag, status, "%s: %s", change->topic,
                    why == NULL || why[0] == '\0' ? rd_kafka_err2str(err) : why);
}

/* The answer to the change; *ret may be set on a failure, too. */
static enum status await_change(struct topics_admin *admin, const struct topics_change *change,
                                rd_kafka_event_t **ret, struct diag *diag)
{
    *ret = await(admin);
    if (*ret == NULL)
        return unavailable(diag, change->topic, "no answer");
    rd_kafka_resp_err_t err = rd_kafka_event_error(*ret);
    return err == RD_KAFKA_RESP_ERR_NO_ERROR
               ? STATUS_OK
               : change_failed(change, err, rd_kafka_event_error_string(*ret), diag);
}

/* Waits until every broker that is asked knows the topic, so that a plan right after an apply finds
 * nothing to do. */
static void wait_until_visible(struct topics_admin *admin, const char *name)
{
    int64_t until = clock_mono_ms() + ADMIN_TIMEOUT_MS;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(admin->rk, name, NULL);
    bool is_visible = topic == NULL;
    while (!is_visible && clock_mono_ms() < until) {
        int32_t partitions_len;
        is_visible = client_partitions_len(admin->rk, topic, 1000, &partitions_len) ==
                     RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (topic != NULL)
        rd_kafka_topic_destroy(topic);
}

static enum status create(struct topics_admin *admin, const struct topics_change *change,
                          struct diag *diag)
{
    char why[256] = "";
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(change->topic, change->partitions,
                                                       change->replication_factor, why, sizeof why);
    if (topic == NULL)
        return diag_set(diag, STATUS_INVALID, "%s: %s", change->topic, why);
    for (size_t i = 0; i < change->settings_len; i++)
        rd_kafka_NewTopic_set_config(topic, change->settings[i].name, change->settings[i].to);
    CLEANUP(options_free_scoped)
    rd_kafka_AdminOptions_t *options = options_new(admin, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    if (options != NULL)
        rd_kafka_AdminOptions_set_operation_timeout(options, ADMIN_TIMEOUT_MS, why, sizeof why);
    rd_kafka_CreateTopics(admin->rk, &topic, 1, options, admin->queue);
    rd_kafka_NewTopic_destroy(topic);
    CLEANUP(client_event_release) rd_kafka_event_t *event = NULL;
    enum status status = await_change(admin, change, &event, diag);
    if (status != STATUS_OK)
        return status;
    size_t len;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &len);
    for (size_t i = 0; i < len; i++) {
        rd_kafka_resp_err_t err = rd_kafka_topic_result_error(results[i]);
        if (err != RD_KAFKA_RESP_ERR_NO_ERROR && err != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            return change_failed(change, err, rd_kafka_topic_result_error_string(results[i]), diag);
    }
    wait_until_visible(admin, change->topic);
    return STATUS_OK;
}

/* AlterConfigs replaces all that was set on the topic, so what was set is set again.
 * Source: librdkafka 2.0.2 has no IncrementalAlterConfigs (it came with 2.2.0). */
static void keep_settings(const rd_kafka_ConfigResource_t *there, rd_kafka_ConfigResource_t *ret)
{
    size_t len;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(there, &len);
    for (size_t i = 0; i < len; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (rd_kafka_ConfigEntry_source(entries[i]) ==
                RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG &&
            value != NULL)
            rd_kafka_ConfigResource_set_config(ret, rd_kafka_ConfigEntry_name(entries[i]), value);
    }
}

static enum status send_settings(struct topics_admin *admin, const struct topics_change *change,
                                 rd_kafka_ConfigResource_t *resource, struct diag *diag)
{
    CLEANUP(options_free_scoped)
    rd_kafka_AdminOptions_t *options = options_new(admin, RD_KAFKA_ADMIN_OP_ALTERCONFIGS);
    rd_kafka_AlterConfigs(admin->rk, &resource, 1, options, admin->queue);
    CLEANUP(client_event_release) rd_kafka_event_t *event = NULL;
    enum status status = await_change(admin, change, &event, diag);
    if (status != STATUS_OK)
        return status;
    size_t len;
    const rd_kafka_ConfigResource_t **answers =
        rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(event), &len);
    for (size_t i = 0; i < len; i++)
        if (rd_kafka_ConfigResource_error(answers[i]) != RD_KAFKA_RESP_ERR_NO_ERROR)
            return change_failed(change, rd_kafka_ConfigResource_error(answers[i]),
                                 rd_kafka_ConfigResource_error_string(answers[i]), diag);
    return STATUS_OK;
}

static enum status alter(struct topics_admin *admin, const struct topics_change *change,
                         struct diag *diag)
{
    CLEANUP(client_event_release) rd_kafka_event_t *event = NULL;
    enum status status = describe(admin, &change->topic, 1, &event, diag);
    if (status != STATUS_OK)
        return status;
    size_t len;
    const rd_kafka_ConfigResource_t **there = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(event), &len);
    if (len != 1 || rd_kafka_ConfigResource_error(there[0]) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return unavailable(diag, change->topic, "its settings cannot be read, so none is altered");
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, change->topic);
    keep_settings(there[0], resource);
    for (size_t i = 0; i < change->settings_len; i++)
        rd_kafka_ConfigResource_set_config(resource, change->settings[i].name,
                                           change->settings[i].to);
    status = send_settings(admin, change, resource, diag);
    rd_kafka_ConfigResource_destroy(resource);
    return status;
}

enum status topics_admin_apply(struct topics_admin *admin, const struct topics_change *change,
                               struct diag *diag)
{
    switch (change->action) {
    case TOPICS_CREATE:
        return create(admin, change, diag);
    case TOPICS_ALTER:
        return alter(admin, change, diag);
    }
    return STATUS_INTERNAL;
}

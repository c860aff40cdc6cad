#include "bridge/kafka/client.h"

#include "bridge/base/clock.h"
#include "bridge/domain/log_events.h"
#include "bridge/kafka/cluster.h"

static void conf_release(rd_kafka_conf_t **conf)
{
    if (*conf != NULL)
        rd_kafka_conf_destroy(*conf);
}

/* The levels are syslog's: 4 is a warning. CONFWARN says that producers' properties mean nothing to
 * a consumer, and the other way round; kafka.raw serves both.
 * Thread: librdkafka's own. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    if (level <= 4 && strcmp(facility, "CONFWARN") != 0)
        LOG(KAFKA_LOGGED, log_text("facility", facility), log_text("message", text));
}

enum status client_conf(const struct cluster *cluster, const struct cluster_property properties[],
                        size_t len, rd_kafka_conf_t **ret, struct diag *diag)
{
    CLEANUP(conf_release) rd_kafka_conf_t *conf = NULL;
    enum status status = cluster_conf(cluster, &conf, diag);
    if (status == STATUS_OK)
        status = cluster_set(conf, "log.queue", "false", diag);
    for (size_t i = 0; i < len && status == STATUS_OK; i++)
        status = cluster_set(conf, properties[i].name, properties[i].value, diag);
    if (status != STATUS_OK)
        return status;
    rd_kafka_conf_set_log_cb(conf, on_log);
    *ret = TAKE(conf);
    return STATUS_OK;
}

enum status client_new_take(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret,
                            struct diag *diag)
{
    char why[256] = "";
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (rk == NULL) {
        rd_kafka_conf_destroy(conf);
        return diag_set(diag, STATUS_INVALID, "kafka: %s", why);
    }
    *ret = rk;
    return STATUS_OK;
}

rd_kafka_resp_err_t client_partitions_len(rd_kafka_t *rk, rd_kafka_topic_t *topic, int timeout_ms,
                                          int32_t *ret)
{
    CLEANUP(client_metadata_release) const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 0, topic, &metadata, timeout_ms);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        err = metadata->topic_cnt == 1 ? metadata->topics[0].err
                                       : RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        *ret = metadata->topics[0].partition_cnt;
    return err;
}

int client_remaining_ms(int64_t until_mono_ms, int max_ms)
{
    int64_t left = until_mono_ms - clock_mono_ms();
    return left <= 0 ? 0 : left < max_ms ? (int)left : max_ms;
}

void client_metadata_release(const struct rd_kafka_metadata **metadata)
{
    if (*metadata != NULL)
        rd_kafka_metadata_destroy(*metadata);
}

void client_event_release(rd_kafka_event_t **event)
{
    if (*event != NULL)
        rd_kafka_event_destroy(*event);
}

void client_queue_release(rd_kafka_queue_t **queue)
{
    if (*queue != NULL)
        rd_kafka_queue_destroy(*queue);
}

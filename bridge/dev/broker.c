#include "bridge/dev/broker.h"

#include <stdlib.h>

#include <librdkafka/rdkafka.h>

#include <librdkafka/rdkafka_mock.h>

#include "bridge/base/scoped.h"

struct broker {
    rd_kafka_t *host; /* the mock cluster lives in the threads of a client, which itself does
                         nothing */
    rd_kafka_mock_cluster_t *cluster;
};

DEFINE_CLEANUP(struct broker *, broker_free)

static void conf_done(rd_kafka_conf_t **conf)
{
    if (*conf != NULL) /* rd_kafka_conf_destroy() minds */
        rd_kafka_conf_destroy(*conf);
}

static void ignore_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk, (void)level, (void)facility, (void)text; /* connections come and go: no news */
}

static enum status start_cluster(struct broker *b, struct diag *diag)
{
    CLEANUP(conf_done) rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, ignore_log);
    char why[256];
    b->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (b->host == NULL)
        return diag_set(diag, STATUS_UNAVAILABLE, "embedded broker: %s", why);
    TAKE(conf); /* rd_kafka_new() took it */
    b->cluster = rd_kafka_mock_cluster_new(b->host, 1);
    if (b->cluster == NULL)
        return diag_set(diag, STATUS_UNAVAILABLE, "embedded broker: cannot listen on 127.0.0.1");
    return STATUS_OK;
}

static enum status create_topic(struct broker *b, const char *topic, struct diag *diag)
{
    rd_kafka_resp_err_t error = rd_kafka_mock_topic_create(b->cluster, topic, BROKER_PARTITIONS, 1);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return STATUS_OK;
    return diag_set(diag, STATUS_UNAVAILABLE, "embedded broker: topic %s: %s", topic,
                    rd_kafka_err2str(error));
}

enum status broker_create_topics(struct broker *b, const char *const topics[], size_t topics_len,
                                 struct diag *diag)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < topics_len && status == STATUS_OK; i++)
        status = create_topic(b, topics[i], diag);
    return status;
}

enum status broker_new(struct broker **ret, struct diag *diag)
{
    CLEANUP(broker_free_scoped) struct broker *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return STATUS_NOMEM;
    enum status status = start_cluster(b, diag);
    if (status != STATUS_OK)
        return status;
    *ret = TAKE(b);
    return STATUS_OK;
}

const char *broker_bootstrap(const struct broker *b)
{
    return rd_kafka_mock_cluster_bootstraps(b->cluster);
}

void broker_free(struct broker *b)
{
    if (b == NULL)
        return;
    if (b->cluster != NULL)
        rd_kafka_mock_cluster_destroy(b->cluster);
    if (b->host != NULL)
        rd_kafka_destroy(b->host);
    free(b);
}

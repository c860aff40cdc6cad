#include "bridge/kafka/instance.h"

#include <pthread.h>
#include <stdlib.h>

#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"
#include "bridge/kafka/cluster.h"
#include "bridge/kafka/message.h"

struct instance {
    rd_kafka_t *rk;
    struct instance_callbacks callbacks;
    rd_kafka_topic_t **topics; /* by the topic's number; NULL where there is none */
    size_t topics_len;
    atomic_uint refs;
};

static void conf_free(rd_kafka_conf_t *conf)
{
    if (conf != NULL)
        rd_kafka_conf_destroy(conf);
}
DEFINE_CLEANUP(rd_kafka_conf_t *, conf_free)
DEFINE_CLEANUP(struct instance *, instance_unref)
DEFINE_CLEANUP(rd_kafka_headers_t *, message_headers_free)

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    struct instance *in = opaque;
    in->callbacks.on_report(in->callbacks.ctx, message->_private, message->err,
                            rd_kafka_message_status(message));
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
    (void)rk;
    struct instance *in = opaque;
    LOG(KAFKA_LOGGED, log_text("error", rd_kafka_err2name((rd_kafka_resp_err_t)err)),
        log_text("message", reason));
    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        in->callbacks.on_all_brokers_down(in->callbacks.ctx);
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    /* The levels are syslog's: 4 is a warning, 7 is debug. Below a warning librdkafka tells of its
     * own life only. */
    if (level <= 4)
        LOG(KAFKA_LOGGED, log_text("facility", facility), log_text("message", text));
}

static enum status configure(rd_kafka_conf_t *conf, const struct instance_options *opt,
                             struct diag *diag)
{
    enum status status = cluster_set(conf, "acks", "all", diag);
    if (status == STATUS_OK)
        status = cluster_set(conf, "enable.idempotence", opt->idempotence ? "true" : "false", diag);
    if (status == STATUS_OK)
        status = cluster_set_number(conf, "linger.ms", opt->linger_ms, diag);
    if (status == STATUS_OK)
        status = cluster_set_number(conf, "message.timeout.ms", opt->message_timeout_ms, diag);
    if (status == STATUS_OK)
        status = cluster_set_number(conf, "request.timeout.ms", opt->message_timeout_ms, diag);
    if (status == STATUS_OK)
        status = cluster_set(conf, "partitioner", "murmur2_random", diag);
    return status;
}

enum status instance_new(const struct instance_options *opt, struct instance **ret,
                         struct diag *diag)
{
    CLEANUP(conf_free_scoped) rd_kafka_conf_t *conf = NULL;
    enum status status = cluster_conf(opt->cluster, &conf, diag);
    if (status == STATUS_OK)
        status = configure(conf, opt, diag);
    if (status != STATUS_OK)
        return status;
    CLEANUP(instance_unref_scoped) struct instance *in = calloc(1, sizeof *in);
    if (in == NULL)
        return STATUS_NOMEM;
    atomic_init(&in->refs, 1);
    in->callbacks = opt->callbacks;
    rd_kafka_conf_set_opaque(conf, in);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    char why[256];
    in->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (in->rk == NULL)
        return diag_set(diag, STATUS_INVALID, "kafka: %s", why);
    (void)TAKE(conf); /* librdkafka's now */
    rd_kafka_set_log_queue(in->rk, NULL);
    *ret = TAKE(in);
    return STATUS_OK;
}

struct instance *instance_ref(struct instance *in)
{
    atomic_fetch_add_explicit(&in->refs, 1, memory_order_relaxed);
    return in;
}

void instance_unref(struct instance *in)
{
    if (in == NULL || atomic_fetch_sub_explicit(&in->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < in->topics_len; i++)
        if (in->topics[i] != NULL)
            rd_kafka_topic_destroy(in->topics[i]);
    free(in->topics);
    if (in->rk != NULL)
        rd_kafka_destroy(in->rk);
    free(in);
}

rd_kafka_t *instance_handle(const struct instance *in)
{
    return in->rk;
}

bool instance_is_fatal(const struct instance *in, char *ret_reason, size_t ret_len)
{
    return rd_kafka_fatal_error(in->rk, ret_reason, ret_len) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

enum status instance_add_topic(struct instance *in, size_t index, const char *name)
{
    if (index >= in->topics_len) {
        size_t len = index < 32 ? 64 : index * 2;
        rd_kafka_topic_t **topics = realloc(in->topics, len * sizeof(rd_kafka_topic_t *));
        if (topics == NULL)
            return STATUS_NOMEM;
        memset(topics + in->topics_len, 0, (len - in->topics_len) * sizeof(rd_kafka_topic_t *));
        in->topics = topics;
        in->topics_len = len;
    }
    if (in->topics[index] == NULL)
        in->topics[index] = rd_kafka_topic_new(in->rk, name, NULL);
    return in->topics[index] == NULL ? STATUS_INVALID : STATUS_OK;
}

rd_kafka_topic_t *instance_topic(const struct instance *in, size_t index)
{
    return index < in->topics_len ? in->topics[index] : NULL;
}

int32_t instance_partition(struct bytes key, int32_t partitions)
{
    return rd_kafka_msg_partitioner_murmur2(NULL, key.data, key.len, partitions, NULL, NULL);
}

rd_kafka_resp_err_t instance_produce(struct instance *in, size_t topic_index, int32_t partition,
                                     const struct record *r, void *opaque)
{
    rd_kafka_topic_t *topic = instance_topic(in, topic_index);
    if (topic == NULL)
        return RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    CLEANUP(message_headers_free_scoped)
    rd_kafka_headers_t *headers = message_headers_new(r->headers, r->headers_len);
    /* No flags: the value is not copied; the publication lives until the report. */
    const rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)r->value.data, r->value.len}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)r->key.data, r->key.len}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = opaque},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(in->rk, parts, sizeof parts / sizeof parts[0]);
    if (error == NULL) {
        (void)TAKE(headers); /* the message's now */
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    /* After a fatal error the code is that error's own. Source: rd_kafka_check_produce, 2.0.2. */
    rd_kafka_resp_err_t err =
        rd_kafka_error_is_fatal(error) ? RD_KAFKA_RESP_ERR__FATAL : rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return err;
}

int instance_poll(struct instance *in, int timeout_ms)
{
    return rd_kafka_poll(in->rk, timeout_ms);
}

void instance_purge(struct instance *in, bool in_flight)
{
    /* Without NON_BLOCKING: librdkafka's broker threads have made the reports when it returns.
     * Source: rd_kafka_purge and rd_kafka_broker_handle_purge_queues, 2.0.2. */
    rd_kafka_purge(in->rk, RD_KAFKA_PURGE_F_QUEUE | (in_flight ? RD_KAFKA_PURGE_F_INFLIGHT : 0));
}

size_t instance_outstanding(const struct instance *in)
{
    return (size_t)rd_kafka_outq_len(in->rk);
}

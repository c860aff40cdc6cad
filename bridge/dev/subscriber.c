#include "bridge/dev/subscriber.h"

#include <stdlib.h>

#include <librdkafka/rdkafka.h>

#include "bridge/base/scoped.h"

struct subscriber {
    rd_kafka_t *consumer;
    rd_kafka_message_t *message; /* what the last arrival points into */
};

DEFINE_CLEANUP(struct subscriber *, subscriber_free)
DEFINE_CLEANUP(rd_kafka_topic_partition_list_t *, rd_kafka_topic_partition_list_destroy)

static void conf_done(rd_kafka_conf_t **conf)
{
    if (*conf != NULL) /* rd_kafka_conf_destroy() minds */
        rd_kafka_conf_destroy(*conf);
}

static void ignore_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk, (void)level, (void)facility, (void)text; /* it heals itself, or the books tell */
}

/* Source: CONFIGURATION.md of librdkafka 2.0.2. A group's name is asked for even by a consumer that
 * never joins it; a fetch that finds nothing comes again after 50 ms rather than 500. */
static const char *const properties[][2] = {
    {"group.id", "maesn-bridge-dev"},      {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"}, {"auto.offset.reset", "earliest"},
    {"fetch.wait.max.ms", "50"},           {"fetch.error.backoff.ms", "50"},
};

static enum status configure(rd_kafka_conf_t *conf, const char *bootstrap, struct diag *diag)
{
    char why[256];
    rd_kafka_conf_set_log_cb(conf, ignore_log);
    rd_kafka_conf_res_t set =
        rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, why, sizeof(why));
    for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]) && set == RD_KAFKA_CONF_OK;
         i++)
        set = rd_kafka_conf_set(conf, properties[i][0], properties[i][1], why, sizeof(why));
    return set == RD_KAFKA_CONF_OK ? STATUS_OK
                                   : diag_set(diag, STATUS_UNAVAILABLE, "subscriber: %s", why);
}

static enum status open_consumer(struct subscriber *s, const char *bootstrap, struct diag *diag)
{
    CLEANUP(conf_done) rd_kafka_conf_t *conf = rd_kafka_conf_new();
    enum status status = configure(conf, bootstrap, diag);
    if (status != STATUS_OK)
        return status;
    char why[256];
    s->consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (s->consumer == NULL)
        return diag_set(diag, STATUS_UNAVAILABLE, "subscriber: %s", why);
    TAKE(conf); /* rd_kafka_new() took it */
    rd_kafka_poll_set_consumer(s->consumer);
    return STATUS_OK;
}

static enum status assign(struct subscriber *s, const char *const topics[], size_t topics_len,
                          int32_t partitions, struct diag *diag)
{
    CLEANUP(rd_kafka_topic_partition_list_destroy_scoped)
    rd_kafka_topic_partition_list_t *all =
        rd_kafka_topic_partition_list_new((int)topics_len * partitions);
    for (size_t i = 0; i < topics_len; i++)
        for (int32_t partition = 0; partition < partitions; partition++)
            rd_kafka_topic_partition_list_add(all, topics[i], partition)->offset =
                RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_resp_err_t error = rd_kafka_assign(s->consumer, all);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return STATUS_OK;
    return diag_set(diag, STATUS_UNAVAILABLE, "subscriber: %s", rd_kafka_err2str(error));
}

enum status subscriber_new(const char *bootstrap, const char *const topics[], size_t topics_len,
                           int32_t partitions, struct subscriber **ret, struct diag *diag)
{
    CLEANUP(subscriber_free_scoped) struct subscriber *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return STATUS_NOMEM;
    enum status status = open_consumer(s, bootstrap, diag);
    if (status == STATUS_OK)
        status = assign(s, topics, topics_len, partitions, diag);
    if (status != STATUS_OK)
        return status;
    *ret = TAKE(s);
    return STATUS_OK;
}

static void drop_message(struct subscriber *s)
{
    if (s->message != NULL)
        rd_kafka_message_destroy(s->message);
    s->message = NULL;
}

/* Other clients may write records with more headers than ours have: the first ones are kept. */
static void read_headers(const rd_kafka_message_t *message, struct record *r)
{
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    const char *name;
    const void *value;
    size_t len;
    while (r->headers_len < RECORD_HEADERS_MAX &&
           rd_kafka_header_get_all(headers, r->headers_len, &name, &value, &len) ==
               RD_KAFKA_RESP_ERR_NO_ERROR)
        record_add_header(r, name, bytes_of(value, len));
}

/* librdkafka hands out errors as messages; they are of no use here: it goes on by itself. */
bool subscriber_poll(struct subscriber *s, int timeout_ms, struct arrival *ret)
{
    drop_message(s);
    s->message = rd_kafka_consumer_poll(s->consumer, timeout_ms);
    if (s->message == NULL || s->message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    *ret = (struct arrival){
        .record = {.topic = rd_kafka_topic_name(s->message->rkt),
                   .key = bytes_of(s->message->key, s->message->key_len),
                   .value = bytes_of(s->message->payload, s->message->len)},
        .partition = s->message->partition,
        .offset = s->message->offset,
    };
    read_headers(s->message, &ret->record);
    return true;
}

void subscriber_free(struct subscriber *s)
{
    if (s == NULL)
        return;
    drop_message(s);
    if (s->consumer != NULL) {
        rd_kafka_consumer_close(s->consumer);
        rd_kafka_destroy(s->consumer);
    }
    free(s);
}

#include "tests/support/mock_commands.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Refers to rdkafka_mock.h 2.0.2: PRODUCE is API key 0. */
#define API_KEY_PRODUCE 0

/* More than any client sends between "answer" and "well". */
#define ANSWERS 20000

/* Produce requests since the last "answer". */
static atomic_int asked;

/* The mock tells of requests in its debug log only.
 * Source: rd_kafka_mock_connection_parse_request(), rdkafka_mock.c, librdkafka 2.0.2. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level;
    (void)facility;
    if (strstr(text, "Received ProduceRequest") != NULL)
        atomic_fetch_add(&asked, 1);
}

static void answer(rd_kafka_mock_cluster_t *cluster, rd_kafka_resp_err_t err, int every)
{
    static rd_kafka_resp_err_t errors[ANSWERS];
    for (int i = 0; i < ANSWERS; i++)
        errors[i] = i % every == 0 ? err : RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_mock_push_request_errors_array(cluster, API_KEY_PRODUCE, ANSWERS, errors);
    /* After it: what counts has met it. */
    atomic_store(&asked, 0);
}

static int obey(rd_kafka_mock_cluster_t *cluster, const char *line)
{
    char topic[256];
    int a;
    int b;
    int count;
    if (sscanf(line, "create %255s %d", topic, &a) == 2)
        return rd_kafka_mock_topic_create(cluster, topic, a, 1);
    if (sscanf(line, "leader %255s %d %d", topic, &a, &b) == 3)
        return rd_kafka_mock_partition_set_leader(cluster, topic, a, b);
    if (sscanf(line, "down %d", &a) == 1)
        return rd_kafka_mock_broker_set_down(cluster, a);
    if (sscanf(line, "up %d", &a) == 1)
        return rd_kafka_mock_broker_set_up(cluster, a);
    if (sscanf(line, "rtt %d %d", &a, &b) == 2)
        return rd_kafka_mock_broker_set_rtt(cluster, a, b);
    if (sscanf(line, "delay %d %d", &a, &b) == 2)
        return rd_kafka_mock_broker_push_request_error_rtts(cluster, a, API_KEY_PRODUCE, 1,
                                                            RD_KAFKA_RESP_ERR_NO_ERROR, b);
    if (sscanf(line, "refuse %d %d %d", &a, &b, &count) == 3) {
        for (int i = 0; i < count; i++)
            rd_kafka_mock_push_request_errors(cluster, (int16_t)a, 1, (rd_kafka_resp_err_t)b);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (sscanf(line, "answer %d %d", &a, &b) == 2 && b > 0) {
        answer(cluster, (rd_kafka_resp_err_t)a, b);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (strcmp(line, "well\n") == 0) {
        rd_kafka_mock_clear_request_errors(cluster, API_KEY_PRODUCE);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (strcmp(line, "asked\n") == 0)
        return atomic_load(&asked);
    return RD_KAFKA_RESP_ERR__INVALID_ARG;
}

int mock_commands_serve(int brokers)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    /* It only carries the cluster and has no brokers of its own: not a word about that. */
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set(conf, "log_level", "7", why, sizeof why);
    rd_kafka_conf_set(conf, "debug", "mock", why, sizeof why);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    rd_kafka_mock_cluster_t *cluster = rk == NULL ? NULL : rd_kafka_mock_cluster_new(rk, brokers);
    if (cluster == NULL)
        return 1;
    printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    char line[512];
    while (fgets(line, sizeof line, stdin) != NULL) {
        printf("%d\n", obey(cluster, line));
        fflush(stdout);
    }
    /* Nobody needs it any more; the kernel tidies up. */
    return 0;
}

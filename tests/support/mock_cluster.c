#include "tests/support/mock_cluster.h"

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/mock_commands.h"

#define ROLE "mock-cluster"

struct mock_cluster {
    pid_t pid;
    FILE *commands; /* one a line; answered with a line each */
    FILE *answers;
    char bootstrap[512];
    unsigned brokers;
};

/* --- the cluster's process ---------------------------------------------------------------------
 */

void mock_cluster_main_if_asked(int argc, char **argv)
{
    int brokers;
    if (argc == 3 && strcmp(argv[1], ROLE) == 0 && sscanf(argv[2], "%d", &brokers) == 1)
        _exit(mock_commands_serve(brokers));
}

/* --- the test's process ------------------------------------------------------------------------
 */

struct mock_cluster *mock_cluster_new(unsigned brokers)
{
    struct mock_cluster *c = calloc(1, sizeof *c);
    int commands[2];
    int answers[2];
    assert_non_null(c);
    assert_int_equal(pipe2(commands, 0x80000 /* O_CLOEXEC */), 0);
    assert_int_equal(pipe2(answers, 0x80000), 0);
    c->brokers = brokers;
    char count[16];
    snprintf(count, sizeof count, "%u", brokers);
    c->pid = fork();
    assert_true(c->pid >= 0);
    if (c->pid == 0) {
        dup2(commands[0], 0);
        dup2(answers[1], 1);
        execl("/proc/self/exe", "mock-cluster", ROLE, count, (char *)NULL);
        _exit(127);
    }
    close(commands[0]);
    close(answers[1]);
    c->commands = fdopen(commands[1], "w");
    c->answers = fdopen(answers[0], "r");
    assert_non_null(c->commands);
    assert_non_null(c->answers);
    assert_non_null(fgets(c->bootstrap, sizeof c->bootstrap, c->answers));
    c->bootstrap[strcspn(c->bootstrap, "\n")] = '\0';
    return c;
}

void mock_cluster_free(struct mock_cluster *c)
{
    kill(c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
    fclose(c->commands);
    fclose(c->answers);
    free(c);
}

const char *mock_cluster_bootstrap(const struct mock_cluster *c)
{
    return c->bootstrap;
}

static void command(struct mock_cluster *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void command(struct mock_cluster *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(c->commands, format, arguments);
    va_end(arguments);
    fputc('\n', c->commands);
    fflush(c->commands);
    char answer[32];
    assert_non_null(fgets(answer, sizeof answer, c->answers));
    assert_string_equal(answer, "0\n");
}

void mock_cluster_create_topic(struct mock_cluster *c, const char *topic, int partitions)
{
    command(c, "create %s %d", topic, partitions);
    for (int i = 0; i < partitions; i++)
        mock_cluster_set_leader(c, topic, i, i % (int)c->brokers + 1);
}

void mock_cluster_set_leader(struct mock_cluster *c, const char *topic, int partition, int broker)
{
    command(c, "leader %s %d %d", topic, partition, broker);
}

void mock_cluster_set_down(struct mock_cluster *c, int broker, bool down)
{
    command(c, "%s %d", down ? "down" : "up", broker);
}

void mock_cluster_set_rtt(struct mock_cluster *c, int broker, int rtt_ms)
{
    command(c, "rtt %d %d", broker, rtt_ms);
}

void mock_cluster_delay_produce(struct mock_cluster *c, int broker, int ms)
{
    command(c, "delay %d %d", broker, ms);
}

void mock_cluster_fail_produce(struct mock_cluster *c, int err, int count)
{
    mock_cluster_fail_requests(c, API_PRODUCE, err, count);
}

void mock_cluster_fail_requests(struct mock_cluster *c, int api_key, int err, int count)
{
    command(c, "refuse %d %d %d", api_key, err, count);
}

void mock_cluster_freeze(struct mock_cluster *c)
{
    int status;
    kill(c->pid, SIGSTOP);
    assert_int_equal(waitpid(c->pid, &status, WUNTRACED), c->pid);
    assert_true(WIFSTOPPED(status));
}

void mock_cluster_thaw(struct mock_cluster *c)
{
    kill(c->pid, SIGCONT);
}

typedef void each_fn(void *ctx, const rd_kafka_message_t *message);

static rd_kafka_t *reader_new(const struct mock_cluster *c)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", c->bootstrap, why, sizeof why),
                     0);
    assert_int_equal(rd_kafka_conf_set(conf, "enable.partition.eof", "true", why, sizeof why), 0);
    assert_int_equal(rd_kafka_conf_set(conf, "group.id", "test", why, sizeof why), 0);
    assert_int_equal(rd_kafka_conf_set(conf, "enable.auto.commit", "false", why, sizeof why), 0);
    /* The end of a partition is told after this time. */
    assert_int_equal(rd_kafka_conf_set(conf, "fetch.wait.max.ms", "10", why, sizeof why), 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    assert_non_null(rk);
    return rk;
}

static void reader_free(rd_kafka_t *rk)
{
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
}

static void read_partition(rd_kafka_t *rk, const char *topic, int partition, each_fn *fn, void *ctx)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
    assert_int_equal(rd_kafka_assign(rk, list), 0);
    rd_kafka_topic_partition_list_destroy(list);
    for (bool at_end = false; !at_end;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 10000);
        assert_non_null(message);
        at_end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (message->err == 0)
            fn(ctx, message);
        rd_kafka_message_destroy(message);
    }
}

/* Calls fn for each record, partition by partition. */
static void read_topic(const struct mock_cluster *c, const char *topic, each_fn *fn, void *ctx)
{
    rd_kafka_t *rk = reader_new(c);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    const struct rd_kafka_metadata *metadata;
    assert_int_equal(rd_kafka_metadata(rk, 0, rkt, &metadata, 5000), 0);
    int partitions = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    for (int p = 0; p < partitions; p++)
        read_partition(rk, topic, p, fn, ctx);
    rd_kafka_topic_destroy(rkt);
    reader_free(rk);
}

struct search {
    const char *value;
    unsigned found;
};

static void compare(void *ctx, const rd_kafka_message_t *message)
{
    struct search *search = ctx;
    search->found += message->len == strlen(search->value) &&
                     memcmp(message->payload, search->value, message->len) == 0;
}

unsigned mock_cluster_count(const struct mock_cluster *c, const char *topic, const char *value)
{
    struct search search = {value, 0};
    read_topic(c, topic, compare, &search);
    return search.found;
}

unsigned mock_cluster_count_in(const struct mock_cluster *c, const char *topic, int partition,
                               const char *value)
{
    struct search search = {value, 0};
    rd_kafka_t *rk = reader_new(c);
    read_partition(rk, topic, partition, compare, &search);
    reader_free(rk);
    return search.found;
}

static void write_line(void *ctx, const rd_kafka_message_t *message)
{
    fprintf(ctx, "%" PRId32 " %.*s %.*s\n", message->partition, (int)message->key_len,
            (const char *)message->key, (int)message->len, (const char *)message->payload);
}

char *mock_cluster_dump(const struct mock_cluster *c, const char *topic)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    read_topic(c, topic, write_line, out);
    fclose(out);
    return text;
}

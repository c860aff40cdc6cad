/* The compacted topic's reader, its writer and the membership against librdkafka's mock cluster: as
 * far as that goes. It has no compaction, topic settings, read_committed and fencing; those are
 * tested end to end. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <librdkafka/rdkafka.h>

#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"
#include "bridge/base/log.h"
#include "bridge/base/scoped.h"
#include "bridge/kafka/compacted_topic.h"
#include "bridge/kafka/fenced_writer.h"
#include "bridge/kafka/membership.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/mock_cluster.h"

#define TOPIC "maesn.bridge.registry"
#define GROUP TOPIC "-reconciler"

/* How long anything may take that is expected to happen. */
#define PATIENCE_MS 20000
#define SESSION_MS 6000

static int64_t in_time(void)
{
    return clock_mono_ms() + PATIENCE_MS;
}

static void require(enum status status, const struct diag *diag)
{
    if (status != STATUS_OK)
        fail_msg("%s: %s", status_name(status), diag->text);
}

/* --- what the modules say, as text -------------------------------------------------------------
 */

struct script {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char text[4096];
};

#define SCRIPT_INIT                                                                                \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                     \
    }

__attribute__((format(printf, 2, 3))) static void note(struct script *s, const char *format, ...)
{
    pthread_mutex_lock(&s->lock);
    size_t len = strlen(s->text);
    va_list args;
    va_start(args, format);
    vsnprintf(s->text + len, sizeof s->text - len, format, args);
    va_end(args);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* Waits until the text is in the script. */
static void await(struct script *s, const char *text)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    pthread_mutex_lock(&s->lock);
    int err = 0;
    while (strstr(s->text, text) == NULL && err == 0)
        err = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    if (err != 0)
        fail_msg("no \"%s\" in \"%s\"", text, s->text);
    pthread_mutex_unlock(&s->lock);
}

static void on_opened(void *ctx, int32_t partitions)
{
    note(ctx, "opened %d\n", partitions);
}

static void on_record(void *ctx, const struct compacted_topic_record *r)
{
    note(ctx, "%d@%d %.*s=%.*s\n", r->partition, (int)r->offset, (int)r->key.len,
         (const char *)r->key.data, (int)r->value.len,
         r->value.data == NULL ? "" : (const char *)r->value.data);
}

static void on_end(void *ctx, int32_t partition, uint64_t refresh)
{
    note(ctx, "end %d after %d\n", partition, (int)refresh);
}

static void on_caught_up(void *ctx)
{
    note(ctx, "caught up\n");
}

static void on_refused(void *ctx, enum status status, const struct diag *diag)
{
    note(ctx, "refused %s: %s\n", status_name(status), diag->text);
}

/* --- what the log says --------------------------------------------------------------------------
 */

static int log_fd = -1;

static int clients_replaced(void)
{
    char text[65536];
    ssize_t len = pread(log_fd, text, sizeof text - 1, 0);
    assert_true(len >= 0);
    text[len] = '\0';
    int count = 0;
    for (const char *at = text; (at = strstr(at, "kafka.client-replaced")) != NULL; at++)
        count++;
    return count;
}

static void await_clients_replaced(int count)
{
    for (int64_t until = in_time(); clients_replaced() < count && clock_mono_ms() < until;)
        poll(NULL, 0, 20);
    assert_int_equal(clients_replaced(), count);
}

/* --- a cluster, and what is made of it ----------------------------------------------------------
 */

struct fixture {
    struct mock_cluster *mock;
    struct cluster cluster;
    struct script script;
    struct compacted_topic *reader; /* these three: NULL until they are started */
    struct fenced_writer *writer;
    struct membership *member;
    char password_file[64]; /* "": none was written */
};

static int set_up(void **state, int partitions)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->script = (struct script)SCRIPT_INIT;
    log_fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(log_fd >= 0);
    log_set_fd(log_fd);
    f->mock = mock_cluster_new(1);
    mock_cluster_create_topic(f->mock, TOPIC, partitions);
    f->cluster = (struct cluster){.brokers = mock_cluster_bootstrap(f->mock),
                                  .sasl_password_file = "",
                                  .key_password_file = ""};
    *state = f;
    return 0;
}

static int one_partition(void **state)
{
    return set_up(state, 1);
}

static int three_partitions(void **state)
{
    return set_up(state, 3);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    compacted_topic_free(f->reader);
    fenced_writer_free(f->writer);
    membership_free(f->member);
    mock_cluster_free(f->mock);
    log_set_fd(2);
    close(log_fd);
    if (f->password_file[0] != '\0')
        (void)unlink(f->password_file);
    free(f);
    return 0;
}

static struct compacted_topic_options reading(struct fixture *f)
{
    return (struct compacted_topic_options){
        .cluster = &f->cluster,
        .topic = TOPIC,
        .any_settings = true,
        .callbacks = {&f->script, on_opened, on_record, on_end, on_caught_up, on_refused},
    };
}

static void on_assigned(void *ctx, const int32_t partitions[], size_t len)
{
    note(ctx, "assigned");
    for (size_t i = 0; i < len; i++)
        note(ctx, " %d", partitions[i]);
    note(ctx, "\n");
}

static void on_revoked(void *ctx, bool is_lost)
{
    note(ctx, "revoked %s\n", is_lost ? "lost" : "kept");
}

static struct membership_options joining(struct fixture *f)
{
    return (struct membership_options){
        .cluster = &f->cluster,
        .topic = TOPIC,
        .group_id = GROUP,
        .session_timeout_ms = SESSION_MS,
        .session_setting = "session.timeout.ms",
        .callbacks = {&f->script, on_assigned, on_revoked},
    };
}

static void start_reader(struct fixture *f)
{
    struct diag diag = {0};
    const struct compacted_topic_options options = reading(f);
    require(compacted_topic_new(&options, &f->reader, &diag), &diag);
}

static void read_to_the_end(struct fixture *f)
{
    struct diag diag = {0};
    require(compacted_topic_wait(f->reader, in_time(), &diag), &diag);
}

static void start_writer(struct fixture *f)
{
    struct diag diag = {0};
    const struct fenced_writer_options options = {&f->cluster, TOPIC, 0};
    require(fenced_writer_new(&options, &f->writer, &diag), &diag);
}

static void claim(struct fixture *f)
{
    struct diag diag = {0};
    require(fenced_writer_claim(f->writer, in_time(), &diag), &diag);
    assert_int_equal(fenced_writer_state(f->writer), FENCED_WRITER_READY);
}

static void start_member(struct fixture *f)
{
    struct diag diag = {0};
    const struct membership_options options = joining(f);
    require(membership_new(&options, &f->member, &diag), &diag);
}

static void write_one(struct fixture *f, const char *key, const char *value)
{
    struct diag diag = {0};
    const struct fenced_writer_record record = {bytes_of_text(key), bytes_of_text(value)};
    require(fenced_writer_write(f->writer, &record, 1, in_time(), &diag), &diag);
}

/* --- reading -----------------------------------------------------------------------------------
 */

static void what_was_written_before_and_after_the_start_is_told_in_order(void **state)
{
    struct fixture *f = *state;
    start_writer(f);
    claim(f);
    write_one(f, "a", "1");
    write_one(f, "a", NULL);
    start_reader(f);
    read_to_the_end(f);
    write_one(f, "b", "2");
    await(&f->script, "b=2");
    assert_string_equal(f->script.text,
                        "opened 1\n0@0 a=1\n0@1 a=\nend 0 after 0\ncaught up\n0@2 b=2\n");
}

static void a_refresh_of_one_partition_is_answered_for_that_one(void **state)
{
    struct fixture *f = *state;
    start_reader(f);
    read_to_the_end(f);
    assert_int_equal(compacted_topic_refresh(f->reader, 2), 1);
    await(&f->script, "end 2 after 1\n");
    assert_int_equal(compacted_topic_refresh(f->reader, 0), 2);
    await(&f->script, "end 0 after 2\n");
    assert_null(strstr(f->script.text, "end 1 after 1"));
}

/* A fetch finds this many records fewer than the leader has: what a broker that has just become the
 * leader shows for a moment, and librdkafka's mock cluster cannot. */
static atomic_int not_shown;

rd_kafka_resp_err_t __real_rd_kafka_query_watermark_offsets(rd_kafka_t *rk, const char *topic,
                                                            int32_t partition, int64_t *low,
                                                            int64_t *high, int timeout_ms);
rd_kafka_resp_err_t __wrap_rd_kafka_query_watermark_offsets(rd_kafka_t *rk, const char *topic,
                                                            int32_t partition, int64_t *low,
                                                            int64_t *high, int timeout_ms);
rd_kafka_resp_err_t __wrap_rd_kafka_query_watermark_offsets(rd_kafka_t *rk, const char *topic,
                                                            int32_t partition, int64_t *low,
                                                            int64_t *high, int timeout_ms)
{
    rd_kafka_resp_err_t err =
        __real_rd_kafka_query_watermark_offsets(rk, topic, partition, low, high, timeout_ms);
    *high += atomic_load(&not_shown);
    return err;
}

/* A fetch that finds nothing waits for 200 ms: by then an end would have been told. */
static const int stale_end_ms = 1000;

/* Fails when a refresh is answered by whatever end a fetch tells. */
static void a_refresh_is_not_answered_before_what_the_leader_has_is_read(void **state)
{
    struct fixture *f = *state;
    start_writer(f);
    claim(f);
    write_one(f, "a", "1");
    start_reader(f);
    read_to_the_end(f);
    atomic_store(&not_shown, 1);
    compacted_topic_refresh(f->reader, 0);
    (void)poll(NULL, 0, stale_end_ms);
    pthread_mutex_lock(&f->script.lock);
    assert_string_equal(f->script.text, "opened 1\n0@0 a=1\nend 0 after 0\ncaught up\n");
    pthread_mutex_unlock(&f->script.lock);
    write_one(f, "b", "2");
    await(&f->script, "0@1 b=2\nend 0 after 1\n");
    atomic_store(&not_shown, 0);
}

/* Gives the cluster a password file; the mock cluster does not ask for what is in it, but a change
 * of it is one. */
static void write_password(struct fixture *f, const char *password)
{
    snprintf(f->password_file, sizeof f->password_file, "/tmp/test_tables.%d", (int)getpid());
    FILE *file = fopen(f->password_file, "w");
    assert_non_null(file);
    assert_true(fputs(password, file) >= 0);
    assert_int_equal(fclose(file), 0);
    f->cluster.sasl_password_file = f->password_file;
}

static void a_reader_goes_on_through_a_new_client_from_where_it_stood(void **state)
{
    struct fixture *f = *state;
    write_password(f, "first");
    start_writer(f);
    claim(f);
    write_one(f, "a", "1");
    start_reader(f);
    read_to_the_end(f);
    compacted_topic_reload(f->reader); /* nothing has changed */
    write_one(f, "b", "2");
    await(&f->script, "b=2");
    assert_int_equal(clients_replaced(), 0);

    write_password(f, "second");
    compacted_topic_reload(f->reader);
    await_clients_replaced(1);
    write_one(f, "c", "3");
    await(&f->script, "c=3");
    compacted_topic_refresh(f->reader, 0);
    await(&f->script, "end 0 after 1\n");
    assert_string_equal(f->script.text, "opened 1\n0@0 a=1\nend 0 after 0\ncaught up\n0@1 b=2\n"
                                        "0@2 c=3\nend 0 after 1\n");
}

static void a_client_that_the_brokers_do_not_answer_is_no_successor(void **state)
{
    struct fixture *f = *state;
    write_password(f, "first");
    start_writer(f);
    claim(f);
    start_reader(f);
    read_to_the_end(f);
    assert_int_equal(unlink(f->password_file), 0);
    compacted_topic_reload(f->reader); /* no client can be made: the present one stays */
    write_one(f, "a", "1");
    await(&f->script, "a=1");
    assert_int_equal(clients_replaced(), 0);
    write_password(f, "second"); /* found without being told */
    await_clients_replaced(1);
    write_one(f, "b", "2");
    await(&f->script, "b=2");
}

static void a_reader_whose_brokers_are_mute_says_so_in_time_and_stops(void **state)
{
    struct fixture *f = *state;
    mock_cluster_freeze(f->mock);
    struct diag diag = {0};
    start_reader(f);
    assert_int_equal(compacted_topic_wait(f->reader, clock_mono_ms() + 1500, &diag),
                     STATUS_UNAVAILABLE);
    assert_true(strncmp(diag.text, TOPIC ": ", strlen(TOPIC ": ")) == 0);
    int64_t started = clock_mono_ms();
    compacted_topic_free(TAKE(f->reader));
    assert_true(clock_mono_ms() - started < 5000);
    assert_string_equal(f->script.text, "");
    mock_cluster_thaw(f->mock);
}

static void a_reader_goes_on_when_mute_brokers_answer_again(void **state)
{
    struct fixture *f = *state;
    mock_cluster_freeze(f->mock);
    start_reader(f);
    assert_int_equal(compacted_topic_wait(f->reader, clock_mono_ms() + 200, NULL),
                     STATUS_UNAVAILABLE);
    mock_cluster_thaw(f->mock);
    read_to_the_end(f);
}

/* --- writing -----------------------------------------------------------------------------------
 */

static void a_write_that_nobody_answers_makes_the_writer_lost(void **state)
{
    struct fixture *f = *state;
    start_writer(f);
    claim(f);
    mock_cluster_freeze(f->mock);
    const struct fenced_writer_record record = {BYTES_LITERAL("a"), BYTES_LITERAL("1")};
    struct diag diag = {0};
    int64_t started = clock_mono_ms();
    assert_int_equal(fenced_writer_write(f->writer, &record, 1, started + 500, &diag),
                     STATUS_UNAVAILABLE);
    assert_true(clock_mono_ms() - started < 3000);
    assert_int_equal(fenced_writer_state(f->writer), FENCED_WRITER_LOST);
    assert_string_equal(diag.text, TOPIC ": partition 0: nobody knows whether it was committed");
    mock_cluster_thaw(f->mock);
    diag.text[0] = '\0';
    assert_int_equal(fenced_writer_write(f->writer, &record, 1, in_time(), &diag),
                     STATUS_UNAVAILABLE);
    assert_string_equal(diag.text, TOPIC ": partition 0: the partition is not, or no longer, ours");
}

static void a_claim_that_nobody_answers_can_be_made_again(void **state)
{
    struct fixture *f = *state;
    start_writer(f);
    mock_cluster_freeze(f->mock);
    assert_int_equal(fenced_writer_claim(f->writer, clock_mono_ms() + 300, NULL),
                     STATUS_UNAVAILABLE);
    assert_int_equal(fenced_writer_state(f->writer), FENCED_WRITER_UNCLAIMED);
    mock_cluster_thaw(f->mock);
    claim(f);
    write_one(f, "a", "1");
}

static void a_writer_does_not_write_before_its_claim(void **state)
{
    struct fixture *f = *state;
    struct diag diag = {0};
    start_writer(f);
    const struct fenced_writer_record record = {BYTES_LITERAL("a"), BYTES_LITERAL("1")};
    assert_int_equal(fenced_writer_write(f->writer, &record, 1, in_time(), &diag),
                     STATUS_UNAVAILABLE);
    assert_int_equal(fenced_writer_state(f->writer), FENCED_WRITER_UNCLAIMED);
}

/* --- sharing -----------------------------------------------------------------------------------
 */

static void a_member_alone_gets_all_partitions_and_gives_them_back_when_it_leaves(void **state)
{
    struct fixture *f = *state;
    start_member(f);
    assert_int_equal(membership_deadline_mono_ms(f->member), 0);
    await(&f->script, "assigned 0 1 2\n");
    assert_true(membership_is_joined(f->member));
    int64_t left = membership_deadline_mono_ms(f->member) - clock_mono_ms();
    assert_in_range(left, 1, SESSION_MS - MEMBERSHIP_MARGIN_MS);
    membership_free(TAKE(f->member));
    assert_string_equal(f->script.text, "assigned 0 1 2\nrevoked kept\n");
}

static void a_member_with_a_new_client_joins_again_and_counts_as_joined_meanwhile(void **state)
{
    struct fixture *f = *state;
    write_password(f, "first");
    start_member(f);
    await(&f->script, "assigned 0\n");
    write_password(f, "second");
    membership_reload(f->member);
    await(&f->script, "revoked kept\n");
    assert_true(membership_is_joined(f->member));
    await(&f->script, "revoked kept\nassigned 0\n");
    assert_int_equal(clients_replaced(), 1);
    assert_true(membership_deadline_mono_ms(f->member) > clock_mono_ms());
}

static void a_member_whose_coordinator_is_mute_leaves_in_time(void **state)
{
    struct fixture *f = *state;
    start_member(f);
    await(&f->script, "assigned 0\n");
    mock_cluster_freeze(f->mock);
    int64_t started = clock_mono_ms();
    membership_free(TAKE(f->member));
    assert_true(clock_mono_ms() - started < 9000);
    assert_string_equal(f->script.text, "assigned 0\nrevoked kept\n");
    mock_cluster_thaw(f->mock);
}

/* --- options and memory ------------------------------------------------------------------------
 */

static void options_that_librdkafka_refuses_are_named(void **state)
{
    (void)state;
    static const struct {
        struct cluster_property raw;
        const char *diag;
    } rows[] = {
        {{"no.such.property", "1"},
         "kafka.raw.no.such.property: not a property of librdkafka 2.0.2, see its "
         "CONFIGURATION.md"},
        {{"bootstrap.servers", "x"},
         "kafka.raw.bootstrap.servers: cannot be set here, use kafka.brokers"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture f = {.cluster = {.brokers = "127.0.0.1:1",
                                        .raw = &rows[i].raw,
                                        .raw_len = 1,
                                        .sasl_password_file = "",
                                        .key_password_file = ""}};
        const struct compacted_topic_options read = reading(&f);
        const struct fenced_writer_options write = {&f.cluster, TOPIC, 0};
        const struct membership_options join = joining(&f);
        struct compacted_topic *t = NULL;
        struct fenced_writer *w = NULL;
        struct membership *m = NULL;
        size_t members = 7;
        int32_t partitions = 7;
        struct diag diags[5] = {0};
        assert_int_equal(compacted_topic_new(&read, &t, &diags[0]), STATUS_INVALID);
        assert_int_equal(fenced_writer_new(&write, &w, &diags[1]), STATUS_INVALID);
        assert_int_equal(membership_new(&join, &m, &diags[2]), STATUS_INVALID);
        assert_int_equal(membership_count(&f.cluster, GROUP, in_time(), &members, &diags[3]),
                         STATUS_INVALID);
        assert_int_equal(compacted_topic_check(&f.cluster, TOPIC, true, &partitions, &diags[4]),
                         STATUS_INVALID);
        for (size_t k = 0; k < 5; k++)
            assert_true(strncmp(diags[k].text, rows[i].diag, strlen("kafka.raw.") + 8) == 0);
        assert_null(t);
        assert_null(w);
        assert_null(m);
        assert_int_equal(members, 7);
        assert_int_equal(partitions, 7);
    }
}

static void without_memory_nothing_is_made(void **state)
{
    struct fixture *f = *state;
    const struct compacted_topic_options read = reading(f);
    const struct fenced_writer_options write = {&f->cluster, TOPIC, 0};
    const struct membership_options join = joining(f);
    bool failed = true;
    for (long n = 0; failed; n++) {
        struct compacted_topic *t = NULL;
        alloc_fail_at(n);
        enum status status = compacted_topic_new(&read, &t, NULL);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        compacted_topic_free(t);
    }
    failed = true;
    for (long n = 0; failed; n++) {
        struct fenced_writer *w = NULL;
        alloc_fail_at(n);
        enum status status = fenced_writer_new(&write, &w, NULL);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        fenced_writer_free(w);
    }
    failed = true;
    for (long n = 0; failed; n++) {
        struct membership *m = NULL;
        alloc_fail_at(n);
        enum status status = membership_new(&join, &m, NULL);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        membership_free(m);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, one_partition, tear_down)

int main(int argc, char **argv)
{
    mock_cluster_main_if_asked(argc, argv);
    if (crypto_start() != STATUS_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        T(what_was_written_before_and_after_the_start_is_told_in_order),
        cmocka_unit_test_setup_teardown(a_refresh_of_one_partition_is_answered_for_that_one,
                                        three_partitions, tear_down),
        T(a_refresh_is_not_answered_before_what_the_leader_has_is_read),
        T(a_reader_goes_on_through_a_new_client_from_where_it_stood),
        T(a_client_that_the_brokers_do_not_answer_is_no_successor),
        T(a_reader_whose_brokers_are_mute_says_so_in_time_and_stops),
        T(a_reader_goes_on_when_mute_brokers_answer_again),
        T(a_write_that_nobody_answers_makes_the_writer_lost),
        T(a_claim_that_nobody_answers_can_be_made_again),
        T(a_writer_does_not_write_before_its_claim),
        cmocka_unit_test_setup_teardown(
            a_member_alone_gets_all_partitions_and_gives_them_back_when_it_leaves, three_partitions,
            tear_down),
        T(a_member_with_a_new_client_joins_again_and_counts_as_joined_meanwhile),
        T(a_member_whose_coordinator_is_mute_leaves_in_time),
        cmocka_unit_test(options_that_librdkafka_refuses_are_named),
        T(without_memory_nothing_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

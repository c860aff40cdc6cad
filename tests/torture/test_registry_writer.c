/* Commits to the registry, from the claim of a partition to the end of its writer, in transactions
 * of librdkafka's mock cluster: whatever fails, each commit is told of once, as committed only when
 * Kafka has its record, and a writer that is lost says so and has a successor. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/app/reconciler_writer.h"
#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"
#include "tests/support/mock_cluster.h"
#include "tests/torture/torture.h"

#define TOPIC "maesn.bridge.registry"

enum { CLAIMS_MAX = 4096 };
static const int64_t patience_ms = 30000;

/* A commit that was told to have worked, looked up when all is over: its key. */
static char claims[CLAIMS_MAX][CALLBACK_URL_KEY_SIZE];
static size_t claims_len;

/* What all runs share. */
static struct {
    struct mock_cluster *mock;
    struct cluster cluster;
    struct keyring *keyring;
    struct route_record route;
} shared;

struct stage {
    struct task_loop *loop;
    struct reconciler_writer *writer;
    enum status status; /* of what was asked for in the loop */
    atomic_bool is_claimed, is_lost;
    atomic_int told; /* how often */
    enum status outcome;
};

/* --- in the loop ------------------------------------------------------------------------------ */

static bool may_act(void *ctx, const char *account)
{
    (void)ctx, (void)account;
    return true;
}

static int32_t partition_of(void *ctx, const char *account)
{
    (void)ctx, (void)account;
    return 0;
}

static void on_claimed(void *ctx, int32_t partition)
{
    (void)partition;
    atomic_store(&((struct stage *)ctx)->is_claimed, true);
}

static void on_lost(void *ctx, int32_t partition, const struct diag *why)
{
    (void)partition, (void)why;
    atomic_store(&((struct stage *)ctx)->is_lost, true);
}

static void open_in_loop(void *ctx)
{
    struct stage *s = ctx;
    s->status = reconciler_writer_open(s->writer, 0);
}

static void close_in_loop(void *ctx)
{
    reconciler_writer_close(((struct stage *)ctx)->writer, 0);
}

static void on_committed(void *ctx, enum status status)
{
    struct stage *s = ctx;
    s->outcome = status;
    atomic_fetch_add(&s->told, 1);
}

static void commit_in_loop(void *ctx)
{
    struct stage *s = ctx;
    const struct registry_writer *port = reconciler_writer_port(s->writer);
    const struct registry_change change = {.route = &shared.route};
    s->status = port->commit(port->ctx, "acme-42", &change, 1, on_committed, s);
}

/* --- a commit --------------------------------------------------------------------------------- */

/* What does not happen. */
static const atomic_int not_told;
static const atomic_bool never;

static void await(const atomic_int *told, const atomic_bool *is_claimed, const atomic_bool *is_lost)
{
    int64_t until_mono_ms = clock_mono_ms() + patience_ms;
    while (atomic_load(told) == 0 && !atomic_load(is_claimed) && !atomic_load(is_lost)) {
        assert_true(clock_mono_ms() < until_mono_ms);
        poll(NULL, 0, 1);
    }
}

/* Returns whether the partition is ours. */
static bool claim(struct stage *s)
{
    atomic_store(&s->is_claimed, false);
    atomic_store(&s->is_lost, false);
    task_loop_call(s->loop, open_in_loop, s);
    if (s->status != STATUS_OK)
        return false;
    await(&not_told, &s->is_claimed, &s->is_lost);
    if (atomic_load(&s->is_claimed))
        return true;
    task_loop_call(s->loop, close_in_loop, s);
    return false;
}

/* Returns whether it is committed. */
static bool commit(struct stage *s)
{
    assert_true(claims_len < CLAIMS_MAX);
    shared.route.url.generation_unix_ms++;
    callback_url_key(&shared.route.url, claims[claims_len]);
    atomic_store(&s->told, 0);
    unsigned commits = torture_commits();
    task_loop_call(s->loop, commit_in_loop, s);
    if (s->status != STATUS_OK) {
        assert_int_equal(s->status, STATUS_BUSY);
        assert_int_equal(atomic_load(&s->told), 0);
        return false;
    }
    await(&s->told, &never, &s->is_lost);
    if (atomic_load(&s->told) == 0) { /* the loss was told first: closing tells the commit */
        task_loop_call(s->loop, close_in_loop, s);
        await(&s->told, &never, &never);
    }
    assert_int_equal(atomic_load(&s->told), 1);
    /* The mock cluster also shows what was not committed. */
    assert_true(s->outcome != STATUS_OK || torture_commits() > commits);
    claims_len += s->outcome == STATUS_OK;
    return s->outcome == STATUS_OK;
}

/* Until something has failed and a commit worked after it, or nothing is left to fail. */
static void use(struct stage *s)
{
    int64_t until_mono_ms = clock_mono_ms() + patience_ms;
    bool is_ours = claim(s), is_committed = false, had_failed = false;
    while (!is_committed || (!had_failed && torture_has_failed())) {
        assert_true(clock_mono_ms() < until_mono_ms);
        had_failed = torture_has_failed();
        is_committed = is_ours && commit(s);
        assert_true(is_committed || torture_has_failed());
        if (is_committed)
            continue;
        if (is_ours)
            task_loop_call(s->loop, close_in_loop, s);
        is_ours = claim(s);
    }
    task_loop_call(s->loop, close_in_loop, s);
}

/* --- the whole -------------------------------------------------------------------------------- */

static enum status open_writer(struct stage *s)
{
    const struct reconciler_writer_options options = {
        .loop = s->loop,
        .cluster = &shared.cluster,
        .topic = TOPIC,
        .ctx = s,
        .may_act = may_act,
        .partition_of = partition_of,
        .on_claimed = on_claimed,
        .on_lost = on_lost,
    };
    return reconciler_writer_new(&options, shared.keyring, &s->writer);
}

/* Whether a line of "partition key value" has this key. */
static bool holds(const char *dump, const char *key)
{
    size_t len = strlen(key);
    for (const char *at = dump; (at = strstr(at, key)) != NULL; at += len)
        if (at != dump && at[-1] == ' ' && at[len] == ' ')
            return true;
    return false;
}

static void check_claims(void)
{
    char *dump = mock_cluster_dump(shared.mock, TOPIC);
    for (size_t i = 0; i < claims_len; i++)
        if (!holds(dump, claims[i]))
            fail_msg("%s was said to be committed, and is not there", claims[i]);
    free(dump);
    claims_len = 0;
}

static void live(void *ctx)
{
    static struct stage s; /* also for the threads of a test that has failed */
    (void)ctx;
    memset(&s, 0, sizeof(s));
    torture_begin();
    enum status status = task_loop_new(&s.loop);
    if (status == STATUS_OK)
        status = open_writer(&s);
    assert_true(status == STATUS_OK || torture_has_failed());
    if (status == STATUS_OK)
        use(&s);
    if (s.loop != NULL)
        task_loop_stop(s.loop);
    reconciler_writer_free(s.writer);
    task_loop_free(s.loop);
    torture_pause();
    if (claims_len > CLAIMS_MAX / 2) /* a cluster does not keep all for ever */
        check_claims();
}

static void whatever_fails_from_the_claim_to_the_end(void **state)
{
    (void)state;
    torture(live, NULL, 60);
    check_claims();
}

static int set_up(void **state)
{
    static const char key[] =
        "k1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
    (void)state;
    torture_log();
    assert_int_equal(crypto_start(), STATUS_OK);
    assert_int_equal(keyring_parse(bytes_of_text(key), "keyring", &shared.keyring, NULL),
                     STATUS_OK);
    shared.mock = mock_cluster_new(1);
    mock_cluster_create_topic(shared.mock, TOPIC, 1);
    shared.cluster = (struct cluster){.brokers = mock_cluster_bootstrap(shared.mock),
                                      .sasl_password_file = "",
                                      .key_password_file = ""};
    shared.route = (struct route_record){.state = ROUTE_ACTIVE,
                                         .system = "xero",
                                         .public_base_url = "https://hooks.example.com",
                                         .provider_id = "7",
                                         .secret = "secret"};
    assert_true(
        specification_set(&shared.route.url.specification, "maesn", "acme-42", "INVOICE", NULL));
    shared.route.url.generation_unix_ms = 1795000000000;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    keyring_unref(shared.keyring);
    mock_cluster_free(shared.mock);
    return 0;
}

int main(int argc, char **argv)
{
    mock_cluster_main_if_asked(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(whatever_fails_from_the_claim_to_the_end, torture_teardown),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* The passes' writer over a fenced writer of this test's own: which transactions it makes of
 * commits, and what it tells of their end. */
#include "bridge/app/reconciler_writer.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"

#define PATIENCE_S 20

/* --- the fenced writer, by its own names: the library's is not linked ------------------------ */

struct fenced_writer {
    char unused;
};

/* All that happens, as text; and what is to happen. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char story[1024];
    enum fenced_writer_state state;
    enum fenced_writer_state state_after_write;
    enum status write_status;
    bool is_held; /* a write waits until it is not */
    struct fenced_writer writer;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void tell(const char *what)
{
    size_t len = strlen(world.story);
    snprintf(world.story + len, sizeof(world.story) - len, "%s ", what);
    pthread_cond_broadcast(&world.changed);
}

static void tell_locked(const char *what)
{
    pthread_mutex_lock(&world.lock);
    tell(what);
    pthread_mutex_unlock(&world.lock);
}

enum status fenced_writer_new(const struct fenced_writer_options *opt, struct fenced_writer **ret,
                              struct diag *diag)
{
    (void)diag;
    assert_int_equal(opt->partition, 3);
    world.state = FENCED_WRITER_UNCLAIMED;
    *ret = &world.writer;
    return STATUS_OK;
}

void fenced_writer_free(struct fenced_writer *w)
{
    (void)w;
}

enum fenced_writer_state fenced_writer_state(const struct fenced_writer *w)
{
    (void)w;
    pthread_mutex_lock(&world.lock);
    enum fenced_writer_state state = world.state;
    pthread_mutex_unlock(&world.lock);
    return state;
}

enum status fenced_writer_claim(struct fenced_writer *w, int64_t until_mono_ms, struct diag *diag)
{
    (void)w, (void)until_mono_ms, (void)diag;
    pthread_mutex_lock(&world.lock);
    world.state = FENCED_WRITER_READY;
    tell("claim");
    pthread_mutex_unlock(&world.lock);
    return STATUS_OK;
}

/* "write[acme-1,acme-2]"; a record of "unfit" is refused for good. */
enum status fenced_writer_write(struct fenced_writer *w,
                                const struct fenced_writer_record records[], size_t len,
                                int64_t until_mono_ms, struct diag *diag)
{
    (void)w, (void)until_mono_ms;
    char text[256] = "write[";
    bool is_unfit = false;
    for (size_t i = 0; i < len; i++) {
        size_t used = strlen(text), prefix = strlen("/account/");
        snprintf(text + used, sizeof(text) - used, "%s%.*s", i == 0 ? "" : ",",
                 (int)(records[i].key.len - prefix), (const char *)records[i].key.data + prefix);
        is_unfit |= memmem(records[i].key.data, records[i].key.len, "unfit", 5) != NULL;
    }
    pthread_mutex_lock(&world.lock);
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "]");
    tell(text);
    while (world.is_held)
        pthread_cond_wait(&world.changed, &world.lock);
    world.state = world.state_after_write;
    enum status status = is_unfit ? STATUS_INVALID : world.write_status;
    pthread_mutex_unlock(&world.lock);
    return status == STATUS_OK ? status : diag_set(diag, status, "the fake says so");
}

/* --- what it tells --------------------------------------------------------------------------- */

static bool may_act(void *ctx, const char *account)
{
    (void)ctx, (void)account;
    return true;
}

static int32_t partition_of(void *ctx, const char *account)
{
    (void)ctx, (void)account;
    return 3;
}

static void on_claimed(void *ctx, int32_t partition)
{
    (void)ctx;
    assert_int_equal(partition, 3);
    tell_locked("claimed");
}

static void on_lost(void *ctx, int32_t partition, const struct diag *why)
{
    (void)ctx, (void)partition;
    assert_string_equal(why->text, "the fake says so");
    tell_locked("lost");
}

static void on_done(void *account, enum status status)
{
    char text[128];
    snprintf(text, sizeof(text), "%s:%s", (const char *)account, status_name(status));
    tell_locked(text);
}

/* --- a writer, and what is asked of it in the loop's thread ---------------------------------- */

struct fixture {
    struct task_loop *loop;
    struct keyring *keyring;
    struct reconciler_writer *writer;
    const char *account; /* of commit() and cancel() */
    bool is_open;
};

static void open_partition(void *ctx)
{
    struct fixture *f = ctx;
    assert_int_equal(reconciler_writer_open(f->writer, 3), STATUS_OK);
    f->is_open = true;
}

static void close_partition(void *ctx)
{
    struct fixture *f = ctx;
    reconciler_writer_close(f->writer, 3);
    f->is_open = false;
}

static void commit_account(void *ctx)
{
    struct fixture *f = ctx;
    struct account_record record = {.provider = "maesn", .system = "xero"};
    snprintf(record.account, sizeof(record.account), "%s", f->account);
    const struct registry_change change = {.account = &record};
    const struct registry_writer *port = reconciler_writer_port(f->writer);
    assert_int_equal(port->commit(port->ctx, f->account, &change, 1, on_done, (void *)f->account),
                     STATUS_OK);
}

static void cancel_account(void *ctx)
{
    struct fixture *f = ctx;
    const struct registry_writer *port = reconciler_writer_port(f->writer);
    port->cancel(port->ctx, (void *)f->account);
}

static void commit(struct fixture *f, const char *account)
{
    f->account = account;
    task_loop_call(f->loop, commit_account, f);
}

static void await(const char *text)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&world.lock);
    int error = 0;
    while (strstr(world.story, text) == NULL && error == 0)
        error = pthread_cond_timedwait(&world.changed, &world.lock, &until);
    bool is_there = strstr(world.story, text) != NULL;
    pthread_mutex_unlock(&world.lock);
    if (!is_there)
        fail_msg("no \"%s\" in \"%s\"", text, world.story);
}

static void hold(bool is_held)
{
    pthread_mutex_lock(&world.lock);
    world.is_held = is_held;
    pthread_cond_broadcast(&world.changed);
    pthread_mutex_unlock(&world.lock);
}

static void let_write(enum status status, enum fenced_writer_state state_after)
{
    pthread_mutex_lock(&world.lock);
    world.write_status = status;
    world.state_after_write = state_after;
    pthread_mutex_unlock(&world.lock);
}

static int setup(void **state)
{
    static const char key[] =
        "k1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    assert_int_equal(keyring_parse(bytes_of_text(key), "keyring", &f->keyring, NULL), STATUS_OK);
    assert_int_equal(task_loop_new(&f->loop), STATUS_OK);
    const struct reconciler_writer_options opt = {
        .loop = f->loop,
        .topic = "maesn.bridge.registry",
        .may_act = may_act,
        .partition_of = partition_of,
        .on_claimed = on_claimed,
        .on_lost = on_lost,
    };
    assert_int_equal(reconciler_writer_new(&opt, f->keyring, &f->writer), STATUS_OK);
    world.story[0] = '\0';
    world.is_held = false;
    let_write(STATUS_OK, FENCED_WRITER_READY);
    task_loop_call(f->loop, open_partition, f);
    await("claim claimed ");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    hold(false);
    if (f->is_open)
        task_loop_call(f->loop, close_partition, f);
    task_loop_stop(f->loop);
    reconciler_writer_free(f->writer);
    task_loop_free(f->loop);
    keyring_unref(f->keyring);
    free(f);
    return 0;
}

/* --- the tests ------------------------------------------------------------------------------- */

static void commits_that_wait_for_the_writer_share_a_transaction(void **state)
{
    struct fixture *f = *state;
    hold(true);
    commit(f, "acme-1");
    await("write[acme-1]");
    commit(f, "acme-2");
    commit(f, "acme-3");
    hold(false);
    await("acme-3:");
    assert_non_null(strstr(world.story, "write[acme-2,acme-3] "));
    assert_non_null(strstr(world.story, "acme-1:ok "));
    assert_non_null(strstr(world.story, "acme-2:ok acme-3:ok "));
}

static void a_record_that_is_refused_for_good_is_told_to_its_own_account_only(void **state)
{
    struct fixture *f = *state;
    hold(true);
    commit(f, "acme-1");
    await("write[acme-1]");
    commit(f, "acme-2");
    commit(f, "unfit");
    hold(false);
    await("unfit:");
    const char *together = strstr(world.story, "write[acme-2,unfit] ");
    assert_non_null(together);
    assert_non_null(strstr(together, "write[acme-2] "));
    assert_non_null(strstr(world.story, "acme-2:ok "));
    assert_non_null(strstr(world.story, "unfit:busy "));
    commit(f, "acme-3"); /* the writer goes on */
    await("acme-3:ok ");
}

static void what_was_surely_not_written_is_busy_and_the_writer_goes_on(void **state)
{
    struct fixture *f = *state;
    let_write(STATUS_UNAVAILABLE, FENCED_WRITER_READY);
    commit(f, "acme-1");
    await("acme-1:busy ");
    let_write(STATUS_OK, FENCED_WRITER_READY);
    commit(f, "acme-1");
    await("acme-1:ok ");
    assert_null(strstr(world.story, "lost"));
}

static void lose_at(struct fixture *f, enum fenced_writer_state how)
{
    let_write(STATUS_UNAVAILABLE, how);
    hold(true);
    commit(f, "acme-1");
    await("write[acme-1]");
    commit(f, "acme-2");
    hold(false);
    await("lost ");
    task_loop_call(f->loop, close_partition, f);
    await("acme-2:");
    assert_non_null(strstr(world.story, "acme-1:unavailable "));
    assert_non_null(strstr(world.story, "acme-2:unavailable "));
    assert_null(strstr(world.story, "write[acme-2]"));
}

static void a_commit_whose_end_is_unknown_loses_the_partition(void **state)
{
    lose_at(*state, FENCED_WRITER_LOST);
}

static void a_fenced_writer_writes_nothing_more(void **state)
{
    lose_at(*state, FENCED_WRITER_FENCED);
}

static void a_commit_that_was_cancelled_is_not_told_of(void **state)
{
    struct fixture *f = *state;
    hold(true);
    commit(f, "acme-1");
    await("write[acme-1]");
    f->account = "acme-1";
    task_loop_call(f->loop, cancel_account, f);
    hold(false);
    commit(f, "acme-2");
    await("acme-2:ok ");
    assert_null(strstr(world.story, "acme-1:"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(commits_that_wait_for_the_writer_share_a_transaction),
        T(a_record_that_is_refused_for_good_is_told_to_its_own_account_only),
        T(what_was_surely_not_written_is_busy_and_the_writer_goes_on),
        T(a_commit_whose_end_is_unknown_loses_the_partition),
        T(a_fenced_writer_writes_nothing_more),
        T(a_commit_that_was_cancelled_is_not_told_of),
    };
    return crypto_start() == STATUS_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}

/* What the spool does when a part of it fails, or something else happens just then: a case each.
 * What a disk does to a real database is in tests/integration/test_spool_disk.c. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/spool/flush_time.h"
#include "bridge/spool/record_codec.h"
#include "bridge/spool/store.h"
#include "bridge/spool/store_reader.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/spool_fixture.h"

enum call { ENCODE, BEGIN, INSERT, DELETE, COMMIT, CHECKPOINT, SHRINK, READ, MEASURE, CALLS };

enum { ALWAYS = -1 };

static struct spool_fixture f;

static struct {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    enum status status[CALLS];
    int times[CALLS];        /* so many calls fail with it; ALWAYS */
    void (*meanwhile)(void); /* happens before this call, once */
    enum call meanwhile_at;
    bool is_closing; /* spool_close() waits for the writer */
} failures;

static void make_fail(enum call call, enum status status, int times)
{
    pthread_mutex_lock(&failures.lock);
    failures.status[call] = status;
    failures.times[call] = times;
    pthread_mutex_unlock(&failures.lock);
}

static void let_happen(void (*what)(void), enum call at)
{
    pthread_mutex_lock(&failures.lock);
    failures.meanwhile = what;
    failures.meanwhile_at = at;
    pthread_mutex_unlock(&failures.lock);
}

/* Whether this call fails, and how. */
static enum status judge(enum call call)
{
    enum status status = STATUS_OK;
    void (*happens)(void) = NULL;
    pthread_mutex_lock(&failures.lock);
    if (failures.meanwhile_at == call) {
        happens = failures.meanwhile;
        failures.meanwhile = NULL;
    }
    if (failures.times[call] != 0) {
        failures.times[call] -= failures.times[call] > 0;
        status = failures.status[call];
    }
    pthread_mutex_unlock(&failures.lock);
    if (happens != NULL)
        happens();
    return status;
}

/* Returns from the caller where the call fails. */
#define FAIL_IF_TOLD(call)                                                                         \
    do {                                                                                           \
        enum status told_ = judge(call);                                                           \
        if (told_ != STATUS_OK)                                                                    \
            return diag_set(diag, told_, "as the test wants it");                                  \
    } while (0)

/* --- what may fail: the names that ld's --wrap gives ------------------------------------------ */

enum status __real_record_codec_encode(const struct record *r, struct buf *ret);
enum status __wrap_record_codec_encode(const struct record *r, struct buf *ret);
enum status __real_store_begin(struct store *st, struct diag *diag);
enum status __wrap_store_begin(struct store *st, struct diag *diag);
enum status __real_store_insert(struct store *st, int64_t stored_at_unix_ms, size_t size,
                                const char *topic, struct bytes record, int64_t *ret_sequence,
                                struct diag *diag);
enum status __wrap_store_insert(struct store *st, int64_t stored_at_unix_ms, size_t size,
                                const char *topic, struct bytes record, int64_t *ret_sequence,
                                struct diag *diag);
enum status __real_store_delete(struct store *st, int64_t sequence, bool *ret_was_there,
                                struct diag *diag);
enum status __wrap_store_delete(struct store *st, int64_t sequence, bool *ret_was_there,
                                struct diag *diag);
enum status __real_store_commit(struct store *st, struct diag *diag);
enum status __wrap_store_commit(struct store *st, struct diag *diag);
enum status __real_store_checkpoint(struct store *st, bool is_whole, struct diag *diag);
enum status __wrap_store_checkpoint(struct store *st, bool is_whole, struct diag *diag);
enum status __real_store_shrink(struct store *st, struct diag *diag);
enum status __wrap_store_shrink(struct store *st, struct diag *diag);
enum status __real_store_reader_read(struct store_reader *r, const struct store_range *range,
                                     struct arena *a, struct store_page *ret, struct diag *diag);
enum status __wrap_store_reader_read(struct store_reader *r, const struct store_range *range,
                                     struct arena *a, struct store_page *ret, struct diag *diag);
enum status __real_flush_time_measure(const char *directory, int max_ms, double *ret_seconds,
                                      struct diag *diag);
enum status __wrap_flush_time_measure(const char *directory, int max_ms, double *ret_seconds,
                                      struct diag *diag);
int __real_pthread_join(pthread_t thread, void **ret);
int __wrap_pthread_join(pthread_t thread, void **ret);

enum status __wrap_record_codec_encode(const struct record *r, struct buf *ret)
{
    enum status told = judge(ENCODE);
    return told == STATUS_OK ? __real_record_codec_encode(r, ret) : told;
}

enum status __wrap_store_begin(struct store *st, struct diag *diag)
{
    FAIL_IF_TOLD(BEGIN);
    return __real_store_begin(st, diag);
}

enum status __wrap_store_insert(struct store *st, int64_t stored_at_unix_ms, size_t size,
                                const char *topic, struct bytes record, int64_t *ret_sequence,
                                struct diag *diag)
{
    FAIL_IF_TOLD(INSERT);
    return __real_store_insert(st, stored_at_unix_ms, size, topic, record, ret_sequence, diag);
}

enum status __wrap_store_delete(struct store *st, int64_t sequence, bool *ret_was_there,
                                struct diag *diag)
{
    FAIL_IF_TOLD(DELETE);
    return __real_store_delete(st, sequence, ret_was_there, diag);
}

enum status __wrap_store_commit(struct store *st, struct diag *diag)
{
    FAIL_IF_TOLD(COMMIT);
    return __real_store_commit(st, diag);
}

enum status __wrap_store_checkpoint(struct store *st, bool is_whole, struct diag *diag)
{
    FAIL_IF_TOLD(CHECKPOINT);
    return __real_store_checkpoint(st, is_whole, diag);
}

enum status __wrap_store_shrink(struct store *st, struct diag *diag)
{
    FAIL_IF_TOLD(SHRINK);
    return __real_store_shrink(st, diag);
}

/* What fails here is a row: reading goes on behind it. */
enum status __wrap_store_reader_read(struct store_reader *r, const struct store_range *range,
                                     struct arena *a, struct store_page *ret, struct diag *diag)
{
    if (judge(READ) == STATUS_OK)
        return __real_store_reader_read(r, range, a, ret, diag);
    *ret = (struct store_page){.damage = {.sequence = range->after + 1}};
    return STATUS_OK;
}

enum status __wrap_flush_time_measure(const char *directory, int max_ms, double *ret_seconds,
                                      struct diag *diag)
{
    FAIL_IF_TOLD(MEASURE);
    return __real_flush_time_measure(directory, max_ms, ret_seconds, diag);
}

int __wrap_pthread_join(pthread_t thread, void **ret)
{
    pthread_mutex_lock(&failures.lock);
    failures.is_closing = true;
    pthread_cond_broadcast(&failures.changed);
    pthread_mutex_unlock(&failures.lock);
    return __real_pthread_join(thread, ret);
}

/* --- fixture ---------------------------------------------------------------------------------- */

static int setup(void **state)
{
    (void)state;
    memset(&failures, 0, sizeof(failures));
    pthread_mutex_init(&failures.lock, NULL);
    pthread_cond_init(&failures.changed, NULL);
    spool_fixture_init(&f);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    spool_fixture_done(&f);
    return 0;
}

static bool is_healthy(struct spool *s)
{
    return spool_is_healthy(s, NULL);
}

static bool is_empty(struct spool *s)
{
    return spool_records(s) == 0;
}

static bool has_deleted(const char *records)
{
    char value[32];
    return strcmp(test_metric(f.metrics, "maesn_bridge_spool_deleted_records_total", value),
                  records) == 0;
}

static bool has_deleted_one(struct spool *s)
{
    (void)s;
    return has_deleted("1");
}

static bool has_deleted_two(struct spool *s)
{
    (void)s;
    return has_deleted("2");
}

static bool has_deleted_2000(struct spool *s)
{
    (void)s;
    return has_deleted("2000");
}

static void delete_row(int64_t sequence)
{
    assert_int_equal(spool_delete(f.spool, &sequence, 1), STATUS_OK);
}

/* --- a transaction ---------------------------------------------------------------------------- */

static void a_call_that_fails_is_told_and_the_spool_goes_on(void **state)
{
    (void)state;
    static const struct {
        enum call call;
        enum status status;
        enum spool_outcome outcome;
    } rows[] = {
        {ENCODE, STATUS_NOMEM, SPOOL_FAILED},
        /* nothing was committed, and it is the same database */
        {BEGIN, STATUS_NOMEM, SPOOL_FAILED},
        {INSERT, STATUS_NOMEM, SPOOL_FAILED},
        /* the disk is full: it is tried again after a while */
        {BEGIN, STATUS_BUSY, SPOOL_FULL},
        {INSERT, STATUS_BUSY, SPOOL_FULL},
        /* it is closed, and opened again */
        {BEGIN, STATUS_UNAVAILABLE, SPOOL_FAILED},
        {INSERT, STATUS_UNAVAILABLE, SPOOL_FAILED},
        {COMMIT, STATUS_UNAVAILABLE, SPOOL_FAILED},
        {COMMIT, STATUS_BUSY, SPOOL_FAILED},
        {COMMIT, STATUS_NOMEM, SPOOL_FAILED},
    };
    struct buf kept;
    buf_init(&kept, 4096);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        make_fail(rows[i].call, rows[i].status, 1);
        assert_int_equal(test_put(f.spool, &f.wait, "lost", 1, 10), rows[i].outcome);
        test_eventually(is_healthy, f.spool);
        assert_int_equal(test_put(f.spool, &f.wait, "kept", 1, 10), SPOOL_STORED);
        buf_append_text(&kept, "kept-0 ");
    }
    test_assert_ids(f.spool, buf_text(&kept));
    buf_done(&kept);
}

static struct test_entry *others[2];

static void put_two_of_which_the_first_fails(void)
{
    make_fail(INSERT, STATUS_NOMEM, 1);
    for (size_t i = 0; i < 2; i++) {
        others[i] = test_entry_new(&f.wait, "other", 1, 10);
        assert_int_equal(spool_put(f.spool, &others[i]->entry), STATUS_OK);
    }
}

static void what_is_stored_together_fails_together(void **state)
{
    (void)state;
    let_happen(put_two_of_which_the_first_fails, COMMIT); /* so that the two wait */
    assert_int_equal(test_put(f.spool, &f.wait, "a", 1, 10), SPOOL_STORED);
    test_wait_for(&f.wait, 3);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(others[i]->outcome, SPOOL_FAILED);
        test_entry_unref(others[i]);
    }
    test_assert_ids(f.spool, "a-0 ");
}

static void put_another(void)
{
    others[0] = test_entry_new(&f.wait, "other", 1, 10);
    assert_int_equal(spool_put(f.spool, &others[0]->entry), STATUS_OK);
}

static void what_waited_when_the_disk_was_full_is_tried_all_the_same(void **state)
{
    (void)state;
    make_fail(INSERT, STATUS_BUSY, 1);
    let_happen(put_another, INSERT);
    assert_int_equal(test_put(f.spool, &f.wait, "a", 1, 10), SPOOL_FULL);
    test_wait_for(&f.wait, 2);
    assert_int_equal(others[0]->outcome, SPOOL_STORED);
    test_entry_unref(others[0]);
    test_eventually(is_healthy, f.spool);
    test_assert_ids(f.spool, "other-0 ");
}

/* --- opening and closing ---------------------------------------------------------------------- */

static void a_database_that_takes_nothing_is_opened_and_tried_until_it_does(void **state)
{
    (void)state;
    static const struct {
        enum call call;
        enum status status, put;
    } rows[] = {
        {BEGIN, STATUS_BUSY, STATUS_BUSY},
        {BEGIN, STATUS_UNAVAILABLE, STATUS_UNAVAILABLE},
        {COMMIT, STATUS_UNAVAILABLE, STATUS_UNAVAILABLE},
        {CHECKPOINT, STATUS_UNAVAILABLE, STATUS_UNAVAILABLE},
    };
    assert_int_equal(test_put(f.spool, &f.wait, "a", 2, 10), SPOOL_STORED);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        spool_close(f.spool);
        make_fail(rows[i].call, rows[i].status, ALWAYS);
        spool_fixture_open(&f, 0);
        size_t changes = f.wait.changes;
        struct diag diag = {0};
        assert_false(spool_is_healthy(f.spool, &diag));
        assert_string_equal(diag.text, "as the test wants it");
        struct test_entry *e = test_entry_new(&f.wait, "b", 1, 10);
        assert_int_equal(spool_put(f.spool, &e->entry), rows[i].put);
        test_entry_unref(e);
        make_fail(rows[i].call, STATUS_OK, 0);
        test_wait_for_changes(&f.wait, changes + 1); /* who empties it hears that it is back */
        test_eventually(is_healthy, f.spool);
        test_assert_ids(f.spool, "a-0 a-1 ");
    }
}

static void what_fails_at_the_end_loses_nothing(void **state)
{
    (void)state;
    static const enum status statuses[] = {STATUS_NOMEM, STATUS_BUSY, STATUS_UNAVAILABLE};
    static const enum call calls[] = {SHRINK, CHECKPOINT};
    assert_int_equal(test_put(f.spool, &f.wait, "a", 2, 10), SPOOL_STORED);
    for (size_t i = 0; i < 6; i++) {
        make_fail(calls[i / 3], statuses[i % 3], ALWAYS);
        spool_close(f.spool);
        make_fail(calls[i / 3], STATUS_OK, 0);
        spool_fixture_open(&f, 0);
        assert_true(is_healthy(f.spool));
        test_assert_ids(f.spool, "a-0 a-1 ");
    }
}

static void a_disk_whose_time_cannot_be_measured_is_used(void **state)
{
    (void)state;
    spool_close(f.spool);
    make_fail(MEASURE, STATUS_UNAVAILABLE, 1);
    spool_fixture_open(&f, 0);
    assert_int_equal(test_put(f.spool, &f.wait, "a", 1, 10), SPOOL_STORED);
}

static void wait_for_the_closing(void)
{
    pthread_mutex_lock(&failures.lock);
    while (!failures.is_closing)
        pthread_cond_wait(&failures.changed, &failures.lock);
    pthread_mutex_unlock(&failures.lock);
}

static struct test_entry *late;
static enum status put_late;

static void put_one_more(struct spool_entry *entry, enum spool_outcome outcome)
{
    struct test_entry *e = (struct test_entry *)entry;
    e->outcome = outcome;
    put_late = spool_put(f.spool, &late->entry);
}

static void while_it_closes_nothing_more_is_taken(void **state)
{
    (void)state;
    struct test_entry *e = test_entry_new(&f.wait, "a", 1, 10);
    late = test_entry_new(&f.wait, "late", 1, 10);
    e->entry.on_end = put_one_more;
    put_late = STATUS_OK;
    let_happen(wait_for_the_closing, COMMIT);
    assert_int_equal(spool_put(f.spool, &e->entry), STATUS_OK);
    spool_close(f.spool);
    assert_int_equal(e->outcome, SPOOL_STORED);
    assert_int_equal(put_late, STATUS_UNAVAILABLE);
    test_entry_unref(e);
    test_entry_unref(late);
    spool_fixture_open(&f, 0);
    test_assert_ids(f.spool, "a-0 ");
}

/* --- its size --------------------------------------------------------------------------------- */

static void a_spool_of_any_quota_takes_a_record(void **state)
{
    (void)state;
    static const uint64_t quotas[] = {100000, 1 << 20, 128 << 20};
    for (size_t i = 0; i < sizeof(quotas) / sizeof(quotas[0]); i++) {
        spool_close(f.spool);
        spool_fixture_open(&f, quotas[i]);
        assert_int_equal(test_put(f.spool, &f.wait, "a", 1, 10), SPOOL_STORED);
    }
    test_assert_ids(f.spool, "a-0 a-0 a-0 ");
}

static void a_spool_that_holds_more_than_its_quota_takes_nothing_and_gives_everything(void **state)
{
    (void)state;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 3, 100000), SPOOL_STORED);
    spool_close(f.spool);
    spool_fixture_open(&f, 200 << 10);
    struct test_entry *e = test_entry_new(&f.wait, "b", 1, 10);
    assert_int_equal(spool_put(f.spool, &e->entry), STATUS_BUSY);
    test_entry_unref(e);
    test_assert_ids(f.spool, "a-0 a-1 a-2 ");
    delete_row(1);
    delete_row(2);
    test_eventually(is_healthy, f.spool);
    assert_int_equal(test_put(f.spool, &f.wait, "b", 1, 10), SPOOL_STORED);
    test_assert_ids(f.spool, "a-2 b-0 ");
}

static void nobody_has_to_be_told(void **state)
{
    (void)state;
    spool_close(f.spool);
    f.spool = test_spool_open(f.directory, 0, f.metrics, NULL);
    assert_int_equal(test_put(f.spool, &f.wait, "a", 1, 10), SPOOL_STORED);
    test_assert_ids(f.spool, "a-0 ");
}

/* --- deleting --------------------------------------------------------------------------------- */

static void what_could_not_be_deleted_is_deleted_when_the_disk_is_back(void **state)
{
    (void)state;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 3, 10), SPOOL_STORED);
    make_fail(DELETE, STATUS_UNAVAILABLE, 1);
    assert_int_equal(spool_delete(f.spool, (const int64_t[]){1, 2}, 2), STATUS_OK);
    test_eventually(has_deleted_two, f.spool);
    test_assert_ids(f.spool, "a-2 ");
}

/* A transaction deletes 1024. */
static void any_number_may_be_deleted_at_once(void **state)
{
    (void)state;
    static int64_t sequences[2000];
    for (int64_t i = 0; i < 2000; i++)
        sequences[i] = i + 1;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 2000, 10), SPOOL_STORED);
    assert_int_equal(spool_delete(f.spool, sequences, 2000), STATUS_OK);
    test_eventually(has_deleted_2000, f.spool);
    test_eventually(is_empty, f.spool);
    test_assert_ids(f.spool, "");
}

static void what_is_not_there_or_deleted_already_is_not_counted(void **state)
{
    (void)state;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 2, 10), SPOOL_STORED);
    assert_int_equal(spool_delete(f.spool, NULL, 0), STATUS_OK);
    assert_int_equal(spool_delete(f.spool, (const int64_t[]){1, 99, 1}, 3), STATUS_OK);
    /* with the same transaction as the three */
    assert_int_equal(test_put(f.spool, &f.wait, "b", 1, 10), SPOOL_STORED);
    delete_row(1);
    assert_int_equal(test_put(f.spool, &f.wait, "c", 1, 10), SPOOL_STORED);
    test_assert_ids(f.spool, "a-1 b-0 c-0 ");
    assert_int_equal(spool_records(f.spool), 3);
    spool_fixture_assert_metric(&f, "maesn_bridge_spool_deleted_records_total", "1");
}

static void delete_one_and_withdraw_another(void)
{
    delete_row(1);
    others[0] = test_entry_new(&f.wait, "other", 1, 10);
    spool_withdraw(&others[0]->entry);
    assert_int_equal(spool_put(f.spool, &others[0]->entry), STATUS_OK);
}

static void what_is_deleted_goes_together_with_what_is_withdrawn(void **state)
{
    (void)state;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 2, 10), SPOOL_STORED);
    let_happen(delete_one_and_withdraw_another, COMMIT);
    assert_int_equal(test_put(f.spool, &f.wait, "b", 1, 10), SPOOL_STORED);
    test_wait_for(&f.wait, 3);
    assert_int_equal(others[0]->outcome, SPOOL_WITHDRAWN);
    test_entry_unref(others[0]);
    test_eventually(has_deleted_one, f.spool);
    test_assert_ids(f.spool, "a-1 b-0 ");
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The sequence of the first record that is read; 0: none is. */
static enum status read_first(size_t max, long failing_allocation, bool *ret_failed,
                              int64_t *ret_sequence)
{
    struct arena *a = arena_new(1 << 20);
    struct spooled_record *records = NULL;
    size_t len = 0;
    assert_non_null(a);
    alloc_fail_at(failing_allocation);
    enum status status = spool_read(f.spool, 0, max, 1 << 20, a, &records, &len);
    *ret_failed = alloc_fail_end();
    *ret_sequence = len == 0 ? 0 : records[0].sequence;
    arena_free(a);
    return status;
}

/* A full disk keeps what is deleted from going. */
static void what_waits_to_be_deleted_is_not_read(void **state)
{
    (void)state;
    bool failed = true;
    int64_t first;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 4, 10), SPOOL_STORED);
    make_fail(BEGIN, STATUS_BUSY, ALWAYS);
    assert_int_equal(test_put(f.spool, &f.wait, "b", 1, 10), SPOOL_FULL);
    delete_row(3);
    delete_row(1);
    for (long n = 0; failed; n++) {
        enum status status = read_first(2, n, &failed, &first);
        assert_true(status == STATUS_OK || (failed && status == STATUS_NOMEM));
        assert_int_equal(first, status == STATUS_OK ? 2 : 0);
    }
    delete_row(2); /* now a whole page waits */
    assert_int_equal(read_first(2, 1000, &failed, &first), STATUS_OK);
    assert_int_equal(first, 4);
    test_assert_ids(f.spool, "a-3 ");
    make_fail(BEGIN, STATUS_OK, 0);
    test_eventually(is_healthy, f.spool);
    test_assert_ids(f.spool, "a-3 ");
}

static void a_damaged_row_that_cannot_be_noted_for_lack_of_memory_stays(void **state)
{
    (void)state;
    bool failed;
    int64_t first;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 1, 10), SPOOL_STORED);
    test_assert_ids(f.spool, "a-0 "); /* what reads it is open */
    make_fail(READ, STATUS_INVALID, 1);
    assert_int_equal(read_first(10, 0, &failed, &first), STATUS_NOMEM);
    assert_true(failed);
    test_assert_ids(f.spool, "a-0 ");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_call_that_fails_is_told_and_the_spool_goes_on),
        TEST(what_is_stored_together_fails_together),
        TEST(what_waited_when_the_disk_was_full_is_tried_all_the_same),
        TEST(a_database_that_takes_nothing_is_opened_and_tried_until_it_does),
        TEST(what_fails_at_the_end_loses_nothing),
        TEST(a_disk_whose_time_cannot_be_measured_is_used),
        TEST(while_it_closes_nothing_more_is_taken),
        TEST(a_spool_of_any_quota_takes_a_record),
        TEST(a_spool_that_holds_more_than_its_quota_takes_nothing_and_gives_everything),
        TEST(nobody_has_to_be_told),
        TEST(what_could_not_be_deleted_is_deleted_when_the_disk_is_back),
        TEST(any_number_may_be_deleted_at_once),
        TEST(what_is_not_there_or_deleted_already_is_not_counted),
        TEST(what_is_deleted_goes_together_with_what_is_withdrawn),
        TEST(what_waits_to_be_deleted_is_not_read),
        TEST(a_damaged_row_that_cannot_be_noted_for_lack_of_memory_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A spool from its opening to its end: whatever fails, what was said to be stored is there when it
 * is opened again, and what was said not to be is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"
#include "tests/support/spool_fixture.h"
#include "tests/torture/sqlite_calls.h"
#include "tests/torture/torture.h"

enum { ENTRIES = 3, RECORDS = 2 };

DEFINE_CLEANUP(struct arena *, arena_free)

struct stage {
    char directory[64];
    struct metrics *metrics;
    struct test_wait wait;
    struct test_entry *entries[ENTRIES];
    bool is_stored[ENTRIES], is_refused[ENTRIES];
    bool has_before; /* a record of an earlier opening */
    int64_t deleted; /* a sequence that was handed to spool_delete() */
};

static void stage_init(struct stage *s, bool has_before)
{
    static const char *const names[ENTRIES] = {"first", "second", "third"};
    memset(s, 0, sizeof(*s));
    spool_fixture_make_directory(s->directory);
    assert_int_equal(metrics_new(&s->metrics), STATUS_OK);
    test_wait_init(&s->wait);
    for (size_t i = 0; i < ENTRIES; i++)
        s->entries[i] = test_entry_new(&s->wait, names[i], RECORDS, 3000);
    s->has_before = has_before;
    if (!has_before)
        return;
    struct spool *spool = test_spool_open(s->directory, 0, s->metrics, NULL);
    struct test_wait wait;
    test_wait_init(&wait);
    assert_int_equal(test_put(spool, &wait, "before", 1, 3000), SPOOL_STORED);
    spool_close(spool);
    metrics_free(s->metrics);
    assert_int_equal(metrics_new(&s->metrics), STATUS_OK);
}

static void stage_done(struct stage *s)
{
    for (size_t i = 0; i < ENTRIES; i++)
        test_entry_unref(s->entries[i]);
    metrics_free(s->metrics);
    spool_fixture_remove_directory(s->directory);
}

static void put(struct stage *s, struct spool *spool, size_t i)
{
    size_t ended = s->wait.ended;
    enum status status = spool_put(spool, &s->entries[i]->entry);
    s->is_refused[i] = status != STATUS_OK;
    if (s->is_refused[i]) {
        assert_true(torture_has_failed());
        return;
    }
    test_wait_for(&s->wait, ended + 1);
    enum spool_outcome outcome = s->entries[i]->outcome;
    s->is_stored[i] = outcome == SPOOL_STORED;
    s->is_refused[i] = outcome == SPOOL_FULL;
    assert_true(s->is_stored[i] || torture_has_failed());
}

/* Reads, and hands the first record in to be deleted. */
static void read_and_delete(struct stage *s, struct spool *spool, struct arena *a)
{
    struct spooled_record *records = NULL;
    size_t len = 0;
    enum status status = spool_read(spool, 0, 100, 1 << 20, a, &records, &len);
    assert_true(status == STATUS_OK || torture_has_failed());
    if (status != STATUS_OK || len == 0)
        return;
    s->deleted = records[0].sequence;
    status = spool_delete(spool, &s->deleted, 1);
    assert_true(status == STATUS_OK || torture_has_failed());
}

static void use(struct stage *s, struct spool *spool, struct arena *a)
{
    put(s, spool, 0);
    put(s, spool, 1);
    read_and_delete(s, spool, a);
    put(s, spool, 2);
}

/* The first record stored is the only one that may have been deleted. */
static void check_kept(const struct stage *s, const char *ids)
{
    bool may_lack = s->deleted != 0;
    if (s->has_before) {
        if (!may_lack && strstr(ids, "before-0 ") == NULL)
            fail_msg("before-0 was there, and only %sare", ids);
        may_lack = false;
    }
    for (size_t i = 0; i < ENTRIES; i++) {
        for (unsigned n = 0; n < RECORDS; n++) {
            char id[64];
            snprintf(id, sizeof(id), "%s-%u ", s->entries[i]->name, n);
            bool is_there = strstr(ids, id) != NULL;
            if (!is_there && s->is_stored[i] && !may_lack)
                fail_msg("%swas said to be stored, and only %sare there", id, ids);
            if (is_there && s->is_refused[i])
                fail_msg("%swas refused, and of %sit is one", id, ids);
            may_lack &= !is_there && !s->is_stored[i];
        }
    }
}

static void scenario(void *ctx)
{
    static struct stage s; /* also for the threads of a test that has failed */
    stage_init(&s, *(const bool *)ctx);
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(1 << 20);
    struct spool *spool = NULL;
    struct diag diag = {0};
    const struct spool_options options = {.directory = s.directory,
                                          .max_bytes = 64 << 20,
                                          .metrics = s.metrics,
                                          .ctx = &s.wait,
                                          .on_change = test_wait_on_change};
    torture_begin();
    enum status status = spool_open(&options, &spool, &diag);
    assert_true(status == STATUS_OK || torture_has_failed());
    if (status == STATUS_OK)
        use(&s, spool, a);
    spool_close(spool);
    torture_pause();

    metrics_free(s.metrics);
    assert_int_equal(metrics_new(&s.metrics), STATUS_OK);
    spool = test_spool_open(s.directory, 0, s.metrics, NULL);
    char *ids = test_spool_ids(spool);
    check_kept(&s, ids);
    free(ids);
    spool_close(spool);
    stage_done(&s);
}

static void a_spool_that_is_new(void **state)
{
    (void)state;
    torture(scenario, &(bool){false}, 80);
}

static void a_spool_that_holds_records(void **state)
{
    (void)state;
    torture(scenario, &(bool){true}, 80);
}

static int start(void **state)
{
    (void)state;
    torture_log();
    sqlite_calls_start();
    return 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, torture_teardown)
    const struct CMUnitTest tests[] = {
        T(a_spool_that_is_new),
        T(a_spool_that_holds_records),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}

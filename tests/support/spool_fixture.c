#include "tests/support/spool_fixture.h"

#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/clock.h"

void spool_fixture_make_directory(char ret[64])
{
    snprintf(ret, 64, "spool-XXXXXX");
    assert_non_null(mkdtemp(ret));
}

void spool_fixture_remove_directory(const char *directory)
{
    DIR *d = opendir(directory);
    assert_non_null(d);
    for (const struct dirent *entry; (entry = readdir(d)) != NULL;)
        if (entry->d_name[0] != '.')
            assert_int_equal(unlinkat(dirfd(d), entry->d_name, 0), 0);
    closedir(d);
    assert_int_equal(rmdir(directory), 0);
}

/* --- waiting -------------------------------------------------------------------------------- */

void test_wait_init(struct test_wait *w)
{
    *w = (struct test_wait){0};
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
}

static void wait_until(struct test_wait *w, const size_t *count, size_t expected)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 60;
    pthread_mutex_lock(&w->lock);
    while (*count < expected)
        assert_int_equal(pthread_cond_timedwait(&w->changed, &w->lock, &deadline), 0);
    pthread_mutex_unlock(&w->lock);
}

void test_wait_for(struct test_wait *w, size_t ended)
{
    wait_until(w, &w->ended, ended);
}

void test_wait_for_changes(struct test_wait *w, size_t changes)
{
    wait_until(w, &w->changes, changes);
}

static void count(struct test_wait *w, size_t *what)
{
    pthread_mutex_lock(&w->lock);
    ++*what;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void test_wait_on_change(void *wait)
{
    struct test_wait *w = wait;
    count(w, &w->changes);
}

void test_eventually(bool (*is)(struct spool *s), struct spool *s)
{
    int64_t until = clock_mono_ms() + 20000;
    while (!is(s)) {
        assert_true(clock_mono_ms() < until);
        poll(NULL, 0, 2);
    }
}

void test_assert_ids(struct spool *s, const char *expected)
{
    char *ids = test_spool_ids(s);
    assert_string_equal(ids, expected);
    free(ids);
}

const char *test_metric(struct metrics *m, const char *series, char ret[32])
{
    struct buf text;
    char start[128];
    buf_init(&text, 1 << 20);
    metrics_print(m, &text);
    snprintf(start, sizeof(start), "\n%s ", series);
    const char *found = strstr(buf_text(&text), start);
    found = found == NULL ? "?" : found + strlen(start);
    snprintf(ret, 32, "%.*s", (int)strcspn(found, "\n"), found);
    buf_done(&text);
    return ret;
}

/* --- publications --------------------------------------------------------------------------- */

static void on_end(struct spool_entry *entry, enum spool_outcome outcome)
{
    struct test_entry *e = (struct test_entry *)entry;
    e->outcome = outcome;
    count(e->wait, &e->wait->ended);
}

static void on_release(struct publication *pub)
{
    struct test_entry *e = pub->owner;
    arena_free(pub->arena);
    free(e);
}

static void fill_record(struct arena *a, struct record *r, const char *name, size_t index,
                        size_t padding)
{
    char *id = arena_printf(a, "%s-%zu", name, index);
    char *value = arena_printf(a, "%s %*s", id, (int)padding, "");
    assert_non_null(id);
    assert_non_null(value);
    *r = (struct record){.topic = "maesn.invoice",
                         .key = BYTES_LITERAL("INVOICE:acme"),
                         .value = bytes_of_text(value),
                         .account = "acme"};
    record_add_header(r, "ce_id", bytes_of_text(id));
}

struct test_entry *test_entry_new(struct test_wait *w, const char *name, size_t records,
                                  size_t padding)
{
    struct test_entry *e = calloc(1, sizeof(*e));
    assert_non_null(e);
    publication_init(&e->pub);
    e->pub.owner = e;
    e->pub.on_release = on_release;
    e->pub.arena = arena_new(SIZE_MAX);
    assert_non_null(e->pub.arena);
    e->pub.records = arena_alloc(e->pub.arena, (records + 1) * sizeof(struct record));
    assert_non_null(e->pub.records);
    e->pub.records_len = records;
    for (size_t i = 0; i < records; i++)
        fill_record(e->pub.arena, &e->pub.records[i], name, i, padding);
    snprintf(e->name, sizeof(e->name), "%s", name);
    e->wait = w;
    e->entry.pub = &e->pub;
    e->entry.on_end = on_end;
    return e;
}

void test_entry_unref(struct test_entry *entry)
{
    publication_unref(&entry->pub);
}

enum spool_outcome test_put(struct spool *s, struct test_wait *w, const char *name, size_t records,
                            size_t padding)
{
    struct test_entry *e = test_entry_new(w, name, records, padding);
    size_t ended = w->ended;
    assert_int_equal(spool_put(s, &e->entry), STATUS_OK);
    test_wait_for(w, ended + 1);
    enum spool_outcome outcome = e->outcome;
    test_entry_unref(e);
    return outcome;
}

/* --- the spool ------------------------------------------------------------------------------ */

struct spool *test_spool_open(const char *directory, uint64_t max_bytes, struct metrics *m,
                              struct test_wait *w)
{
    struct spool *s = NULL;
    struct diag diag = {0};
    const struct spool_options options = {
        .directory = directory,
        .max_bytes = max_bytes == 0 ? 64 << 20 : max_bytes,
        .metrics = m,
        .ctx = w,
        .on_change = w == NULL ? NULL : test_wait_on_change,
    };
    if (spool_open(&options, &s, &diag) != STATUS_OK)
        fail_msg("%s", diag.text);
    return s;
}

static int64_t append_ids(struct arena *a, struct spool *s, int64_t after, struct buf *ids)
{
    struct spooled_record *records = NULL;
    size_t len = 0;
    assert_int_equal(spool_read(s, after, 100, 1 << 20, a, &records, &len), STATUS_OK);
    for (size_t i = 0; i < len; i++) {
        struct bytes id = record_header(&records[i].record, "ce_id");
        struct bytes value = records[i].record.value;
        assert_true(value.len > id.len && memcmp(value.data, id.data, id.len) == 0);
        assert_true(records[i].sequence > after);
        after = records[i].sequence;
        buf_append_bytes(ids, id);
        buf_append_text(ids, " ");
    }
    return len == 0 ? 0 : after;
}

char *test_spool_ids(struct spool *s)
{
    struct buf ids;
    buf_init(&ids, SIZE_MAX / 4);
    int64_t after = 0;
    do {
        struct arena *a = arena_new(SIZE_MAX / 4);
        assert_non_null(a);
        after = append_ids(a, s, after, &ids);
        arena_free(a);
    } while (after != 0);
    assert_int_equal(ids.status, STATUS_OK);
    char *copy = strdup(buf_text(&ids));
    assert_non_null(copy);
    buf_done(&ids);
    return copy;
}

/* --- all of it ------------------------------------------------------------------------------ */

void spool_fixture_init(struct spool_fixture *f)
{
    *f = (struct spool_fixture){0};
    spool_fixture_make_directory(f->directory);
    snprintf(f->database, sizeof(f->database), "%s/spool.db", f->directory);
    test_wait_init(&f->wait);
    assert_int_equal(metrics_new(&f->metrics), STATUS_OK);
    spool_fixture_open(f, 0);
}

void spool_fixture_done(struct spool_fixture *f)
{
    spool_close(f->spool);
    metrics_free(f->metrics);
    spool_fixture_remove_directory(f->directory);
}

void spool_fixture_open(struct spool_fixture *f, uint64_t max_bytes)
{
    f->spool = test_spool_open(f->directory, max_bytes, f->metrics, &f->wait);
}

void spool_fixture_assert_metric(struct spool_fixture *f, const char *series, const char *expected)
{
    char value[32];
    assert_string_equal(test_metric(f->metrics, series, value), expected);
}

/* A spool in a directory of its own, and publications to put into it. */
#pragma once

#include <pthread.h>

#include "bridge/spool/spool.h"

/* Makes a directory below the working directory; the other one takes it and its files away. */
void spool_fixture_make_directory(char ret[64]);
void spool_fixture_remove_directory(const char *directory);

/* A publication whose records tell who they are: its topic is "maesn.invoice", its key
 * "INVOICE:acme", its value "<name>-<index>" and padding, its header ce_id "<name>-<index>". */
struct test_entry {
    struct spool_entry entry; /* first: the one on_end gets */
    struct publication pub;
    struct test_wait *wait;
    enum spool_outcome outcome;
    char name[48];
};

/* Where the outcomes are waited for. */
struct test_wait {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t ended;
    size_t changes; /* calls of on_change: pass the test_wait as ctx */
};

void test_wait_init(struct test_wait *w);
void test_wait_for(struct test_wait *w, size_t ended);
void test_wait_for_changes(struct test_wait *w, size_t changes);
void test_wait_on_change(void *wait);

/* Owns: freed when the spool and the caller (test_entry_unref()) let it go. */
struct test_entry *test_entry_new(struct test_wait *w, const char *name, size_t records,
                                  size_t padding);
void test_entry_unref(struct test_entry *entry);

/* Puts one, waits for its end, and returns its outcome. */
enum spool_outcome test_put(struct spool *s, struct test_wait *w, const char *name, size_t records,
                            size_t padding);

/* Opens it; asserts that this works. max_bytes 0: 64 MiB. */
struct spool *test_spool_open(const char *directory, uint64_t max_bytes, struct metrics *m,
                              struct test_wait *w);

/* A spool of 64 MiB that is open, and what it needs. */
struct spool_fixture {
    char directory[64];
    char database[96]; /* the path of its file */
    struct metrics *metrics;
    struct test_wait wait; /* for its changes, and for the entries' ends */
    struct spool *spool;   /* a test that closes it sets NULL, or opens another */
};

void spool_fixture_init(struct spool_fixture *f);
void spool_fixture_done(struct spool_fixture *f);

/* Opens its spool, which must have been closed, with another limit; max_bytes 0: 64 MiB. */
void spool_fixture_open(struct spool_fixture *f, uint64_t max_bytes);

/* Asserts what a scrape prints for the series. */
void spool_fixture_assert_metric(struct spool_fixture *f, const char *series, const char *expected);

/* The ce_ids of all records, oldest first, each followed by a blank; asserts that values agree. The
 * caller frees it. */
char *test_spool_ids(struct spool *s);
void test_assert_ids(struct spool *s, const char *expected);

/* The value of a series as a scrape prints it: "maesn_bridge_spool_records"; "?" if there is none.
 */
const char *test_metric(struct metrics *m, const char *series, char ret[32]);

/* Polls until it is true; asserts that it becomes so within 20 seconds. */
void test_eventually(bool (*is)(struct spool *s), struct spool *s);

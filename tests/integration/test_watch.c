/* The watcher over real directories, changed as people and the kubelet change them. */
#include "bridge/app/watch.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/clock.h"

/* Within this any change must be told. */
static const int patience_ms = 20000;

/* An interval at which the comparison alone finds nothing during a test, and one at which it does.
 */
static const int64_t never_ms = 600000, soon_ms = 50;

static char root[64]; /* a directory of the test's own */

static const char *in_root(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
    return path;
}

static void put(const char *name, const char *content)
{
    int fd = open(in_root(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

static void make_directory(const char *name)
{
    assert_int_equal(mkdir(in_root(name), 0700), 0);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* One update of a ConfigMap or Secret volume: a new directory, and `..data` swapped to it. */
static void kubelet_swap(const char *volume, const char *file, int version, const char *content)
{
    char name[256], target[64], old[256];
    snprintf(target, sizeof(target), "..2026_11_%d", version);
    snprintf(name, sizeof(name), "%s/%s", volume, target);
    make_directory(name);
    snprintf(name, sizeof(name), "%s/%s/%s", volume, target, file);
    put(name, content);
    snprintf(name, sizeof(name), "%s/..data_tmp", volume);
    assert_int_equal(symlink(target, in_root(name)), 0);
    snprintf(old, sizeof(old), "%s/..data", volume);
    assert_int_equal(rename(in_root(name), in_root(old)), 0);
    snprintf(old, sizeof(old), "%s/..2026_11_%d", volume, version - 1);
    nftw(in_root(old), remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void kubelet_mount(const char *volume, const char *file, const char *content)
{
    char name[256], target[64];
    make_directory(volume);
    kubelet_swap(volume, file, 1, content);
    snprintf(target, sizeof(target), "..data/%s", file);
    snprintf(name, sizeof(name), "%s/%s", volume, file);
    assert_int_equal(symlink(target, in_root(name)), 0);
}

/* Lets the clock of inodes pass what was done so far, so that it counts as read. */
static int64_t after_all_that(void)
{
    poll(NULL, 0, 30);
    return clock_unix_ms();
}

static struct watch *watch_these(const char *const paths[], size_t paths_len, int64_t poll_ms)
{
    struct watch *w = NULL;
    struct diag diag = {0};
    assert_int_equal(watch_new(poll_ms, &w, &diag), STATUS_OK);
    assert_int_equal(watch_replace(w, paths, paths_len, after_all_that()), STATUS_OK);
    return w;
}

/* Whether a change is told within this time, as a main loop would learn it. */
static bool told_within(struct watch *w, int wait_ms)
{
    int64_t until_mono_ms = clock_mono_ms() + wait_ms;
    for (int64_t left = wait_ms; left > 0; left = until_mono_ms - clock_mono_ms()) {
        struct pollfd pfd = {.fd = watch_fd(w), .events = POLLIN};
        if (poll(&pfd, 1, (int)left) == 1 && watch_changed(w))
            return true;
    }
    return false;
}

static bool told(struct watch *w)
{
    return told_within(w, patience_ms);
}

/* That something does not happen can only be seen by waiting: for twice what a burst may take. */
static bool nothing_told(struct watch *w)
{
    return !told_within(w, 2 * WATCH_BURST_MAX_MS);
}

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/bridge-watch-XXXXXX");
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void a_kubelet_swap_of_either_volume_is_one_change(void **state)
{
    (void)state;
    kubelet_mount("config", "bridge.yaml", "a: 1");
    kubelet_mount("secrets", "acme", "one");
    const char *const paths[] = {in_root("config/bridge.yaml"), in_root("secrets/acme")};
    struct watch *w = watch_these(paths, 2, never_ms);
    for (int version = 2; version < 5; version++) {
        kubelet_swap("secrets", "acme", version, "next");
        assert_true(told(w));
        kubelet_swap("config", "bridge.yaml", version, "a: 2");
        assert_true(told(w));
    }
    assert_true(nothing_told(w));
    watch_free(w);
}

static void a_swap_between_reading_and_watching_is_told(void **state)
{
    (void)state;
    kubelet_mount("secrets", "acme", "one");
    struct watch *w = NULL;
    assert_int_equal(watch_new(never_ms, &w, NULL), STATUS_OK);
    int64_t read_from_unix_ms = after_all_that();
    kubelet_swap("secrets", "acme", 2, "two");
    const char *const paths[] = {in_root("secrets/acme")};
    assert_int_equal(watch_replace(w, paths, 1, read_from_unix_ms), STATUS_OK);
    assert_true(told(w));
    assert_true(nothing_told(w));
    watch_free(w);
}

static void do_write(void)
{
    put("file", "two");
}

static void do_replace(void)
{
    put("other", "two");
    rename(in_root("other"), in_root("file"));
}

static void do_delete(void)
{
    unlink(in_root("file"));
}

static void do_chmod(void)
{
    chmod(in_root("file"), 0640);
}

static void do_create_missing(void)
{
    put("missing", "now");
}

static void do_create_in_directory(void)
{
    put("routes.d/new.yaml", "x");
}

static void do_rename_in_directory(void)
{
    rename(in_root("routes.d/a.yaml"), in_root("routes.d/a.off"));
}

static void do_remove_directory(void)
{
    unlink(in_root("routes.d/a.yaml"));
    rmdir(in_root("routes.d"));
}

static void do_replace_directory(void)
{
    rename(in_root("routes.d"), in_root("old"));
    make_directory("routes.d");
}

static void each_way_to_change_a_path_is_told(void **state)
{
    static void (*const rows[])(void) = {
        do_write,
        do_replace,
        do_delete,
        do_chmod, /* a file may have become readable */
        do_create_missing,
        do_create_in_directory,
        do_rename_in_directory,
        do_remove_directory,
        do_replace_directory,
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        remove_root(NULL);
        assert_int_equal(mkdir(root, 0700), 0);
        put("file", "one");
        make_directory("routes.d");
        put("routes.d/a.yaml", "x");
        const char *const paths[] = {in_root("file"), in_root("missing"), in_root("routes.d")};
        struct watch *w = watch_these(paths, 3, never_ms);
        rows[i]();
        assert_true(told(w));
        watch_free(w);
    }
}

static void what_was_not_asked_for_is_not_told(void **state)
{
    (void)state;
    put("file", "one");
    make_directory("routes.d");
    const char *const paths[] = {in_root("file"), in_root("routes.d")};
    struct watch *w = watch_these(paths, 2, never_ms);
    put("neighbour", "x");
    put("routes.d/.a.yaml.swp", "x"); /* an editor's */
    make_directory("..2026_11_1");    /* half of a swap */
    assert_true(nothing_told(w));
    watch_free(w);
}

static void a_burst_is_one_change(void **state)
{
    (void)state;
    put("file", "0");
    const char *const paths[] = {in_root("file")};
    struct watch *w = watch_these(paths, 1, never_ms);
    for (int i = 0; i < 1000; i++)
        put("file", "1");
    assert_true(told(w));
    assert_true(nothing_told(w));
    watch_free(w);
}

static void a_burst_without_end_is_told_all_the_same(void **state)
{
    (void)state;
    put("file", "0");
    const char *const paths[] = {in_root("file")};
    struct watch *w = watch_these(paths, 1, never_ms);
    int64_t start_mono_ms = clock_mono_ms();
    bool changed = false;
    while (!changed && clock_mono_ms() - start_mono_ms < patience_ms) {
        put("file", "1");
        changed = told_within(w, WATCH_QUIET_MS / 10);
    }
    assert_true(changed);
    assert_true(clock_mono_ms() - start_mono_ms >= WATCH_QUIET_MS);
    watch_free(w);
}

static void a_replaced_set_tells_only_of_the_new_one(void **state)
{
    (void)state;
    put("a", "1");
    put("b", "1");
    const char *const first[] = {in_root("a")}, *const second[] = {in_root("b")};
    struct watch *w = watch_these(first, 1, never_ms);
    assert_int_equal(watch_replace(w, second, 1, after_all_that()), STATUS_OK);
    put("a", "2");
    assert_true(nothing_told(w));
    put("b", "2");
    assert_true(told(w));
    watch_free(w);
}

static void what_the_kernel_does_not_tell_is_found_by_comparing(void **state)
{
    (void)state;
    make_directory("elsewhere");
    put("elsewhere/key", "one");
    assert_int_equal(symlink("elsewhere/key", in_root("key")), 0);
    const char *const paths[] = {in_root("key"), in_root("later/routes.d")};
    struct watch *w = watch_these(paths, 2, soon_ms);
    put("elsewhere/key", "second");
    assert_true(told(w));
    make_directory("later");
    make_directory("later/routes.d");
    assert_true(told(w));
    put("later/routes.d/a.yaml", "x");
    assert_true(told(w));
    watch_free(w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_kubelet_swap_of_either_volume_is_one_change),
        TEST(a_swap_between_reading_and_watching_is_told),
        TEST(each_way_to_change_a_path_is_told),
        TEST(what_was_not_asked_for_is_not_told),
        TEST(a_burst_is_one_change),
        TEST(a_burst_without_end_is_told_all_the_same),
        TEST(a_replaced_set_tells_only_of_the_new_one),
        TEST(what_the_kernel_does_not_tell_is_found_by_comparing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

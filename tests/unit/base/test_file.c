#include "bridge/base/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

static char path[64];

static void put(const char *content, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, len), len);
    close(fd);
}

static int make_path(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/bridge-file-%d", (int)getpid());
    return 0;
}

static int remove_path(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void a_file_is_appended_whole(void **state)
{
    (void)state;
    put("a\0b\n", 4);
    CLEANUP(buf_done) struct buf content;
    buf_init(&content, 100);
    buf_append_text(&content, "before ");
    assert_int_equal(file_read(path, &content, NULL), STATUS_OK);
    assert_true(bytes_equal(buf_bytes(&content), BYTES_LITERAL("before a\0b\n")));
}

static void a_file_of_many_pieces_is_read_to_its_end(void **state)
{
    (void)state;
    char piece[10001];
    memset(piece, 'x', sizeof(piece));
    put(piece, sizeof(piece));
    CLEANUP(buf_done) struct buf content;
    buf_init(&content, sizeof(piece));
    assert_int_equal(file_read(path, &content, NULL), STATUS_OK);
    assert_int_equal(content.len, sizeof(piece));
}

static void a_file_beyond_the_maximum_is_refused(void **state)
{
    (void)state;
    put("123456", 6);
    char message[128];
    snprintf(message, sizeof(message), "%s: larger than 5 bytes", path);
    CLEANUP(buf_done) struct buf content;
    buf_init(&content, 5);
    struct diag diag = {0};
    assert_int_equal(file_read(path, &content, &diag), STATUS_INVALID);
    assert_string_equal(diag.text, message);
}

static void a_huge_file_is_not_read_to_its_end(void **state)
{
    (void)state;
    put("", 0);
    assert_int_equal(truncate(path, (off_t)1 << 42), 0); /* 4 TiB of holes: hours of reading */
    CLEANUP(buf_done) struct buf content;
    buf_init(&content, 5000);
    assert_int_equal(file_read(path, &content, NULL), STATUS_INVALID);
}

static void what_is_no_readable_file_is_named(void **state)
{
    static const struct {
        const char *path, *message;
    } rows[] = {
        {"/nonexistent/file", "/nonexistent/file: No such file or directory"},
        {"/tmp", "/tmp: not a regular file"},
        {"/dev/zero", "/dev/zero: not a regular file"}, /* would never end */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP(buf_done) struct buf content;
        buf_init(&content, 100);
        struct diag diag = {0};
        assert_int_equal(file_read(rows[i].path, &content, &diag), STATUS_INVALID);
        assert_string_equal(diag.text, rows[i].message);
    }
}

static void a_pipe_does_not_block(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    CLEANUP(buf_done) struct buf content;
    buf_init(&content, 100);
    assert_int_equal(file_read(path, &content, NULL), STATUS_INVALID);
}

static void a_read_that_fails_is_unavailable(void **state)
{
    (void)state;
    /* A regular file to stat, of which no page can be read: address 0 of the own memory. */
    CLEANUP(buf_done) struct buf content;
    buf_init(&content, 100);
    struct diag diag = {0};
    assert_int_equal(file_read("/proc/self/mem", &content, &diag), STATUS_UNAVAILABLE);
    assert_string_equal(diag.text, "/proc/self/mem: Input/output error");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_path, remove_path)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_appended_whole),
        TEST(a_file_of_many_pieces_is_read_to_its_end),
        TEST(a_file_beyond_the_maximum_is_refused),
        TEST(a_huge_file_is_not_read_to_its_end),
        TEST(what_is_no_readable_file_is_named),
        TEST(a_pipe_does_not_block),
        TEST(a_read_that_fails_is_unavailable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

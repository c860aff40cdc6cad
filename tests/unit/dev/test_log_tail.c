#include "bridge/dev/log_tail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static void append(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void lines_come_one_by_one_when_they_are_whole(void **state)
{
    (void)state;
    struct log_tail t = {.fd = memfd_create("log", 0)};
    struct buf line;
    buf_init(&line, 1024);
    assert_false(log_tail_next(&t, &line));
    append(t.fd, "one\ntwo\nthr");
    assert_true(log_tail_next(&t, &line));
    assert_string_equal(buf_text(&line), "one");
    assert_true(log_tail_next(&t, &line));
    assert_string_equal(buf_text(&line), "two");
    assert_false(log_tail_next(&t, &line));
    append(t.fd, "ee\n");
    assert_true(log_tail_next(&t, &line));
    assert_string_equal(buf_text(&line), "three");
    assert_false(log_tail_next(&t, &line));
    buf_done(&line);
    close(t.fd);
}

static void a_line_longer_than_wanted_is_cut_and_the_next_one_is_whole(void **state)
{
    (void)state;
    struct log_tail t = {.fd = memfd_create("log", 0)};
    struct buf line;
    buf_init(&line, 4096);
    for (int i = 0; i < 500; i++)
        append(t.fd, "0123456789abcdef");
    append(t.fd, "\nnext\n");
    assert_true(log_tail_next(&t, &line));
    assert_in_range(line.len, 1024, 4096);
    assert_true(log_tail_next(&t, &line));
    assert_string_equal(buf_text(&line), "next");
    buf_done(&line);
    close(t.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_one_by_one_when_they_are_whole),
        cmocka_unit_test(a_line_longer_than_wanted_is_cut_and_the_next_one_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

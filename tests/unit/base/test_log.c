#include "bridge/base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "bridge/base/timestamp.h"
#include "tests/support/alloc_fail.h"

/* More than all lines of a test together. */
static char written[1 << 20];

static int open_log(void **state)
{
    static int fd;
    fd = memfd_create("log", 0);
    /* A memfd's offset is not locked as a file's is: without it two threads write to one place. */
    assert_int_equal(fcntl(fd, F_SETFL, O_APPEND), 0);
    log_set_fd(fd);
    log_set_level(LOG_INFO);
    *state = &fd;
    return fd < 0;
}

static int close_log(void **state)
{
    log_set_fd(2);
    return close(*(int *)*state);
}

/* All that was written since the last call. */
static const char *lines(void **state)
{
    int fd = *(int *)*state;
    off_t len = lseek(fd, 0, SEEK_END);
    assert_true(len >= 0 && (size_t)len < sizeof(written));
    assert_int_equal(pread(fd, written, (size_t)len, 0), len);
    written[len] = '\0';
    assert_int_equal(ftruncate(fd, 0), 0);
    return written;
}

/* The line behind its time, which has 24 characters, or 20 in a whole second. */
static const char *without_time(const char *line)
{
    static const char start[] = "{\"ts\":\"";
    assert_memory_equal(line, start, sizeof(start) - 1);
    const char *end = strchr(line + sizeof(start) - 1, '"');
    assert_non_null(end);
    int64_t at_unix_ms;
    struct bytes ts =
        bytes_of(line + sizeof(start) - 1, (size_t)(end - line) - (sizeof(start) - 1));
    assert_true(timestamp_parse(ts, &at_unix_ms));
    assert_true(at_unix_ms <= clock_unix_ms() && at_unix_ms > clock_unix_ms() - 60000);
    return end + 1;
}

static void a_line_is_one_json_object(void **state)
{
    struct log_event event = {.name = "webhook.rejected", .level = LOG_WARN};
    const struct log_field fields[] = {
        log_text("reason", "signature \"bad\"\n"),
        log_text("provider", NULL),
        log_number("status", -401),
        log_bytes("path", bytes_of("/in/x", 4)),
        log_bytes("none", bytes_of(NULL, 0)),
    };
    log_write(&event, fields, sizeof(fields) / sizeof(fields[0]));
    assert_string_equal(without_time(lines(state)),
                        ",\"level\":\"warn\",\"event\":\"webhook.rejected\","
                        "\"reason\":\"signature \\\"bad\\\"\\n\",\"status\":-401,"
                        "\"path\":\"/in/\"}\n");
}

static void lines_below_the_level_are_not_written(void **state)
{
    struct log_event debug = {.name = "d", .level = LOG_DEBUG};
    struct log_event info = {.name = "i", .level = LOG_INFO};
    struct log_event error = {.name = "e", .level = LOG_ERROR};
    log_write(&debug, NULL, 0);
    assert_string_equal(lines(state), "");
    log_write(&info, NULL, 0);
    assert_string_equal(without_time(lines(state)), ",\"level\":\"info\",\"event\":\"i\"}\n");
    log_set_level(LOG_ERROR);
    log_write(&info, NULL, 0);
    assert_string_equal(lines(state), "");
    log_write(&error, NULL, 0);
    assert_string_equal(without_time(lines(state)), ",\"level\":\"error\",\"event\":\"e\"}\n");
}

static void levels_have_names(void **state)
{
    (void)state;
    for (enum log_level level = LOG_DEBUG; level <= LOG_ERROR; level++) {
        enum log_level read;
        assert_true(log_level_from_name(log_level_name(level), &read));
        assert_int_equal(read, level);
    }
    enum log_level untouched = LOG_WARN;
    assert_false(log_level_from_name("INFO", &untouched));
    assert_false(log_level_from_name("", &untouched));
    assert_int_equal(untouched, LOG_WARN);
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++)
        count++;
    return count;
}

static void what_the_limiter_hid_is_told_by_the_next_line(void **state)
{
    struct log_event event = {.name = "x", .level = LOG_WARN, .lines_per_minute = 3};
    for (int i = 0; i < 10; i++)
        log_write(&event, NULL, 0);
    /* A minute may end in between, which lets at most three more through. */
    size_t first = count_lines(lines(state));
    assert_true(first == 3 || (first > 3 && first <= 6));
    unsigned hidden = atomic_load(&event.suppressed);
    assert_true(hidden <= 7 && (first > 3 || hidden == 7));

    atomic_store(&event.minute, -1); /* as if the last line were long ago */
    atomic_store(&event.suppressed, 412);
    log_write(&event, NULL, 0);
    assert_string_equal(without_time(lines(state)),
                        ",\"level\":\"warn\",\"event\":\"x\",\"suppressed\":412}\n");
    log_write(&event, NULL, 0);
    assert_string_equal(without_time(lines(state)), ",\"level\":\"warn\",\"event\":\"x\"}\n");
}

static void a_line_of_16_kib_is_written_and_a_longer_one_without_its_fields(void **state)
{
    static char text[17000];
    struct log_event event = {.name = "x", .level = LOG_WARN};
    memset(text, 'a', sizeof(text) - 1);
    const struct log_field field = log_text("text", text);
    log_write(&event, &field, 1);
    assert_string_equal(without_time(lines(state)),
                        ",\"level\":\"warn\",\"event\":\"x\",\"truncated\":1,\"suppressed\":0}\n");

    text[16200] = '\0';
    const struct log_field shorter = log_text("text", text);
    log_write(&event, &shorter, 1);
    assert_true(strlen(lines(state)) > 16200);
    assert_null(strstr(written, "truncated"));
}

static void when_memory_is_short_a_line_is_still_a_line(void **state)
{
    struct log_event event = {.name = "x", .level = LOG_WARN};
    const struct log_field field = log_text("text", "a text that needs more room than the head");
    bool failed = true;
    for (long n = 0; failed; n++) {
        atomic_store(&event.suppressed, 5);
        alloc_fail_at(n);
        log_write(&event, &field, 1);
        failed = alloc_fail_end();
        const char *line = without_time(lines(state));
        assert_string_equal(line, failed ? ",\"level\":\"warn\",\"event\":\"x\",\"truncated\":1,"
                                           "\"suppressed\":5}\n"
                                         : ",\"level\":\"warn\",\"event\":\"x\",\"text\":\"a text "
                                           "that needs more room than the head\","
                                           "\"suppressed\":5}\n");
    }
}

static void a_line_that_cannot_be_written_is_counted(void **state)
{
    struct log_event event = {.name = "x", .level = LOG_WARN};
    log_set_fd(-1);
    log_write(&event, NULL, 0);
    log_set_fd(*(int *)*state);
    log_write(&event, NULL, 0);
    assert_string_equal(without_time(lines(state)),
                        ",\"level\":\"warn\",\"event\":\"x\",\"suppressed\":1}\n");
}

#define THREADS 4
#define ROUNDS 500

static void *write_lines(void *ctx)
{
    for (int i = 0; i < ROUNDS; i++) {
        const struct log_field field = log_number("i", i);
        log_write(ctx, &field, 1);
    }
    return NULL;
}

static void lines_of_many_threads_do_not_mix(void **state)
{
    struct log_event event = {.name = "x", .level = LOG_WARN};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &event), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    static const char start[] = ",\"level\":\"warn\",\"event\":\"x\",\"i\":";
    size_t count = 0;
    for (const char *line = lines(state); *line != '\0'; line = strchr(line, '\n') + 1) {
        assert_memory_equal(without_time(line), start, sizeof(start) - 1);
        count++;
    }
    assert_int_equal(count, THREADS * ROUNDS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_log, close_log)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_is_one_json_object),
        TEST(lines_below_the_level_are_not_written),
        TEST(levels_have_names),
        TEST(what_the_limiter_hid_is_told_by_the_next_line),
        TEST(a_line_of_16_kib_is_written_and_a_longer_one_without_its_fields),
        TEST(when_memory_is_short_a_line_is_still_a_line),
        TEST(a_line_that_cannot_be_written_is_counted),
        TEST(lines_of_many_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

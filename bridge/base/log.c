#include "bridge/base/log.h"

#include <stdio.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/base/timestamp.h"

static const size_t line_max =
    16384; /* bytes; collectors cut longer lines (Docker's json-file at 16 KiB) */

static atomic_int threshold = LOG_INFO;
static atomic_int output_fd = 2;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

bool log_level_from_name(const char *name, enum log_level *ret)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

void log_set_fd(int fd)
{
    atomic_store(&output_fd, fd);
}

/* Whether this line may be written; counts it as suppressed otherwise. */
static bool log_admit(struct log_event *event)
{
    if (event->lines_per_minute == 0)
        return true;
    long long minute = clock_mono_ms() / 60000;
    if (atomic_exchange(&event->minute, minute) != minute)
        atomic_store(&event->lines, 0);
    if (atomic_fetch_add(&event->lines, 1) < event->lines_per_minute)
        return true;
    atomic_fetch_add(&event->suppressed, 1);
    return false;
}

static void append_field(struct buf *line, const struct log_field *field)
{
    buf_printf(line, ",\"%s\":", field->name);
    if (field->is_number)
        buf_printf(line, "%lld", (long long)field->number);
    else
        json_text_string(line, field->text);
}

/* "{..." up to the fields, which always fits. */
#define HEAD_SIZE 256

static int print_head(const struct log_event *event, char ret[HEAD_SIZE])
{
    char ts[TIMESTAMP_SIZE];
    timestamp_format(clock_unix_ms(), ts);
    return snprintf(ret, HEAD_SIZE, "{\"ts\":\"%s\",\"level\":\"%s\",\"event\":\"%.128s\"", ts,
                    level_names[event->level], event->name);
}

/* A failed write has nowhere to be reported but in the next line. */
static void write_line(struct log_event *event, const void *data, size_t len)
{
    if (write(atomic_load(&output_fd), data, len) < 0)
        atomic_fetch_add(&event->suppressed, 1);
}

static void write_truncated(struct log_event *event, const char *head, unsigned suppressed)
{
    char line[HEAD_SIZE + 64];
    int len =
        snprintf(line, sizeof(line), "%s,\"truncated\":1,\"suppressed\":%u}\n", head, suppressed);
    write_line(event, line, (size_t)len);
}

void log_write(struct log_event *event, const struct log_field fields[], size_t fields_len)
{
    if ((int)event->level < atomic_load(&threshold) || !log_admit(event))
        return;

    char head[HEAD_SIZE];
    int head_len = print_head(event, head);
    unsigned suppressed = atomic_exchange(&event->suppressed, 0);
    CLEANUP(buf_done) struct buf line;
    buf_init(&line, line_max);
    buf_append(&line, head, (size_t)head_len);
    for (size_t i = 0; i < fields_len; i++)
        if (fields[i].name != NULL)
            append_field(&line, &fields[i]);
    if (suppressed > 0)
        buf_printf(&line, ",\"suppressed\":%u", suppressed);
    buf_append_text(&line, "}\n");
    if (line.status == STATUS_OK)
        write_line(event, line.data, line.len);
    else
        write_truncated(event, head, suppressed);
}

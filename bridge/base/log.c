#include "bridge/base/log.h"

#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/json_text.h"
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

void log_write(struct log_event *event, const struct log_field fields[], size_t fields_len)
{
    if ((int)event->level < atomic_load(&threshold) || !log_admit(event))
        return;

    struct buf line;
    buf_init(&line, line_max);
    char ts[TIMESTAMP_SIZE];
    timestamp_format(clock_unix_ms(), ts);
    buf_printf(&line, "{\"ts\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", ts,
               level_names[event->level], event->name);
    size_t head = line.len;
    for (size_t i = 0; i < fields_len; i++)
        if (fields[i].name != NULL)
            append_field(&line, &fields[i]);
    unsigned suppressed = atomic_exchange(&event->suppressed, 0);
    if (suppressed > 0)
        buf_printf(&line, ",\"suppressed\":%u", suppressed);
    buf_append_text(&line, "}\n");
    if (line.status != STATUS_OK &&
        head > 0) { /* too long or short of memory: the event is told without its fields */
        line.status = STATUS_OK;
        line.len = head;
        buf_append_text(&line, ",\"truncated\":1}\n");
    }
    /* A failed write has nowhere to be reported. */
    if (write(atomic_load(&output_fd), line.data, line.len) < 0)
        atomic_fetch_add(&event->suppressed, 1);
    buf_done(&line);
}

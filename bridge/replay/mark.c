#include "bridge/replay/mark.h"

#include <inttypes.h>
#include <stdio.h>

#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/base/timestamp.h"

/* More than a ce_id takes, every character escaped. */
#define MARK_HEAD_MAX 8192

const char *mark_topic(const char *dead_letter_topic, struct arena *a)
{
    return arena_printf(a, "%s.replayed", dead_letter_topic);
}

void mark_key(int32_t partition, int64_t offset, char ret[MARK_KEY_SIZE])
{
    snprintf(ret, MARK_KEY_SIZE, "%" PRId32 "/%" PRId64, partition, offset);
}

/* Reads digits from *at on, at most to the maximum; false when there are none. */
static bool read_number(struct bytes text, size_t *at, int64_t max, int64_t *ret)
{
    int64_t value = 0;
    size_t start = *at;
    for (; *at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9'; ++*at) {
        int digit = text.data[*at] - '0';
        if (value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret = value;
    return *at > start;
}

bool mark_key_read(struct bytes key, int32_t *ret_partition, int64_t *ret_offset)
{
    size_t at = 0;
    int64_t partition, offset;
    if (!read_number(key, &at, INT32_MAX, &partition) || at >= key.len || key.data[at++] != '/' ||
        !read_number(key, &at, INT64_MAX, &offset) || at != key.len)
        return false;
    *ret_partition = (int32_t)partition;
    *ret_offset = offset;
    return true;
}

static void append_head(const char *id, struct buf *ret)
{
    buf_append_text(ret, "{\"version\":1,\"ce_id\":");
    json_text_string(ret, bytes_of_text(id));
}

void mark_value(const char *id, size_t records, int64_t replayed_at_unix_ms, struct buf *ret)
{
    char replayed_at[TIMESTAMP_SIZE];
    timestamp_format(replayed_at_unix_ms, replayed_at);
    append_head(id, ret);
    buf_printf(ret, ",\"records\":%zu,\"replayed_at\":\"%s\"}", records, replayed_at);
}

bool mark_is_of(struct bytes value, const char *id)
{
    CLEANUP(buf_done) struct buf head;
    buf_init(&head, MARK_HEAD_MAX);
    append_head(id, &head);
    buf_append_text(&head, ",");
    return head.status == STATUS_OK && value.len >= head.len &&
           memcmp(value.data, head.data, head.len) == 0;
}

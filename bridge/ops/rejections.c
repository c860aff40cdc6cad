#include "bridge/ops/rejections.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/base/timestamp.h"

#define PATH_SIZE 257
#define PROVIDER_SIZE 64

struct kept {
    int64_t at_unix_ms;
    uint64_t body_len;
    const char *reason; /* static */
    unsigned status;
    char path[PATH_SIZE];
    char provider[PROVIDER_SIZE]; /* "": no route was found */
};

struct rejections {
    pthread_mutex_t lock; /* guards the rest */
    size_t len;           /* of those kept */
    size_t next;          /* the place of the next one; when all are taken, that of the oldest */
    struct kept items[REJECTIONS_MAX];
};

enum status rejections_new(struct rejections **ret)
{
    struct rejections *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return STATUS_NOMEM;
    pthread_mutex_init(&r->lock, NULL); /* cannot fail with default attributes on Linux */
    *ret = r;
    return STATUS_OK;
}

void rejections_free(struct rejections *r)
{
    if (r == NULL)
        return;
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* Copies as much as fits; returns how much that was. */
static size_t copy_cut(char *ret, size_t ret_size, const char *text, size_t len)
{
    if (len >= ret_size)
        len = ret_size - 1;
    memcpy(ret, text, len);
    ret[len] = '\0';
    return len;
}

/* How much of the segment at the start of the path is no token. */
static size_t open_len(const char *path, size_t segment_len)
{
    static const char letters_and_digits[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t digits = strspn(path, "0123456789");
    if (digits == 0 || path[digits] != '-' || strspn(path + digits + 1, letters_and_digits) < 16)
        return segment_len;
    return digits + 1;
}

/* Every segment is looked at: a sender may have put something behind the token. */
static void copy_path(char ret[PATH_SIZE], const char *path)
{
    size_t len = 0;
    for (;;) {
        size_t segment_len = strcspn(path, "/");
        size_t shown_len = open_len(path, segment_len);
        len += copy_cut(ret + len, PATH_SIZE - len, path, shown_len);
        if (shown_len < segment_len)
            len += copy_cut(ret + len, PATH_SIZE - len, "***", 3);
        path += segment_len;
        if (*path == '\0' || len == PATH_SIZE - 1)
            return;
        len += copy_cut(ret + len, PATH_SIZE - len, "/", 1);
        path++;
    }
}

void rejections_add(struct rejections *r, const struct rejection *rejection)
{
    struct kept kept = {
        .at_unix_ms = rejection->at_unix_ms,
        .body_len = rejection->body_len,
        .reason = rejection->reason,
        .status = rejection->status,
    };
    copy_path(kept.path, rejection->path);
    if (rejection->provider != NULL)
        copy_cut(kept.provider, PROVIDER_SIZE, rejection->provider, strlen(rejection->provider));

    pthread_mutex_lock(&r->lock);
    r->items[r->next] = kept;
    r->next = (r->next + 1) % REJECTIONS_MAX;
    if (r->len < REJECTIONS_MAX)
        r->len++;
    pthread_mutex_unlock(&r->lock);
}

static void print_kept(struct buf *b, const struct kept *kept)
{
    char at[TIMESTAMP_SIZE];
    timestamp_format(kept->at_unix_ms, at);
    buf_printf(b, "{\"at\":\"%s\",\"path\":", at);
    json_text_string(b, bytes_of_text(kept->path));
    buf_append_text(b, ",\"provider\":");
    if (kept->provider[0] == '\0')
        buf_append_text(b, "null");
    else
        json_text_string(b, bytes_of_text(kept->provider));
    buf_append_text(b, ",\"reason\":");
    json_text_string(b, bytes_of_text(kept->reason));
    buf_printf(b, ",\"status\":%u,\"body_len\":%" PRIu64 "}", kept->status, kept->body_len);
}

DEFINE_CLEANUP(struct rejections *, free)

void rejections_print(struct rejections *r, struct buf *ret)
{
    /* A copy, so that no request waits for the printing. */
    CLEANUP(free_scoped) struct rejections *copy = malloc(sizeof(*copy));
    if (copy == NULL) {
        ret->status = STATUS_NOMEM;
        return;
    }
    pthread_mutex_lock(&r->lock);
    copy->len = r->len;
    copy->next = r->next;
    memcpy(copy->items, r->items, sizeof(r->items));
    pthread_mutex_unlock(&r->lock);

    buf_append_text(ret, "{\"rejections\":[");
    for (size_t i = 1; i <= copy->len; i++) {
        buf_append_text(ret, i == 1 ? "\n" : ",\n");
        print_kept(ret, &copy->items[(copy->next + REJECTIONS_MAX - i) % REJECTIONS_MAX]);
    }
    buf_append_text(ret, copy->len == 0 ? "]}\n" : "\n]}\n");
}

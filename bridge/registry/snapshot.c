/*
 * The file:
 *
 *     "maesn-bridge registry snapshot 1\n"
 *     header:  partitions u32, written at (unix ms) u64, topic
 *     a record: partition u32, key, value
 *     end:     RECORD_END u32, the digest of all frames before, 32 bytes
 *
 * A text is its length, u32, and its bytes; NO_VALUE as the length: there is none. Numbers are
 * big-endian. Header and records are frames; the digest of a frame is SHA-256 over the digest of
 * the frame before (32 zeros) and the frame's bytes.
 */
#include "bridge/registry/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bridge/base/buf.h"
#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"

static const char magic[] = "maesn-bridge registry snapshot 1\n";

#define RECORD_END UINT32_MAX
#define NO_VALUE UINT32_MAX

/* More than a broker takes for one message by default, and a topic's name. */
#define TEXT_MAX ((size_t)2 << 20)
#define FRAME_MAX (2 * TEXT_MAX + 64)

struct snapshot_writer {
    char *path;
    char *unfinished; /* its name until it is committed */
    FILE *file;       /* NULL once it was */
    struct buf frame;
    uint8_t digest[CRYPTO_SHA256_SIZE];
};

DEFINE_CLEANUP(struct snapshot_writer *, snapshot_writer_free)

static enum status fold(uint8_t digest[CRYPTO_SHA256_SIZE], struct bytes frame)
{
    const struct bytes parts[] = {bytes_of(digest, CRYPTO_SHA256_SIZE), frame};
    return sha256(parts, 2, digest);
}

/* --- writing -------------------------------------------------------------------------------- */

static void append_u32(struct buf *b, uint32_t number)
{
    const uint8_t bytes[] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
                             (uint8_t)(number >> 8), (uint8_t)number};
    buf_append(b, bytes, sizeof(bytes));
}

static void append_text(struct buf *b, struct bytes text)
{
    append_u32(b, text.data == NULL ? NO_VALUE : (uint32_t)text.len);
    if (text.data != NULL)
        buf_append_bytes(b, text);
}

static enum status fail(const struct snapshot_writer *w, struct diag *diag)
{
    return diag_set(diag, STATUS_UNAVAILABLE, "%s: %s", w->path, strerror(errno));
}

static enum status put(struct snapshot_writer *w, struct bytes bytes, struct diag *diag)
{
    errno = 0;
    return fwrite(bytes.data, 1, bytes.len, w->file) == bytes.len ? STATUS_OK : fail(w, diag);
}

static enum status put_frame(struct snapshot_writer *w, struct diag *diag)
{
    if (w->frame.status != STATUS_OK)
        return STATUS_NOMEM;
    enum status status = fold(w->digest, buf_bytes(&w->frame));
    if (status == STATUS_OK)
        status = put(w, buf_bytes(&w->frame), diag);
    w->frame.len = 0;
    return status;
}

static enum status open_unfinished(struct snapshot_writer *w, struct diag *diag)
{
    int fd = open(w->unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail(w, diag);
    w->file = fdopen(fd, "w");
    if (w->file != NULL)
        return STATUS_OK;
    close(fd);
    unlink(w->unfinished);
    return STATUS_NOMEM;
}

enum status snapshot_writer_new(const char *path, const char *topic, int32_t partitions,
                                int64_t now_unix_ms, struct snapshot_writer **ret,
                                struct diag *diag)
{
    CLEANUP(snapshot_writer_free_scoped) struct snapshot_writer *w = calloc(1, sizeof(*w));
    size_t size = strlen(path) + sizeof(".new");
    if (w == NULL)
        return STATUS_NOMEM;
    buf_init(&w->frame, FRAME_MAX);
    w->path = strdup(path);
    w->unfinished = malloc(size);
    if (w->path == NULL || w->unfinished == NULL)
        return STATUS_NOMEM;
    snprintf(w->unfinished, size, "%s.new", path);
    enum status status = open_unfinished(w, diag);
    if (status == STATUS_OK)
        status = put(w, BYTES_LITERAL(magic), diag);
    append_u32(&w->frame, (uint32_t)partitions);
    append_u32(&w->frame, (uint32_t)((uint64_t)now_unix_ms >> 32));
    append_u32(&w->frame, (uint32_t)now_unix_ms);
    append_text(&w->frame, bytes_of_text(topic));
    if (status == STATUS_OK)
        status = put_frame(w, diag);
    if (status == STATUS_OK)
        *ret = TAKE(w);
    return status;
}

enum status snapshot_writer_add(struct snapshot_writer *w, int32_t partition, struct bytes key,
                                struct bytes value, struct diag *diag)
{
    if (key.len > TEXT_MAX || value.len > TEXT_MAX)
        return diag_set(diag, STATUS_UNAVAILABLE, "%s: a record is too long for it", w->path);
    append_u32(&w->frame, (uint32_t)partition);
    append_text(&w->frame, key);
    append_text(&w->frame, value);
    return put_frame(w, diag);
}

/* The rename, too, is to survive a power cut. */
static enum status sync_directory(const struct snapshot_writer *w, struct diag *diag)
{
    const char *slash = strrchr(w->path, '/');
    size_t len = slash == NULL ? 0 : slash == w->path ? 1 : (size_t)(slash - w->path);
    char *directory = slash == NULL ? strdup(".") : strndup(w->path, len);
    if (directory == NULL)
        return STATUS_NOMEM;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(directory);
    if (fd < 0)
        return fail(w, diag);
    enum status status = fsync(fd) == 0 ? STATUS_OK : fail(w, diag);
    close(fd);
    return status;
}

enum status snapshot_writer_commit(struct snapshot_writer *w, struct diag *diag)
{
    append_u32(&w->frame, RECORD_END);
    buf_append(&w->frame, w->digest, sizeof(w->digest));
    if (w->frame.status != STATUS_OK)
        return STATUS_NOMEM;
    enum status status = put(w, buf_bytes(&w->frame), diag);
    if (status == STATUS_OK && (fflush(w->file) != 0 || fdatasync(fileno(w->file)) != 0))
        status = fail(w, diag);
    if (status != STATUS_OK)
        return status;
    FILE *file = TAKE(w->file);
    /* By the call that the spool makes too, so that the sandbox has one to allow. */
    if (fclose(file) != 0 || renameat(AT_FDCWD, w->unfinished, AT_FDCWD, w->path) != 0) {
        status = fail(w, diag);
        unlink(w->unfinished);
        return status;
    }
    return sync_directory(w, diag);
}

void snapshot_writer_free(struct snapshot_writer *w)
{
    if (w == NULL)
        return;
    if (w->file != NULL) {
        (void)fclose(w->file);
        unlink(w->unfinished);
    }
    buf_done(&w->frame);
    free(w->unfinished);
    free(w->path);
    free(w);
}

/* --- reading -------------------------------------------------------------------------------- */

/* A file being read; a frame's bytes are kept until its digest is made. */
struct reading {
    FILE *file;
    const char *path;
    struct buf frame;
    uint8_t digest[CRYPTO_SHA256_SIZE];
    enum status status; /* the first failure; later calls then do nothing */
    struct diag *diag;
};

static void reading_done(struct reading *r)
{
    if (r->file != NULL)
        (void)fclose(r->file);
    buf_done(&r->frame);
}

static void damaged(struct reading *r)
{
    if (r->status == STATUS_OK)
        r->status = diag_set(r->diag, STATUS_INVALID, "%s: it is damaged", r->path);
}

/* Reads so many bytes to the end of the frame. */
static void take(struct reading *r, size_t len)
{
    if (r->status != STATUS_OK)
        return;
    if (buf_reserve(&r->frame, r->frame.len + len + 1) != STATUS_OK) {
        r->status = STATUS_NOMEM;
        return;
    }
    if (fread(r->frame.data + r->frame.len, 1, len, r->file) != len)
        damaged(r);
    else
        r->frame.len += len;
}

static uint32_t take_u32(struct reading *r)
{
    take(r, 4);
    if (r->status != STATUS_OK)
        return 0;
    const uint8_t *bytes = r->frame.data + r->frame.len - 4;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Where in the frame a text stands; the frame may move until it is whole. */
struct place {
    size_t at, len;
    bool is_none;
};

static struct place take_text(struct reading *r)
{
    uint32_t len = take_u32(r);
    struct place place = {.at = r->frame.len, .is_none = len == NO_VALUE};
    if (place.is_none || r->status != STATUS_OK)
        return place;
    if (len > TEXT_MAX) {
        damaged(r);
        return place;
    }
    place.len = len;
    take(r, len);
    return place;
}

static struct bytes text_at(const struct reading *r, struct place place)
{
    if (place.is_none || r->status != STATUS_OK)
        return bytes_of(NULL, 0);
    return bytes_of(r->frame.data + place.at, place.len);
}

static void fold_frame(struct reading *r)
{
    if (r->status == STATUS_OK)
        r->status = fold(r->digest, buf_bytes(&r->frame));
}

static void read_header(struct reading *r, const char *topic, int32_t *ret_partitions,
                        int64_t *ret_written_at_unix_ms)
{
    take(r, sizeof(magic) - 1);
    if (r->status == STATUS_OK && memcmp(r->frame.data, magic, sizeof(magic) - 1) != 0)
        r->status =
            diag_set(r->diag, STATUS_INVALID, "%s: it is no snapshot of a registry", r->path);
    r->frame.len = 0;
    uint32_t partitions = take_u32(r);
    uint64_t written_at = (uint64_t)take_u32(r) << 32;
    written_at |= take_u32(r);
    struct place name = take_text(r);
    fold_frame(r);
    if (r->status == STATUS_OK && !bytes_equal(text_at(r, name), bytes_of_text(topic)))
        r->status =
            diag_set(r->diag, STATUS_INVALID, "%s: it is of another topic than %s", r->path, topic);
    if (r->status == STATUS_OK && (partitions < 1 || partitions > INT32_MAX))
        damaged(r);
    *ret_partitions = (int32_t)partitions;
    *ret_written_at_unix_ms = (int64_t)written_at;
}

/* Whether there was one more record. */
static bool read_record(struct reading *r, struct snapshot_record *record)
{
    r->frame.len = 0;
    uint32_t partition = take_u32(r);
    if (r->status != STATUS_OK || partition == RECORD_END)
        return false;
    if (partition >= (uint32_t)record->partitions)
        damaged(r);
    struct place key = take_text(r);
    struct place value = take_text(r);
    fold_frame(r);
    record->partition = (int32_t)partition;
    record->key = text_at(r, key);
    record->value = text_at(r, value);
    return r->status == STATUS_OK;
}

static void read_end(struct reading *r)
{
    take(r, CRYPTO_SHA256_SIZE);
    if (r->status != STATUS_OK)
        return;
    const uint8_t *digest = r->frame.data + r->frame.len - CRYPTO_SHA256_SIZE;
    if (memcmp(digest, r->digest, CRYPTO_SHA256_SIZE) != 0 || fgetc(r->file) != EOF)
        damaged(r);
}

enum status snapshot_read(const char *path, const char *topic, snapshot_record_fn *on_record,
                          void *ctx, int64_t *ret_written_at_unix_ms, struct diag *diag)
{
    CLEANUP(reading_done) struct reading r = {.path = path, .diag = diag};
    struct snapshot_record record = {0};
    int64_t written_at_unix_ms;
    buf_init(&r.frame, FRAME_MAX);
    r.file = fopen(path, "re");
    if (r.file == NULL)
        return diag_set(diag, STATUS_UNAVAILABLE, "%s: %s", path, strerror(errno));
    read_header(&r, topic, &record.partitions, &written_at_unix_ms);
    while (r.status == STATUS_OK && read_record(&r, &record))
        r.status = on_record(ctx, &record);
    read_end(&r);
    if (r.status == STATUS_OK)
        *ret_written_at_unix_ms = written_at_unix_ms;
    return r.status;
}

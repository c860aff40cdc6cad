#include "tests/support/faulty_disk.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 8, SECTOR = 512 };

/* A write, or with data == NULL a truncation to offset, that was not flushed. */
struct change {
    struct change *next;
    uint64_t offset;
    size_t len;
    uint8_t *data;
    bool can_be_flushed; /* no flush of it has failed */
};

struct image {
    uint8_t *data;
    size_t len;
    size_t capacity;
};

struct tracked {
    char path[256];
    struct image durable;
    struct change *changes, **last;
    uint64_t size; /* with all changes */
};

static struct {
    pthread_mutex_t lock; /* guards what follows */
    struct tracked files[FILES_MAX];
    size_t files_len;
    long operations; /* until the power goes; negative: never */
    bool is_off, is_full, flush_fails, flush_lies, flush_stuck;
    pthread_cond_t changed;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .operations = -1};

static sqlite3_vfs *real_vfs;

uint64_t faulty_disk_random(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 0x2545f4914f6cdd1dU;
}

/* --- what was written ----------------------------------------------------------------------- */

static void *allocate(size_t size)
{
    void *memory = calloc(1, size == 0 ? 1 : size);
    assert(memory != NULL);
    return memory;
}

static void image_resize(struct image *image, size_t len)
{
    if (len > image->capacity) {
        image->capacity = 2 * len;
        image->data = realloc(image->data, image->capacity);
        assert(image->data != NULL);
    }
    if (len > image->len)
        memset(image->data + image->len, 0, len - image->len);
    image->len = len;
}

static void image_write(struct image *image, uint64_t offset, const uint8_t *data, size_t len)
{
    if (len == 0)
        return;
    if (offset + len > image->len)
        image_resize(image, offset + len);
    memcpy(image->data + offset, data, len);
}

static void image_apply(struct image *image, const struct change *c)
{
    if (c->data == NULL)
        image_resize(image, c->offset);
    else
        image_write(image, c->offset, c->data, c->len);
}

static void forget_changes(struct tracked *t)
{
    for (struct change *c = t->changes, *next; c != NULL; c = next) {
        next = c->next;
        free(c->data);
        free(c);
    }
    t->changes = NULL;
    t->last = &t->changes;
}

static void add_change(struct tracked *t, uint64_t offset, const void *data, size_t len)
{
    struct change *c = allocate(sizeof(*c));
    c->offset = offset;
    c->len = len;
    c->can_be_flushed = true;
    if (data != NULL) {
        c->data = allocate(len);
        memcpy(c->data, data, len);
    }
    *t->last = c;
    t->last = &c->next;
    t->size = data == NULL ? offset : offset + len > t->size ? offset + len : t->size;
}

/* What a failed flush had is not durable, though the later flush succeeds. */
static void make_durable(struct tracked *t)
{
    struct change **at = &t->changes;
    while (*at != NULL) {
        struct change *c = *at;
        if (!c->can_be_flushed) {
            at = &c->next;
            continue;
        }
        image_apply(&t->durable, c);
        *at = c->next;
        free(c->data);
        free(c);
    }
    t->last = at;
}

static void read_file(const char *path, struct image *ret)
{
    FILE *f = fopen(path, "rb");
    uint8_t block[65536];
    for (size_t len; f != NULL && (len = fread(block, 1, sizeof(block), f)) > 0;)
        image_write(ret, ret->len, block, len);
    if (f != NULL)
        fclose(f);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* The lock is held. What a file holds when it is first opened is taken for durable. */
static struct tracked *track(const char *path)
{
    if (path == NULL || (!ends_with(path, "/spool.db") && !ends_with(path, "/spool.db-wal")))
        return NULL;
    for (size_t i = 0; i < disk.files_len; i++)
        if (strcmp(disk.files[i].path, path) == 0)
            return &disk.files[i];
    assert(disk.files_len < FILES_MAX);
    struct tracked *t = &disk.files[disk.files_len++];
    *t = (struct tracked){0};
    t->last = &t->changes;
    snprintf(t->path, sizeof(t->path), "%s", path);
    read_file(path, &t->durable);
    t->size = t->durable.len;
    return t;
}

/* --- one file ------------------------------------------------------------------------------- */

struct faulty_file {
    sqlite3_file base;
    struct tracked *tracked;
    sqlite3_file real[]; /* as long as the real VFS wants */
};

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct faulty_file *)f)->real;
}

/* The lock is held. Whether the power is on before this operation, and goes in its middle. */
static bool power_is_on(bool *ret_goes)
{
    bool was_on = !disk.is_off;
    *ret_goes = was_on && disk.operations == 0;
    if (was_on && disk.operations > 0)
        disk.operations--;
    if (*ret_goes)
        disk.is_off = true;
    return was_on;
}

static int change(sqlite3_file *f, uint64_t offset, const void *data, size_t len)
{
    struct tracked *t = ((struct faulty_file *)f)->tracked;
    bool goes = false;
    int code = SQLITE_OK;
    pthread_mutex_lock(&disk.lock);
    if (!power_is_on(&goes))
        code = SQLITE_IOERR_WRITE;
    else if (disk.is_full && offset + len > t->size)
        code = SQLITE_FULL;
    else
        add_change(t, offset, data, len);
    pthread_mutex_unlock(&disk.lock);
    return goes ? SQLITE_IOERR_WRITE : code;
}

static int faulty_write(sqlite3_file *f, const void *data, int len, sqlite3_int64 offset)
{
    if (((struct faulty_file *)f)->tracked != NULL) {
        int code = change(f, (uint64_t)offset, data, (size_t)len);
        if (code != SQLITE_OK)
            return code;
    }
    return real_of(f)->pMethods->xWrite(real_of(f), data, len, offset);
}

static int faulty_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    if (((struct faulty_file *)f)->tracked != NULL) {
        int code = change(f, (uint64_t)size, NULL, 0);
        if (code != SQLITE_OK)
            return SQLITE_IOERR_TRUNCATE;
    }
    return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

/* The lock is held. */
static int flush(struct tracked *t)
{
    bool goes = false;
    if (!power_is_on(&goes) || goes)
        return SQLITE_IOERR_FSYNC;
    for (struct change *c = t->changes; c != NULL && disk.flush_fails; c = c->next)
        c->can_be_flushed = false;
    if (disk.flush_fails)
        return SQLITE_IOERR_FSYNC;
    if (!disk.flush_lies)
        make_durable(t);
    return SQLITE_OK;
}

static int faulty_sync(sqlite3_file *f, int flags)
{
    struct tracked *t = ((struct faulty_file *)f)->tracked;
    (void)flags; /* this machine's power does not go: its own disk need not flush */
    if (t == NULL)
        return SQLITE_OK;
    pthread_mutex_lock(&disk.lock);
    while (disk.flush_stuck)
        pthread_cond_wait(&disk.changed, &disk.lock);
    int code = flush(t);
    pthread_mutex_unlock(&disk.lock);
    return code;
}

static int faulty_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int faulty_read(sqlite3_file *f, void *to, int len, sqlite3_int64 offset)
{
    return real_of(f)->pMethods->xRead(real_of(f), to, len, offset);
}

static int faulty_file_size(sqlite3_file *f, sqlite3_int64 *ret)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), ret);
}

static int faulty_lock(sqlite3_file *f, int lock)
{
    return real_of(f)->pMethods->xLock(real_of(f), lock);
}

static int faulty_unlock(sqlite3_file *f, int lock)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), lock);
}

static int faulty_check_reserved_lock(sqlite3_file *f, int *ret)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), ret);
}

static int faulty_file_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int faulty_sector_size(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int faulty_device_characteristics(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int faulty_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **ret)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), region, size, extend, ret);
}

static int faulty_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void faulty_shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int faulty_shm_unmap(sqlite3_file *f, int delete_flag)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), delete_flag);
}

static const sqlite3_io_methods faulty_methods = {
    .iVersion = 2,
    .xClose = faulty_close,
    .xRead = faulty_read,
    .xWrite = faulty_write,
    .xTruncate = faulty_truncate,
    .xSync = faulty_sync,
    .xFileSize = faulty_file_size,
    .xLock = faulty_lock,
    .xUnlock = faulty_unlock,
    .xCheckReservedLock = faulty_check_reserved_lock,
    .xFileControl = faulty_file_control,
    .xSectorSize = faulty_sector_size,
    .xDeviceCharacteristics = faulty_device_characteristics,
    .xShmMap = faulty_shm_map,
    .xShmLock = faulty_shm_lock,
    .xShmBarrier = faulty_shm_barrier,
    .xShmUnmap = faulty_shm_unmap,
};

/* --- the VFS -------------------------------------------------------------------------------- */

static int faulty_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *f, int flags,
                       int *ret_flags)
{
    struct faulty_file *file = (struct faulty_file *)f;
    (void)vfs;
    f->pMethods = NULL;
    pthread_mutex_lock(&disk.lock);
    bool is_off = disk.is_off;
    file->tracked = is_off ? NULL : track(path);
    pthread_mutex_unlock(&disk.lock);
    if (is_off)
        return SQLITE_CANTOPEN;
    int code = real_vfs->xOpen(real_vfs, path, file->real, flags, ret_flags);
    if (code == SQLITE_OK)
        f->pMethods = &faulty_methods;
    return code;
}

void faulty_disk_start(void)
{
    static sqlite3_vfs vfs;
    if (real_vfs == NULL) {
        real_vfs = sqlite3_vfs_find(NULL);
        vfs = *real_vfs;
        vfs.zName = "faulty-disk";
        vfs.szOsFile = (int)sizeof(struct faulty_file) + real_vfs->szOsFile;
        vfs.xOpen = faulty_open;
        assert(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
    }
    pthread_mutex_lock(&disk.lock);
    for (size_t i = 0; i < disk.files_len; i++) {
        forget_changes(&disk.files[i]);
        free(disk.files[i].durable.data);
    }
    disk.files_len = 0;
    disk.operations = -1;
    disk.is_off = disk.is_full = disk.flush_fails = disk.flush_lies = disk.flush_stuck = false;
    pthread_mutex_unlock(&disk.lock);
}

/* --- faults --------------------------------------------------------------------------------- */

void faulty_disk_power_off_after(long operations)
{
    pthread_mutex_lock(&disk.lock);
    disk.operations = operations;
    pthread_mutex_unlock(&disk.lock);
}

bool faulty_disk_is_off(void)
{
    pthread_mutex_lock(&disk.lock);
    bool is_off = disk.is_off;
    pthread_mutex_unlock(&disk.lock);
    return is_off;
}

static void set(bool *what, bool value)
{
    pthread_mutex_lock(&disk.lock);
    *what = value;
    pthread_cond_broadcast(&disk.changed);
    pthread_mutex_unlock(&disk.lock);
}

static ssize_t failing_pread(int fd, void *to, size_t len, off_t offset)
{
    (void)fd, (void)to, (void)len, (void)offset;
    errno = EIO;
    return -1;
}

/* Below the usual VFS: it is to remember the error. Source: SQLite 3.40 src/os_unix.c, aSyscall. */
void faulty_disk_set_read_fails(bool fails)
{
    static const char *const names[] = {"pread", "pread64"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        real_vfs->xSetSystemCall(real_vfs, names[i],
                                 fails ? (sqlite3_syscall_ptr)failing_pread : NULL);
}

void faulty_disk_set_full(bool is_full)
{
    set(&disk.is_full, is_full);
}

void faulty_disk_set_flush_fails(bool fails)
{
    set(&disk.flush_fails, fails);
}

void faulty_disk_set_flush_stuck(bool stuck)
{
    set(&disk.flush_stuck, stuck);
}

void faulty_disk_set_flush_lies(bool lies)
{
    set(&disk.flush_lies, lies);
}

/* --- what is left --------------------------------------------------------------------------- */

/* A part of what was not flushed: nothing, everything, or sector by sector. */
static void apply_torn(struct image *image, const struct change *c, uint64_t *seed)
{
    uint64_t fate = faulty_disk_random(seed) % 4;
    if (fate == 0)
        return;
    if (fate == 1 || c->data == NULL) {
        image_apply(image, c);
        return;
    }
    for (size_t at = 0; at < c->len; at += SECTOR) {
        size_t len = c->len - at < SECTOR ? c->len - at : SECTOR;
        if (faulty_disk_random(seed) % 2 == 0)
            image_write(image, c->offset + at, c->data + at, len);
    }
}

static void write_image(const struct image *image, const char *directory, const char *path)
{
    char to[512];
    snprintf(to, sizeof(to), "%s%s", directory, strrchr(path, '/'));
    FILE *f = fopen(to, "wb");
    assert(f != NULL);
    if (image->len > 0)
        assert(fwrite(image->data, 1, image->len, f) == image->len);
    assert(fclose(f) == 0);
}

void faulty_disk_cut(uint64_t seed, const char *directory)
{
    pthread_mutex_lock(&disk.lock);
    /* A cut in which nothing of it arrived, one in which all did, and those between. */
    uint64_t luck = faulty_disk_random(&seed) % 4;
    for (size_t i = 0; i < disk.files_len; i++) {
        struct tracked *t = &disk.files[i];
        struct image image = {0};
        image_write(&image, 0, t->durable.data, t->durable.len);
        for (const struct change *c = t->changes; c != NULL && luck > 0; c = c->next) {
            if (luck == 1)
                image_apply(&image, c);
            else
                apply_torn(&image, c, &seed);
        }
        write_image(&image, directory, t->path);
        free(image.data);
    }
    disk.is_off = false;
    disk.operations = -1;
    pthread_mutex_unlock(&disk.lock);
}

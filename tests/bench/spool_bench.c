/* spool_bench DIRECTORY: how many records a second become durable, and are read and deleted again.
 */
#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/spool/spool.h"

enum { SUBMITTERS_MAX = 1024, RUN_MS = 4000, SAMPLES_MAX = 2000000 };

static struct {
    struct spool *spool;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_stopping;
    size_t running; /* submitters that wait for an outcome */
    size_t stored;
    size_t samples;
    int32_t latency_us[SAMPLES_MAX];
} b = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* A closed loop: when one is stored, it is handed in once more. */
struct submitter {
    struct spool_entry entry; /* first */
    struct publication pub;
    struct record record;
    int64_t began_us;
};

static void submit(struct submitter *x)
{
    x->began_us = clock_mono_us();
    x->entry.pub = &x->pub;
    atomic_store(&x->entry.is_withdrawn, false);
    if (spool_put(b.spool, &x->entry) != STATUS_OK)
        abort();
}

static void on_end(struct spool_entry *entry, enum spool_outcome outcome)
{
    struct submitter *x = (struct submitter *)entry;
    assert(outcome == SPOOL_STORED);
    pthread_mutex_lock(&b.lock);
    b.stored++;
    if (b.samples < SAMPLES_MAX)
        b.latency_us[b.samples++] = (int32_t)(clock_mono_us() - x->began_us);
    bool goes_on = !b.is_stopping;
    b.running -= !goes_on;
    pthread_cond_signal(&b.changed);
    pthread_mutex_unlock(&b.lock);
    if (goes_on)
        submit(x);
}

static void on_release(struct publication *pub)
{
    (void)pub;
}

static void make(struct submitter *x, size_t value_len)
{
    static uint8_t value[65536];
    *x = (struct submitter){0};
    publication_init(&x->pub);
    x->pub.on_release = on_release;
    x->pub.records = &x->record;
    x->pub.records_len = 1;
    x->record.topic = "maesn.invoice";
    x->record.account = "acme-42";
    x->record.key = BYTES_LITERAL("INVOICE:acme-42");
    x->record.value = bytes_of(value, value_len);
    record_add_header(&x->record, "content-type", BYTES_LITERAL("application/json"));
    record_add_header(&x->record, "ce_id", BYTES_LITERAL("0123456789abcdef0123456789abcdef"));
    record_add_header(&x->record, "ce_type", BYTES_LITERAL("com.maesn.invoice.created"));
    x->entry.on_end = on_end;
}

static int compare(const void *a, const void *c)
{
    return *(const int32_t *)a - *(const int32_t *)c;
}

static size_t directory_bytes(const char *directory)
{
    static const char *const names[] = {"spool.db", "spool.db-wal"};
    size_t bytes = 0;
    for (size_t i = 0; i < 2; i++) {
        char path[4096];
        struct stat st;
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        bytes += stat(path, &st) == 0 ? (size_t)st.st_size : 0;
    }
    return bytes;
}

/* Reads and deletes everything; returns the records. */
static size_t drain(void)
{
    size_t drained = 0, len = 0;
    int64_t after = 0;
    do {
        struct spooled_record *records = NULL;
        int64_t sequences[512];
        struct arena *a = arena_new(64 << 20);
        if (a == NULL || spool_read(b.spool, after, 512, 4 << 20, a, &records, &len) != STATUS_OK)
            abort();
        for (size_t i = 0; i < len; i++)
            sequences[i] = after = records[i].sequence;
        if (spool_delete(b.spool, sequences, len) != STATUS_OK)
            abort();
        drained += len;
        arena_free(a);
    } while (len > 0);
    for (int i = 0; i < 100000 && spool_bytes(b.spool) > 0; i++) {
        pthread_mutex_lock(&b.lock);
        struct timespec soon;
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_nsec += 1000000;
        (void)!pthread_cond_timedwait(&b.changed, &b.lock, &soon);
        pthread_mutex_unlock(&b.lock);
    }
    return drained;
}

static struct spool *open_spool(const char *directory)
{
    struct metrics *m = NULL;
    struct spool *s = NULL;
    struct diag diag = {0};
    if (metrics_new(&m) != STATUS_OK)
        abort();
    const struct spool_options options = {
        .directory = directory, .max_bytes = (uint64_t)8 << 30, .metrics = m};
    if (spool_open(&options, &s, &diag) != STATUS_OK) {
        fprintf(stderr, "%s\n", diag.text);
        exit(1);
    }
    return s;
}

static void run(const char *directory, size_t submitters, size_t value_len)
{
    static struct submitter x[SUBMITTERS_MAX];
    b.spool = open_spool(directory);
    b.stored = b.samples = 0;
    b.is_stopping = false;
    b.running = submitters;
    int64_t began = clock_mono_us();
    for (size_t i = 0; i < submitters; i++) {
        make(&x[i], value_len);
        submit(&x[i]);
    }
    pthread_mutex_lock(&b.lock);
    while (b.running > 0) {
        pthread_cond_wait(&b.changed, &b.lock);
        b.is_stopping = clock_mono_us() - began > RUN_MS * 1000;
    }
    pthread_mutex_unlock(&b.lock);
    double seconds = (double)(clock_mono_us() - began) / 1e6;
    qsort(b.latency_us, b.samples, sizeof(b.latency_us[0]), compare);
    size_t file = directory_bytes(directory);
    uint64_t payload = spool_bytes(b.spool);
    int64_t drain_began = clock_mono_us();
    size_t drained = drain();
    double drain_seconds = (double)(clock_mono_us() - drain_began) / 1e6;
    printf("| %zu x %zu B | %.0f | %.1f | %.1f | %.0f | %.2f |\n", submitters, value_len,
           (double)b.stored / seconds, (double)b.latency_us[b.samples / 2] / 1e3,
           (double)b.latency_us[b.samples * 99 / 100] / 1e3, (double)drained / drain_seconds,
           (double)file / (double)payload);
    fflush(stdout);
    spool_close(b.spool);
}

/* Fills one with 1 GiB of 1 KiB records and opens it again. */
static void open_a_big_one(const char *directory)
{
    static struct submitter x[256];
    b.spool = open_spool(directory);
    b.is_stopping = false;
    b.running = 256;
    for (size_t i = 0; i < 256; i++) {
        make(&x[i], 900);
        submit(&x[i]);
    }
    pthread_mutex_lock(&b.lock);
    while (b.running > 0) {
        pthread_cond_wait(&b.changed, &b.lock);
        b.is_stopping = spool_bytes(b.spool) >= (uint64_t)1 << 30;
    }
    pthread_mutex_unlock(&b.lock);
    spool_close(b.spool);
    int64_t began = clock_mono_us();
    b.spool = open_spool(directory);
    printf("\n%llu records of together %.2f GiB: open after %.2f s\n",
           (unsigned long long)spool_records(b.spool),
           (double)spool_bytes(b.spool) / (double)(1 << 30),
           (double)(clock_mono_us() - began) / 1e6);
    began = clock_mono_us();
    (void)!drain();
    printf("drained after %.1f s\n", (double)(clock_mono_us() - began) / 1e6);
    spool_close(b.spool);
    printf("then its files have %zu bytes\n", directory_bytes(directory));
}

static void remove_files(const char *directory)
{
    static const char *const names[] = {"spool.db", "spool.db-wal", "spool.db-shm", "spool.lock"};
    for (size_t i = 0; i < 4; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        unlink(path);
    }
    rmdir(directory);
}

int main(int argc, char **argv)
{
    char directory[4096 - 32];
    if (argc != 2)
        return 64;
    log_set_level(LOG_WARN);
    snprintf(directory, sizeof(directory), "%s/spool-bench-XXXXXX", argv[1]);
    if (mkdtemp(directory) == NULL)
        return 1;
    puts("| waiting x value | stored/s | p50 ms | p99 ms | drained/s | file / payload |");
    puts("| --- | ---: | ---: | ---: | ---: | ---: |");
    run(directory, 1, 200);
    run(directory, 64, 200);
    run(directory, 256, 200);
    run(directory, 1000, 200);
    run(directory, 64, 4000);
    open_a_big_one(directory);
    remove_files(directory);
    return 0;
}

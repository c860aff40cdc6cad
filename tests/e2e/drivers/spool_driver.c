/* spool_driver DIRECTORY RECORDS: puts records into the spool there, and tells on its standard
 * output when they are stored; then holds it until its standard input ends. Every third has a value
 * that is no text, every fifth goes to another topic, the last is a dead letter without a key. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bridge/spool/spool.h"

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_over;
    enum spool_outcome outcome;
} d = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void on_end(struct spool_entry *entry, enum spool_outcome outcome)
{
    (void)entry;
    pthread_mutex_lock(&d.lock);
    d.outcome = outcome;
    d.is_over = true;
    pthread_cond_signal(&d.changed);
    pthread_mutex_unlock(&d.lock);
}

static void on_release(struct publication *pub)
{
    arena_free(pub->arena);
}

static void fill(struct arena *a, struct record *r, size_t n, bool is_last)
{
    char *id = arena_printf(a, "id-%zu", n);
    char *value = arena_printf(a, "{\"n\":%zu,\"name\":\"caf\xc3\xa9\"}", n);
    if (id == NULL || value == NULL)
        abort();
    *r = (struct record){
        .topic = n % 5 == 4 ? "maesn.customer" : "maesn.invoice",
        .key = BYTES_LITERAL("INVOICE:acme-42"),
        .value = n % 3 == 2 ? BYTES_LITERAL("\x00\xff\x80") : bytes_of_text(value),
        .account = "acme-42",
        .path = "/in/maesn/acme-42/all/all/1",
    };
    record_add_header(r, "ce_id", bytes_of_text(id));
    record_add_header(r, "content-type", BYTES_LITERAL("application/json"));
    if (is_last) {
        r->topic = "maesn.dead-letter";
        r->key = (struct bytes){0};
        r->reason = DEAD_LETTER_NOT_JSON;
    }
}

int main(int argc, char **argv)
{
    struct metrics *m = NULL;
    struct spool *s = NULL;
    struct diag diag = {0};
    struct publication pub;
    size_t records = 0;
    for (const char *c = argc == 3 ? argv[2] : ""; *c >= '0' && *c <= '9' && records < 100000; c++)
        records = records * 10 + (size_t)(*c - '0');
    publication_init(&pub);
    pub.on_release = on_release;
    pub.arena = arena_new(SIZE_MAX / 4);
    if (records == 0 || pub.arena == NULL || metrics_new(&m) != STATUS_OK)
        return 64;
    pub.records = arena_alloc(pub.arena, records * sizeof(*pub.records));
    pub.records_len = records;
    for (size_t i = 0; i < records; i++)
        fill(pub.arena, &pub.records[i], i, i + 1 == records);
    const struct spool_options options = {
        .directory = argv[1], .max_bytes = 64 << 20, .metrics = m};
    struct spool_entry entry = {.pub = &pub, .on_end = on_end};
    if (spool_open(&options, &s, &diag) != STATUS_OK || spool_put(s, &entry) != STATUS_OK) {
        fprintf(stderr, "%s\n", diag.text);
        return 1;
    }
    pthread_mutex_lock(&d.lock);
    while (!d.is_over)
        pthread_cond_wait(&d.changed, &d.lock);
    pthread_mutex_unlock(&d.lock);
    puts(d.outcome == SPOOL_STORED ? "stored" : "failed");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    spool_close(s);
    publication_unref(&pub);
    metrics_free(m);
    return 0;
}

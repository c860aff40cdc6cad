/* The spool at work while Kafka is away and when it is back: whatever fails, what was stored or
 * answered 200 is in Kafka or still in the spool, never in neither, and the drain comes to its end.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "bridge/spool/spooling.h"
#include "tests/support/spool_fixture.h"
#include "tests/torture/sqlite_calls.h"
#include "tests/torture/torture.h"

enum {
    KEYS = 2,
    BEFORE = 3, /* callbacks of an earlier process, in the spool */
    AWAY = 2,   /* that come while Kafka is away */
    BACK = 1,   /* and when it is back */
    CALLBACKS = BEFORE + AWAY + BACK,
    PENDING_MAX = 256,
    PATIENCE_MS = 60000,
};

enum kafka_mode {
    KAFKA_AWAY = 0, /* refuses at once */
    KAFKA_UP,       /* acknowledges from another thread */
};

/* What is known of a callback. */
struct told {
    bool is_sent;
    bool is_promised; /* stored before, or answered 200 */
    bool is_refused;  /* at once: nothing of it may be anywhere */
};

struct stage {
    char directory[64];
    struct metrics *metrics;
    struct spooling *spooling;
    int64_t deadline_ms;
    struct told told[CALLBACKS];

    struct event_sink kafka;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    enum kafka_mode mode;
    bool is_stopping;
    struct publication *pending[PENDING_MAX];
    size_t pending_len;
    unsigned delivered[CALLBACKS];
};

/* --- Kafka ------------------------------------------------------------------------------------ */

static enum status publish(struct event_sink *sink, struct publication *pub)
{
    struct stage *s = (struct stage *)((char *)sink - offsetof(struct stage, kafka));
    pthread_mutex_lock(&s->lock);
    bool takes = s->mode != KAFKA_AWAY && s->pending_len < PENDING_MAX;
    if (takes)
        s->pending[s->pending_len++] = publication_ref(pub);
    pthread_mutex_unlock(&s->lock);
    return takes ? STATUS_OK : STATUS_UNAVAILABLE;
}

/* The oldest that can be reported of; the lock is held. */
static struct publication *take_reported(struct stage *s, enum status *ret)
{
    struct publication *pub = NULL;
    for (size_t i = 0; i < s->pending_len && pub == NULL; i++) {
        bool is_lost = s->is_stopping || publication_is_abandoned(s->pending[i]);
        if (!is_lost && s->mode != KAFKA_UP)
            continue;
        pub = s->pending[i];
        memmove(&s->pending[i], &s->pending[i + 1], (--s->pending_len - i) * sizeof(pub));
        *ret = is_lost ? STATUS_UNAVAILABLE : STATUS_OK;
    }
    return pub;
}

static void note_delivered(struct stage *s, const struct publication *pub)
{
    for (size_t i = 0; i < pub->records_len; i++) {
        assert_int_equal(pub->records[i].value.len, 1);
        size_t callback = (size_t)(pub->records[i].value.data[0] - '0');
        assert_true(callback < CALLBACKS);
        s->delivered[callback]++;
    }
}

static void *report(void *ctx)
{
    struct stage *s = ctx;
    pthread_mutex_lock(&s->lock);
    while (!s->is_stopping || s->pending_len > 0) {
        enum status status = STATUS_OK;
        struct publication *pub = take_reported(s, &status);
        if (pub != NULL && status == STATUS_OK)
            note_delivered(s, pub);
        pthread_mutex_unlock(&s->lock);
        if (pub != NULL) {
            atomic_store(&pub->maybe_durable, status == STATUS_OK ? pub->records_len : 0);
            (void)pub->on_done(pub, status);
            publication_unref(pub);
        } else {
            poll(NULL, 0, 1);
        }
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void set_mode(struct stage *s, enum kafka_mode mode)
{
    pthread_mutex_lock(&s->lock);
    s->mode = mode;
    pthread_mutex_unlock(&s->lock);
}

/* --- callbacks -------------------------------------------------------------------------------- */

struct callback {
    struct spool_entry entry; /* first; of one that is stored before */
    atomic_int stored;        /* how that ended; negative: not yet */
    struct publication pub;
    struct record record;
    char key[2], value[2];
    pthread_mutex_t lock;
    bool is_reported, is_expired;
    enum status report;
};

static bool on_done(struct publication *pub, enum status status)
{
    struct callback *c = pub->owner;
    pthread_mutex_lock(&c->lock);
    assert_false(c->is_reported);
    c->is_reported = true;
    c->report = status;
    bool is_heard = !c->is_expired;
    pthread_mutex_unlock(&c->lock);
    return is_heard;
}

static void on_release(struct publication *pub)
{
    struct callback *c = pub->owner;
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct callback *callback_new(const struct stage *s, size_t index)
{
    struct callback *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    publication_init(&c->pub);
    atomic_init(&c->stored, -1);
    c->key[0] = (char)('0' + index % KEYS);
    c->value[0] = (char)('0' + index);
    c->record = (struct record){.topic = "maesn.invoice",
                                .key = bytes_of_text(c->key),
                                .value = bytes_of_text(c->value),
                                .account = "acme-42"};
    c->pub.records = &c->record;
    c->pub.records_len = 1;
    c->pub.due_mono_ms = clock_mono_ms() + s->deadline_ms;
    c->pub.owner = c;
    c->pub.on_done = on_done;
    c->pub.on_release = on_release;
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

/* Whether it was answered; when it is due it is given up, as the ingress does. */
static bool is_over(struct callback *c)
{
    pthread_mutex_lock(&c->lock);
    bool is_due = clock_mono_ms() >= c->pub.due_mono_ms;
    c->is_expired = !c->is_reported && is_due;
    bool is_over = c->is_reported || is_due;
    pthread_mutex_unlock(&c->lock);
    return is_over;
}

static void send(struct stage *s, size_t index)
{
    struct callback *c = callback_new(s, index);
    struct told *told = &s->told[index];
    enum status status = event_sink_publish(spooling_sink(s->spooling), &c->pub);
    told->is_sent = true;
    told->is_refused = status != STATUS_OK;
    if (status == STATUS_OK) {
        while (!is_over(c))
            poll(NULL, 0, 1);
        if (c->is_expired)
            publication_abandon(&c->pub);
        told->is_promised = !c->is_expired && c->report == STATUS_OK;
        /* A machine may be too slow for its time. */
        assert_true(told->is_promised || c->is_expired || torture_has_failed());
    }
    assert_true(!told->is_refused || torture_has_failed());
    publication_unref(&c->pub);
}

/* --- the whole -------------------------------------------------------------------------------- */

static bool start(struct stage *s)
{
    struct diag diag = {0};
    const struct spooling_options opt = {.directory = s->directory,
                                         .max_bytes = 64 << 20,
                                         .deadline_ms = s->deadline_ms,
                                         .inner = &s->kafka,
                                         .metrics = s->metrics};
    enum status status = spooling_new(&opt, &s->spooling, &diag);
    assert_true(status == STATUS_OK || torture_has_failed());
    return status == STATUS_OK;
}

static void open_kafka(struct stage *s, enum kafka_mode mode)
{
    s->mode = mode;
    s->is_stopping = false;
    assert_int_equal(metrics_new(&s->metrics), STATUS_OK);
    assert_int_equal(pthread_create(&s->thread, NULL, report, s), 0);
}

static void stop_kafka(struct stage *s)
{
    pthread_mutex_lock(&s->lock);
    s->is_stopping = true;
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
}

static void stop(struct stage *s)
{
    if (s->spooling != NULL)
        spooling_stop(s->spooling);
    stop_kafka(s);
    spooling_free(s->spooling);
    s->spooling = NULL;
}

static void close_kafka(struct stage *s)
{
    metrics_free(s->metrics);
    s->metrics = NULL;
}

static bool is_delivered(struct stage *s)
{
    bool is = true;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < CALLBACKS; i++)
        is &= !s->told[i].is_promised || s->delivered[i] > 0;
    pthread_mutex_unlock(&s->lock);
    return is;
}

static void await_delivered(struct stage *s)
{
    int64_t until_mono_ms = clock_mono_ms() + PATIENCE_MS;
    while (!is_delivered(s)) {
        assert_true(clock_mono_ms() < until_mono_ms);
        poll(NULL, 0, 1);
    }
}

static void send_some(struct stage *s, size_t from, size_t len)
{
    for (size_t i = from; i < from + len; i++)
        send(s, i);
}

static void on_stored(struct spool_entry *entry, enum spool_outcome outcome)
{
    atomic_store(&((struct callback *)entry)->stored, (int)outcome);
}

/* As an earlier process has. */
static void store_before(struct stage *s, struct spool *spool, size_t index)
{
    struct callback *c = callback_new(s, index);
    c->entry.pub = &c->pub;
    c->entry.on_end = on_stored;
    assert_int_equal(spool_put(spool, &c->entry), STATUS_OK);
    while (atomic_load(&c->stored) < 0)
        poll(NULL, 0, 1);
    assert_int_equal(atomic_load(&c->stored), SPOOL_STORED);
    s->told[index] = (struct told){.is_sent = true, .is_promised = true};
    publication_unref(&c->pub);
}

static void stage_init(struct stage *s)
{
    memset(s, 0, sizeof(*s));
    pthread_mutex_init(&s->lock, NULL);
    spool_fixture_make_directory(s->directory);
    s->deadline_ms = 2000;
    s->kafka.publish = publish;
    assert_int_equal(metrics_new(&s->metrics), STATUS_OK);
    struct spool *spool = test_spool_open(s->directory, 0, s->metrics, NULL);
    for (size_t i = 0; i < BEFORE; i++)
        store_before(s, spool, i);
    spool_close(spool);
    metrics_free(s->metrics);
}

static void use(struct stage *s)
{
    send_some(s, BEFORE, AWAY);
    set_mode(s, KAFKA_UP);
    await_delivered(s);
    send_some(s, BEFORE + AWAY, BACK);
    await_delivered(s);
}

/* Also when everything has worked something may be in the spool, acknowledged just now. */
static void check_kept(struct stage *s)
{
    assert_int_equal(metrics_new(&s->metrics), STATUS_OK);
    struct spool *spool = test_spool_open(s->directory, 0, s->metrics, NULL);
    struct arena *a = arena_new(1 << 20);
    struct spooled_record *records = NULL;
    size_t len = 0;
    bool is_kept[CALLBACKS] = {false};
    assert_non_null(a);
    assert_int_equal(spool_read(spool, 0, 100, 1 << 20, a, &records, &len), STATUS_OK);
    for (size_t i = 0; i < len; i++)
        is_kept[records[i].record.value.data[0] - '0'] = true;
    for (size_t i = 0; i < CALLBACKS; i++) {
        const struct told *t = &s->told[i];
        if (t->is_promised && s->delivered[i] == 0 && !is_kept[i])
            fail_msg("callback %zu was promised, and is nowhere", i);
        if (t->is_refused && (s->delivered[i] > 0 || is_kept[i]))
            fail_msg("callback %zu was refused, and is there", i);
        if (!t->is_sent && (s->delivered[i] > 0 || is_kept[i]))
            fail_msg("callback %zu was invented", i);
    }
    arena_free(a);
    spool_close(spool);
    metrics_free(s->metrics);
}

/* Without failures everything that was promised is delivered. */
static void check_converges(struct stage *s)
{
    if (is_delivered(s))
        return;
    open_kafka(s, KAFKA_UP);
    assert_true(start(s));
    await_delivered(s);
    stop(s);
    close_kafka(s);
}

static void scenario(void *ctx)
{
    static struct stage s; /* also for the threads of a test that has failed */
    (void)ctx;
    stage_init(&s);
    open_kafka(&s, KAFKA_AWAY);
    torture_begin();
    if (start(&s))
        use(&s);
    stop(&s);
    torture_pause();
    close_kafka(&s);
    check_kept(&s);
    check_converges(&s);
    spool_fixture_remove_directory(s.directory);
    pthread_mutex_destroy(&s.lock);
}

static void kafka_is_away_and_comes_back(void **state)
{
    (void)state;
    torture(scenario, NULL, 80);
}

static int prepare(void **state)
{
    (void)state;
    torture_log();
    sqlite_calls_start();
    return 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, torture_teardown)
    const struct CMUnitTest tests[] = {
        T(kafka_is_away_and_comes_back),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}

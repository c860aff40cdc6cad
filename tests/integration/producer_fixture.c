#include "tests/integration/producer_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"

/* How long anything may take that is expected to happen. */
#define PATIENCE_MS 20000

bool eventually(bool (*is_true)(void *ctx), void *ctx, int64_t timeout_ms)
{
    int64_t until = clock_mono_ms() + timeout_ms;
    while (!is_true(ctx)) {
        if (clock_mono_ms() > until)
            return false;
        nanosleep(&(const struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return true;
}

void fixture_init(struct fixture *f, unsigned brokers)
{
    *f = (struct fixture){0};
    assert_int_equal(crypto_start(), STATUS_OK);
    f->cluster = mock_cluster_new(brokers);
    mock_cluster_create_topic(f->cluster, TOPIC, 4);
    mock_cluster_create_topic(f->cluster, DEAD_LETTERS, 1);
    assert_int_equal(metrics_new(&f->metrics), STATUS_OK);
    f->envelope = (struct envelope_options){
        .topic_template = "maesn.{resource}",
        .key_template = "{resource}:{account}",
        .dead_letter_topic = DEAD_LETTERS,
    };
    static const char *const topics[] = {TOPIC};
    f->options = (struct producer_options){
        .cluster = {.brokers = mock_cluster_bootstrap(f->cluster),
                    .sasl_password_file = "",
                    .key_password_file = ""},
        .linger_ms = 1,
        .deadline_ms = 2500,
        .prefetch_ms = 1000,
        .topics = topics,
        .topics_len = 1,
        .envelope = &f->envelope,
        .metrics = f->metrics,
    };
}

void fixture_start(struct fixture *f)
{
    struct diag diag = {0};
    enum status status = producer_new(&f->options, &f->producer, &diag);
    if (status != STATUS_OK)
        fail_msg("producer_new: %s: %s", status_name(status), diag.text);
}

size_t fixture_done(struct fixture *f)
{
    size_t given_up = 0;
    if (f->producer != NULL) {
        given_up = producer_stop(f->producer, clock_mono_ms() + 5000);
        producer_free(f->producer);
    }
    metrics_free(f->metrics);
    mock_cluster_free(f->cluster);
    return given_up;
}

static bool on_done(struct publication *pub, enum status status)
{
    struct outcome *o = pub->owner;
    o->done_at_mono_ms = clock_mono_ms();
    atomic_store(&o->status, status);
    atomic_fetch_add(&o->done, 1);
    return true;
}

static void on_release(struct publication *pub)
{
    struct outcome *o = pub->owner;
    atomic_fetch_add(&o->released, 1);
}

static struct outcome *outcome_new(const char *key, const char *value, size_t len)
{
    struct outcome *o = calloc(1, sizeof *o);
    assert_non_null(o);
    assert_true(len <= sizeof o->records / sizeof o->records[0]);
    publication_init(&o->pub);
    o->pub.owner = o;
    o->pub.on_done = on_done;
    o->pub.on_release = on_release;
    o->pub.records = o->records;
    o->pub.records_len = len;
    for (size_t i = 0; i < len; i++) {
        if (len == 1)
            snprintf(o->texts[i], sizeof o->texts[i], "%s", value);
        else
            snprintf(o->texts[i], sizeof o->texts[i], "%s-%zu", value, i);
        o->records[i] = (struct record){
            .topic = TOPIC,
            .key = bytes_of_text(key),
            .value = bytes_of_text(o->texts[i]),
            .account = "acme-42",
            .path = "/in/maesn/acme-42/by-hand",
        };
        record_add_header(&o->records[i], "ce_id", BYTES_LITERAL("id-1"));
    }
    return o;
}

struct outcome *fixture_publish(struct fixture *f, const char *key, const char *value, size_t len)
{
    struct outcome *o = outcome_new(key, value, len);
    o->published_at_mono_ms = clock_mono_ms();
    o->pub.due_mono_ms = f->due_in_ms == 0 ? 0 : o->published_at_mono_ms + f->due_in_ms;
    o->accepted = event_sink_publish(producer_sink(f->producer), &o->pub);
    return o;
}

struct outcome *fixture_publish_to(struct event_sink *sink, const char *key, const char *value)
{
    struct outcome *o = outcome_new(key, value, 1);
    o->published_at_mono_ms = clock_mono_ms();
    o->accepted = event_sink_publish(sink, &o->pub);
    return o;
}

static bool is_done(void *ctx)
{
    struct outcome *o = ctx;
    return atomic_load(&o->done) > 0;
}

enum status outcome_wait(struct outcome *o, int64_t timeout_ms)
{
    assert_int_equal(o->accepted, STATUS_OK);
    if (!eventually(is_done, o, timeout_ms))
        fail_msg("no on_done after %lld ms", (long long)timeout_ms);
    assert_int_equal(atomic_load(&o->done), 1);
    return (enum status)atomic_load(&o->status);
}

static bool is_released(void *ctx)
{
    struct outcome *o = ctx;
    return atomic_load(&o->released) > 0;
}

void outcome_free(struct outcome *o)
{
    publication_unref(&o->pub);
    assert_true(eventually(is_released, o, PATIENCE_MS));
    assert_int_equal(atomic_load(&o->released), 1);
    assert_int_equal(atomic_load(&o->done), o->accepted == STATUS_OK ? 1 : 0);
    free(o);
}

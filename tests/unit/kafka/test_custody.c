#include "bridge/kafka/custody.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/kafka/topic_map.h"

#define RECORDS_MAX 3

/* A publication whose sender waits, or was answered already. */
struct sender {
    struct publication pub;
    struct record records[RECORDS_MAX];
    bool is_waiting;
    unsigned told;
    enum status status;
};

static bool on_done(struct publication *pub, enum status status)
{
    struct sender *s = pub->owner;
    s->told++;
    s->status = status;
    return s->is_waiting;
}

static void on_release(struct publication *pub)
{
    (void)pub;
}

struct fate {
    enum status status;
    bool is_ambiguous;
};

struct row {
    bool is_waiting;
    size_t records_len;
    struct fate fates[RECORDS_MAX];
    enum status told;
    uint64_t acked, failed, ambiguous;
};

static const struct row rows[] = {
    /* what was waited for is acknowledged */
    {true, 2, {{STATUS_OK, false}, {STATUS_OK, false}}, STATUS_OK, 2, 0, 0},
    /* an earlier attempt may be there too: that is another counter's */
    {true, 1, {{STATUS_OK, true}}, STATUS_OK, 1, 0, 0},
    /* answered 503 before the report: it is there all the same */
    {false, 2, {{STATUS_OK, false}, {STATUS_OK, false}}, STATUS_OK, 0, 0, 2},
    /* answered 503 for one element of an array: the others are there all the same */
    {true,
     3,
     {{STATUS_OK, false}, {STATUS_UNAVAILABLE, false}, {STATUS_OK, false}},
     STATUS_UNAVAILABLE,
     0,
     1,
     2},
    /* the same when one is refused, and another's fate is unknown */
    {true,
     3,
     {{STATUS_UNAVAILABLE, true}, {STATUS_OK, false}, {STATUS_REFUSED, false}},
     STATUS_REFUSED,
     0,
     1,
     2},
    /* nothing of it is there */
    {false, 1, {{STATUS_UNAVAILABLE, false}}, STATUS_UNAVAILABLE, 0, 1, 0},
};

static void check_row(const struct row *row)
{
    struct metrics *metrics;
    struct topic_map map;
    struct topic *topic;
    assert_int_equal(metrics_new(&metrics), STATUS_OK);
    topic_map_init(&map, metrics);
    assert_int_equal(topic_map_add(&map, "maesn.invoice", &topic), STATUS_OK);

    struct sender sender = {.is_waiting = row->is_waiting};
    publication_init(&sender.pub);
    sender.pub.records = sender.records;
    sender.pub.records_len = row->records_len;
    sender.pub.on_done = on_done;
    sender.pub.on_release = on_release;
    sender.pub.owner = &sender;
    struct custody *custody = custody_new(&sender.pub);
    assert_non_null(custody);
    for (size_t i = 0; i < row->records_len; i++) {
        custody->messages[i].topic = topic;
        custody->messages[i].ambiguous = row->fates[i].is_ambiguous;
        custody_finish(&custody->messages[i], row->fates[i].status);
    }
    assert_int_equal(sender.told, 0);
    custody_finish_publisher(custody);

    assert_int_equal(sender.told, 1);
    assert_int_equal(sender.status, row->told);
    assert_int_equal(counter_value(topic->results[TOPIC_ACKED]), row->acked);
    assert_int_equal(counter_value(topic->results[TOPIC_FAILED]), row->failed);
    assert_int_equal(counter_value(topic->results[TOPIC_AMBIGUOUS]), row->ambiguous);
    publication_unref(&sender.pub);
    topic_map_done(&map);
    metrics_free(metrics);
}

static void what_is_durable_and_was_answered_503_is_ambiguous(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_row(&rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_durable_and_was_answered_503_is_ambiguous),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

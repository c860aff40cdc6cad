#include "bridge/replay/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/buf.h"
#include "bridge/base/scoped.h"

static struct record record_to(const char *topic)
{
    return (struct record){.topic = topic, .key = BYTES_LITERAL("key")};
}

static struct tally_letter letter(enum replay_outcome outcome, const char *account,
                                  const struct record records[], size_t records_len)
{
    return (struct tally_letter){.outcome = outcome,
                                 .reason = DEAD_LETTER_NOT_JSON,
                                 .account = account,
                                 .id = "id",
                                 .detail = "",
                                 .records = records,
                                 .records_len = records_len};
}

static void add(struct tally *t, const struct tally_letter *l)
{
    assert_int_equal(tally_add(t, l), STATUS_OK);
}

/* A line a group. */
static void write_groups(const struct tally *t, struct buf *ret)
{
    for (size_t i = 0; i < t->groups_len; i++)
        buf_printf(ret, "%s %s %s: %zu %zu\n", replay_outcome_name(t->groups[i].outcome),
                   t->groups[i].account, t->groups[i].topic, t->groups[i].letters,
                   t->groups[i].records);
}

static void letters_are_counted_by_outcome_account_and_topic(void **state)
{
    (void)state;
    CLEANUP(tally_done) struct tally t = {0};
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 4096);
    const struct record invoice = record_to("invoice");
    const struct record both[] = {record_to("invoice"), record_to("customer"),
                                  record_to("customer")};
    const struct tally_letter letters[] = {
        letter(REPLAY_NOT_UNDERSTOOD, "b", NULL, 0), letter(REPLAY_REPLAYED, "b", &invoice, 1),
        letter(REPLAY_REPLAYED, "a", &invoice, 1),   letter(REPLAY_REPLAYED, "a", both, 3),
        letter(REPLAY_REPLAYED, "a", NULL, 0), /* [] */
        letter(REPLAY_NO_TOPIC, "a", both, 3),       letter(REPLAY_UNREADABLE, NULL, NULL, 0),
        letter(REPLAY_NOT_UNDERSTOOD, "b", NULL, 0),
    };
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
        add(&t, &letters[i]);
    write_groups(&t, &text);
    assert_string_equal(buf_text(&text), "replayed a : 1 0\n"
                                         "replayed a customer: 0 2\n"
                                         "replayed a invoice: 2 2\n"
                                         "replayed b invoice: 1 1\n"
                                         "no-topic a invoice: 1 0\n"
                                         "not-understood b : 2 0\n"
                                         "unreadable  : 1 0\n");
    assert_int_equal(t.letters[REPLAY_REPLAYED], 4);
    assert_int_equal(t.records, 5);
}

static void a_group_remembers_its_first_letter(void **state)
{
    (void)state;
    CLEANUP(tally_done) struct tally t = {0};
    struct tally_letter l = letter(REPLAY_NOT_UNDERSTOOD, "a", NULL, 0);
    char detail[] = "why";
    l.detail = detail;
    l.partition = 1;
    l.offset = 17;
    l.recorded_at_unix_ms = 42;
    add(&t, &l);
    detail[0] = 'W';
    l.offset = 18;
    add(&t, &l);
    assert_int_equal(t.groups_len, 1);
    assert_int_equal(t.groups[0].sample.offset, 17);
    assert_int_equal(t.groups[0].sample.recorded_at_unix_ms, 42);
    assert_string_equal(t.groups[0].sample.detail, "why");
    assert_string_equal(t.groups[0].sample.key, "");
}

static void beyond_the_bound_letters_are_counted_without_names(void **state)
{
    (void)state;
    CLEANUP(tally_done) struct tally t = {0};
    for (size_t i = 0; i < TALLY_GROUPS_MAX + 5; i++) {
        char account[32];
        snprintf(account, sizeof(account), "account-%zu", i);
        const struct tally_letter l = letter(REPLAY_NOT_UNDERSTOOD, account, NULL, 0);
        add(&t, &l);
    }
    assert_int_equal(t.groups_len, TALLY_GROUPS_MAX + 1);
    assert_string_equal(t.groups[0].account, "");
    assert_int_equal(t.groups[0].letters, 5);
    assert_int_equal(t.letters[REPLAY_NOT_UNDERSTOOD], TALLY_GROUPS_MAX + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_are_counted_by_outcome_account_and_topic),
        cmocka_unit_test(a_group_remembers_its_first_letter),
        cmocka_unit_test(beyond_the_bound_letters_are_counted_without_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "bridge/cli/replay_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

static void add(struct tally *t, enum replay_outcome outcome, const char *account,
                const char *topic, const char *detail)
{
    const struct record record = {.topic = topic, .key = BYTES_LITERAL("INVOICE:acme-42")};
    const struct tally_letter letter = {
        .outcome = outcome,
        .reason = account == NULL ? DEAD_LETTER_NONE : DEAD_LETTER_NOT_JSON,
        .account = account,
        .id = account == NULL ? NULL : "d-1",
        .detail = detail,
        .records = topic == NULL ? NULL : &record,
        .records_len = topic == NULL ? 0 : 1,
        .partition = 2,
        .offset = 17,
        .recorded_at_unix_ms = 1767323046001,
    };
    assert_int_equal(tally_add(t, &letter), STATUS_OK);
}

struct fixture {
    struct replay_report report;
    struct replay_report_view view;
    struct buf text;
};

static void fixture_init(struct fixture *f, bool is_executed)
{
    *f = (struct fixture){.report = {.letters = 7, .already = 3, .not_selected = 1}};
    f->view = (struct replay_report_view){&f->report, "maesn.dead-letter", is_executed};
    buf_init(&f->text, 65536);
}

static void fixture_done(struct fixture *f)
{
    replay_report_done(&f->report);
    buf_done(&f->text);
}

static void a_dry_run_tells_what_would_be_done(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, false);
    add(&f.report.tally, REPLAY_REPLAYED, "acme-42", "maesn.invoice", "");
    add(&f.report.tally, REPLAY_NOT_UNDERSTOOD, "acme-42", NULL, "the body is empty");
    add(&f.report.tally, REPLAY_UNREADABLE, NULL, NULL, "it has no header ce_id");
    replay_report_print(&f.view, false, &f.text);
    assert_string_equal(
        buf_text(&f.text),
        "OUTCOME            REASON    ACCOUNT  TOPIC          LETTERS  RECORDS\n"
        "would be replayed  not-json  acme-42  maesn.invoice  1        1\n"
        "not-understood     not-json  acme-42  -              1        0\n"
        "unreadable         -         -        -              1        0\n"
        "\n"
        "FOR EXAMPLE        LETTER  RECEIVED                  CE_ID  KEY              DETAIL\n"
        "would be replayed  2/17    2026-01-02T03:04:06.001Z  d-1    INVOICE:acme-42  -\n"
        "not-understood     2/17    2026-01-02T03:04:06.001Z  d-1    -                the body is "
        "empty\n"
        "unreadable         2/17    2026-01-02T03:04:06.001Z  -      -                it has no "
        "header ce_id\n"
        "\n"
        "maesn.dead-letter: 7 letters, 3 replayed before, 1 not selected\n"
        "1 letter would be replayed as 1 record, 2 stay; nothing was written, --execute does it\n");
}

static void a_run_tells_what_was_done(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, true);
    for (int i = 0; i < 2; i++)
        add(&f.report.tally, REPLAY_REPLAYED, "acme-42", "maesn.invoice", "");
    f.report.is_interrupted = true;
    replay_report_print(&f.view, false, &f.text);
    assert_non_null(strstr(buf_text(&f.text), "\nreplayed     2/17"));
    assert_non_null(strstr(buf_text(&f.text), "interrupted: another run goes on\n"
                                              "2 letters replayed as 2 records, 0 stay\n"));
}

static void with_nothing_to_replay_there_is_no_table(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, true);
    replay_report_print(&f.view, false, &f.text);
    assert_string_equal(buf_text(&f.text),
                        "maesn.dead-letter: 7 letters, 3 replayed before, 1 not selected\n"
                        "nothing to replay, 0 stay dead letters\n");
}

static void programs_get_the_same_as_json(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, true);
    add(&f.report.tally, REPLAY_REPLAYED, "acme-42", "maesn.invoice", "");
    add(&f.report.tally, REPLAY_UNREADABLE, NULL, NULL, "say \"why\"");
    replay_report_print_json(&f.view, &f.text);
    assert_string_equal(
        buf_text(&f.text),
        "{\"executed\":true,\"interrupted\":false,\"topic\":\"maesn.dead-letter\",\"letters\":7,"
        "\"replayed_before\":3,\"not_selected\":1,\"replayed\":1,\"records\":1,"
        "\"not_understood\":0,\"no_topic\":0,\"refused\":0,\"unreadable\":1,\"groups\":["
        "{\"outcome\":\"replayed\",\"reason\":\"not-json\",\"account\":\"acme-42\","
        "\"topic\":\"maesn.invoice\",\"letters\":1,\"records\":1,\"example\":{\"partition\":2,"
        "\"offset\":17,\"received_at\":\"2026-01-02T03:04:06.001Z\",\"ce_id\":\"d-1\","
        "\"key\":\"INVOICE:acme-42\"}},"
        "{\"outcome\":\"unreadable\",\"letters\":1,\"records\":0,\"example\":{\"partition\":2,"
        "\"offset\":17,\"received_at\":\"2026-01-02T03:04:06.001Z\","
        "\"detail\":\"say \\\"why\\\"\"}}]}\n");
}

static void progress_is_one_line_that_replaces_itself(void **state)
{
    static const struct {
        uint64_t passed, total;
        const char *text;
    } rows[] = {
        {0, 0, "\r100 %  7 letters read, 1 replayed\033[K"},
        {1, 3, "\r 33 %  7 letters read, 1 replayed\033[K"},
        {3, 3, "\r100 %  7 letters read, 1 replayed\033[K"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP(fixture_done) struct fixture f;
        fixture_init(&f, true);
        add(&f.report.tally, REPLAY_REPLAYED, "acme-42", "maesn.invoice", "");
        f.report.passed = rows[i].passed;
        f.report.total = rows[i].total;
        replay_report_print_progress(&f.view, &f.text);
        assert_string_equal(buf_text(&f.text), rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dry_run_tells_what_would_be_done),
        cmocka_unit_test(a_run_tells_what_was_done),
        cmocka_unit_test(with_nothing_to_replay_there_is_no_table),
        cmocka_unit_test(programs_get_the_same_as_json),
        cmocka_unit_test(progress_is_one_line_that_replaces_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

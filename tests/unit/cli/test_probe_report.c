#include "bridge/cli/probe_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

struct fixture {
    struct probe_report report;
    struct probe_report_view view;
    struct buf text;
};

/* A probe that came through, over TLS. */
static void fixture_init(struct fixture *f)
{
    *f = (struct fixture){
        .report =
            {
                .failed = PROBE_HOPS,
                .topic = "maesn.probe",
                .id = "e9433be70063dd317d0eb49d90d1cbd7",
                .partition = 1,
                .offset = 17,
                .code = 200,
                .is_secured = true,
                .hops_us = {49312, 8, 1154, 4870, 3361, 0},
                .total_us = 9393,
                .sent_at_unix_ms = 1767323045000,
                .received_at_unix_ms = 1767323045009,
                .timestamp_unix_ms = 1767323045010,
                .met_at_unix_ms = 1767323045012,
            },
        .view = {.account = "probe",
                 .base_url = "https://hooks.example.com",
                 .ended_at_unix_ms = 1767323045013},
    };
    f->view.report = &f->report;
    buf_init(&f->text, 65536);
}

/* One that failed at this hop; nothing behind it was come to. */
static void fail_at(struct fixture *f, enum probe_hop hop, const char *problem)
{
    f->report.failed = hop;
    for (int h = (int)hop; h < PROBE_HOPS; h++)
        f->report.hops_us[h] = PROBE_NOT_REACHED;
    f->report.offset = -1;
    f->report.received_at_unix_ms = f->report.timestamp_unix_ms = f->report.met_at_unix_ms = 0;
    diag_set(&f->report.problem, STATUS_UNAVAILABLE, "%s", problem);
}

static void fixture_done(struct fixture *f)
{
    buf_done(&f->text);
}

static void people_see_each_hop_and_how_long_it_took(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f);
    probe_report_print(&f.view, false, &f.text);
    assert_string_equal(buf_text(&f.text),
                        "HOP      TIME       DETAIL\n"
                        "kafka    49.312 ms  maesn.probe, partition 1\n"
                        "dns      0.008 ms   https://hooks.example.com\n"
                        "connect  1.154 ms   -\n"
                        "tls      4.870 ms   -\n"
                        "answer   3.361 ms   200\n"
                        "record   0.000 ms   offset 17, met 2 ms after its timestamp\n"
                        "\n"
                        "the test event e9433be70063dd317d0eb49d90d1cbd7 came through in 9.393 "
                        "ms\n");
}

static void people_see_the_hop_at_which_it_failed(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f);
    fail_at(&f, PROBE_ANSWER, "answered 503");
    f.report.code = 503;
    f.report.is_secured = false;
    probe_report_print(&f.view, false, &f.text);
    assert_string_equal(buf_text(&f.text), "HOP      TIME       DETAIL\n"
                                           "kafka    49.312 ms  maesn.probe, partition 1\n"
                                           "dns      0.008 ms   https://hooks.example.com\n"
                                           "connect  1.154 ms   -\n"
                                           "answer   failed     503\n"
                                           "record   -          -\n");
}

static void programs_get_the_same_as_json(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f);
    probe_report_print_json(&f.view, &f.text);
    assert_string_equal(
        buf_text(&f.text),
        "{\"ok\":true,\"account\":\"probe\",\"url\":\"https://hooks.example.com\","
        "\"topic\":\"maesn.probe\",\"partition\":1,\"offset\":17,"
        "\"ce_id\":\"e9433be70063dd317d0eb49d90d1cbd7\",\"http_status\":200,"
        "\"sent_at\":\"2026-01-02T03:04:05Z\",\"received_at\":\"2026-01-02T03:04:05.009Z\","
        "\"record_timestamp\":\"2026-01-02T03:04:05.010Z\","
        "\"met_at\":\"2026-01-02T03:04:05.012Z\",\"hops_ms\":{\"kafka\":49.312,\"dns\":0.008,"
        "\"connect\":1.154,\"tls\":4.870,\"answer\":3.361,\"record\":0.000},"
        "\"total_ms\":9.393}\n");
}

static void what_did_not_happen_is_left_out_of_the_json(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f);
    fail_at(&f, PROBE_KAFKA, "say \"why\"");
    f.report.partition = -1;
    f.report.code = 0;
    f.report.sent_at_unix_ms = f.report.total_us = 0;
    probe_report_print_json(&f.view, &f.text);
    assert_string_equal(buf_text(&f.text),
                        "{\"ok\":false,\"failed_hop\":\"kafka\",\"problem\":\"say \\\"why\\\"\","
                        "\"account\":\"probe\",\"url\":\"https://hooks.example.com\","
                        "\"topic\":\"maesn.probe\","
                        "\"ce_id\":\"e9433be70063dd317d0eb49d90d1cbd7\",\"hops_ms\":{},"
                        "\"total_ms\":0.000}\n");
}

static void metrics_tell_success_the_failed_hop_and_the_times(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f);
    fail_at(&f, PROBE_CONNECT, "refused");
    f.report.total_us = 1500000;
    probe_report_print_metrics(&f.view, &f.text);
    assert_string_equal(
        buf_text(&f.text),
        "# HELP maesn_bridge_probe_success Whether the last test event came through.\n"
        "# TYPE maesn_bridge_probe_success gauge\n"
        "maesn_bridge_probe_success{account=\"probe\"} 0\n"
        "# HELP maesn_bridge_probe_hop_failed The hop at which the last one failed.\n"
        "# TYPE maesn_bridge_probe_hop_failed gauge\n"
        "maesn_bridge_probe_hop_failed{account=\"probe\",hop=\"kafka\"} 0\n"
        "maesn_bridge_probe_hop_failed{account=\"probe\",hop=\"dns\"} 0\n"
        "maesn_bridge_probe_hop_failed{account=\"probe\",hop=\"connect\"} 1\n"
        "maesn_bridge_probe_hop_failed{account=\"probe\",hop=\"tls\"} 0\n"
        "maesn_bridge_probe_hop_failed{account=\"probe\",hop=\"answer\"} 0\n"
        "maesn_bridge_probe_hop_failed{account=\"probe\",hop=\"record\"} 0\n"
        "# HELP maesn_bridge_probe_hop_seconds How long each hop of the last one took.\n"
        "# TYPE maesn_bridge_probe_hop_seconds gauge\n"
        "maesn_bridge_probe_hop_seconds{account=\"probe\",hop=\"kafka\"} 0.049312\n"
        "maesn_bridge_probe_hop_seconds{account=\"probe\",hop=\"dns\"} 0.000008\n"
        "# HELP maesn_bridge_probe_seconds From the first step towards the URL to the record, or "
        "to where it failed.\n"
        "# TYPE maesn_bridge_probe_seconds gauge\n"
        "maesn_bridge_probe_seconds{account=\"probe\"} 1.500000\n"
        "# HELP maesn_bridge_probe_timestamp_seconds When the last one ended.\n"
        "# TYPE maesn_bridge_probe_timestamp_seconds gauge\n"
        "maesn_bridge_probe_timestamp_seconds{account=\"probe\"} 1767323045.013000\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_see_each_hop_and_how_long_it_took),
        cmocka_unit_test(people_see_the_hop_at_which_it_failed),
        cmocka_unit_test(programs_get_the_same_as_json),
        cmocka_unit_test(what_did_not_happen_is_left_out_of_the_json),
        cmocka_unit_test(metrics_tell_success_the_failed_hop_and_the_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "bridge/cli/replay.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#include "bridge/app/cluster_settings.h"
#include "bridge/app/configuration.h"
#include "bridge/app/envelope_settings.h"
#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/scoped.h"
#include "bridge/cli/interruption.h"
#include "bridge/cli/invocation_settings.h"
#include "bridge/cli/output.h"
#include "bridge/cli/replay_report.h"
#include "bridge/providers/providers.h"

/* A replay under way. */
struct replay {
    struct configuration configuration;
    struct cluster_settings cluster;
    struct selection selection;
    struct replay_report report;
    struct replay_report_view view;
    bool shows_progress;
};

static void replay_done(struct replay *r)
{
    replay_report_done(&r->report);
    cluster_settings_done(&r->cluster);
    configuration_done(&r->configuration);
}

/* --- what is asked for -------------------------------------------------------------------------
 */

static enum exit_code wrong(const char *option, const char *value, const char *expected)
{
    fprintf(stderr, "maesn-bridge replay: --%s: %s, expected %s\n", option, value, expected);
    return EXIT_CODE_USAGE;
}

static enum exit_code read_instant(const struct invocation *in, const char *option,
                                   int64_t *ret_unix_ms)
{
    const char *text = invocation_value(in, option);
    if (text == NULL || selection_instant(text, clock_unix_ms(), ret_unix_ms))
        return EXIT_CODE_FINE;
    return wrong(option, text,
                 "an RFC 3339 date-time with a zone, or how long ago: 90s, 30m, 2h, 7d, 2w");
}

static void read_reasons(const struct invocation *in, struct selection *ret)
{
    const char *name;
    for (size_t n = 0; (name = invocation_nth_value(in, "reason", n)) != NULL; n++) {
        enum dead_letter_reason reason = selection_reason(name);
        assert(reason != DEAD_LETTER_NONE); /* the option's values are these */
        ret->by_reason = ret->reasons[reason] = true;
    }
}

static enum exit_code read_accounts(const struct invocation *in, struct selection *ret)
{
    const char *name;
    for (size_t n = 0; (name = invocation_nth_value(in, "account", n)) != NULL; n++) {
        if (ret->accounts_len == SELECTION_ACCOUNTS_MAX)
            return wrong("account", name, "at most 16 accounts");
        ret->accounts[ret->accounts_len++] = name;
    }
    return EXIT_CODE_FINE;
}

static enum exit_code read_selection(const struct invocation *in, struct selection *ret)
{
    *ret = (struct selection){.since_unix_ms = INT64_MIN, .until_unix_ms = INT64_MAX};
    if (invocation_has(in, "execute") && invocation_has(in, "dry-run")) {
        fputs("maesn-bridge replay: --execute and --dry-run exclude each other\n", stderr);
        return EXIT_CODE_USAGE;
    }
    enum exit_code code = read_instant(in, "since", &ret->since_unix_ms);
    if (code == EXIT_CODE_FINE)
        code = read_instant(in, "until", &ret->until_unix_ms);
    read_reasons(in, ret);
    return code == EXIT_CODE_FINE ? read_accounts(in, ret) : code;
}

/* --- how it goes -------------------------------------------------------------------------------
 */

static void on_progress(void *ctx, const struct replay_report *report)
{
    const struct replay *r = ctx;
    (void)report;
    if (!r->shows_progress)
        return;
    CLEANUP(buf_done) struct buf line;
    buf_init(&line, 1024);
    replay_report_print_progress(&r->view, &line);
    fputs(buf_text(&line), stderr);
    fflush(stderr);
}

static void wipe_progress(const struct replay *r)
{
    if (r->shows_progress)
        fputs("\r\033[K", stderr);
}

/* --- all of it ---------------------------------------------------------------------------------
 */

static enum exit_code prepare(const struct invocation *in, struct replay *r)
{
    log_set_level(LOG_ERROR); /* what fails is told in a sentence, not in librdkafka's lines */
    enum exit_code code = read_selection(in, &r->selection);
    if (code != EXIT_CODE_FINE)
        return code;
    enum status status = invocation_settings(in, SETTINGS_INGRESS, &r->configuration);
    if (status == STATUS_OK)
        status = cluster_settings_init(&r->cluster, r->configuration.settings);
    if (status != STATUS_OK)
        return exit_code_of_status(status);
    r->view = (struct replay_report_view){
        .report = &r->report,
        .topic = r->configuration.settings->topics_dead_letter,
        .is_executed = invocation_has(in, "execute"),
    };
    r->shows_progress = !invocation_wants_json(in) && isatty(STDERR_FILENO) == 1;
    return EXIT_CODE_FINE;
}

static enum exit_code print(const struct invocation *in, const struct replay *r)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, OUTPUT_MAX);
    if (invocation_wants_json(in))
        replay_report_print_json(&r->view, &text);
    else
        replay_report_print(&r->view, invocation_wants_colour(in), &text);
    enum exit_code code = output_write(stdout, &text);
    const size_t *letters = r->report.tally.letters;
    bool has_failed =
        letters[REPLAY_REFUSED] > 0 || letters[REPLAY_NO_TOPIC] > 0 || r->report.is_interrupted;
    return code == EXIT_CODE_FINE && has_failed ? EXIT_CODE_FAILURE : code;
}

static enum exit_code replay_command_run(const struct invocation *in)
{
    CLEANUP(replay_done) struct replay r = {0};
    enum exit_code code = prepare(in, &r);
    if (code != EXIT_CODE_FINE)
        return code;
    interruption_heed(); /* the first signal ends the run between two batches */
    const struct settings *s = r.configuration.settings;
    const struct replay_run_options opt = {
        .cluster = &r.cluster.cluster,
        .judgement =
            {
                .envelope = envelope_settings(s),
                .provider = envelope_settings_provider(s),
                .providers = providers_all,
            },
        .selection = &r.selection,
        .execute = r.view.is_executed,
        .ctx = &r,
        .on_progress = on_progress,
        .is_interrupted = interruption_came,
    };
    struct diag diag = {0};
    enum status status = replay_run(&opt, &r.report, &diag);
    wipe_progress(&r);
    if (status != STATUS_OK)
        code = output_failure("replay", status, &diag);
    if (status == STATUS_OK || r.report.tally.letters[REPLAY_REPLAYED] > 0) {
        enum exit_code told = print(in, &r);
        code = code == EXIT_CODE_FINE ? told : code;
    }
    return code;
}

/* The names follow Kafka's own kafka-consumer-groups.sh, which resets offsets only with --execute
 * and shows what it would do without. */
static const struct command_option options[] = {
    {"execute", NULL, "Produce. Without it nothing is written: a dry run."},
    {"dry-run", NULL, "Only show what would be done; the default."},
    {"since", "TIME",
     "Letters of callbacks that came at or after it: an RFC 3339 date-time, or how long ago "
     "(90s, 30m, 2h, 7d, 2w)."},
    {"until", "TIME", "Letters of callbacks that came before it."},
    {"reason",
     "REASON...=not-json|not-an-object|duplicate-keys|too-deep|no-resource|empty|refused-by-broker",
     "Letters of this reason: not-json, not-an-object, duplicate-keys, too-deep, no-resource, "
     "empty, refused-by-broker. May be given again."},
    {"account", "ACCOUNT...", "Letters of this account. May be given again."},
    {0},
};

const struct command replay_command = {
    .name = "replay",
    .operands = "",
    .summary = "Produce dead letters that today's version understands.",
    .description =
        "Reads topics.dead_letter, runs the parser of this version over the bytes that came, and\n"
        "shows what would become of each letter; with --execute it is done: records go to where\n"
        "the callback's would have gone, with its ce_id and ce_recordedtime. A record that the\n"
        "broker had refused goes to its topic as it was. What is still not understood stays.\n"
        "\n"
        "Each letter is replayed once, whatever the options of the runs: a mark of it is kept in\n"
        "the compacted topic {topics.dead_letter}.replayed, committed in one transaction with its\n"
        "records. So a second run does nothing, one that was interrupted goes on, and what a\n"
        "filter leaves out is there for the next run. A run ends an earlier one that still goes.\n"
        "\n"
        "Consumers must read what is committed only (isolation.level=read_committed) to see each\n"
        "record once even when a run is killed. Records come behind newer ones of their key:\n"
        "ce_recordedtime tells when the callback came.",
    .options = options,
    .examples = "  $ maesn-bridge replay --config bridge.yaml\n"
                "  $ maesn-bridge replay --since 2d --reason not-json --execute\n"
                "  $ maesn-bridge replay --account acme-42 --account bakery --output json",
    .exit_codes =
        (const struct exit_meaning[]){
            {0, "done; what is still not understood stays a dead letter"},
            {1, "a topic is missing, the broker refused a record again, another replay took over, "
                "or the run was interrupted: the others were replayed"},
            {64, "wrong use"},
            {69, "the brokers do not answer, or forbid it; or topics.dead_letter is missing"},
            {70, "an internal error"},
            {78, "the configuration is faulty, or the topic of marks is not compact-only"},
            {0}},
    .run = replay_command_run,
};

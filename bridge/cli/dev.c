/* A run: broker, simulated providers, workspace, subscriber, ingress, senders and reconciler are
 * started in this order, for each needs the ones before it; the senders stop first, with the
 * reconciler, then the ingress, and only when all that was
 * answered 200 has come out of Kafka, or has had time to, are the books closed.
 */
#include "bridge/cli/dev.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/app/configuration.h"
#include "bridge/app/event_topics.h"
#include "bridge/app/ingress_process.h"
#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/scoped.h"
#include "bridge/cli/dev_accounts.h"
#include "bridge/dev/broker.h"
#include "bridge/dev/log_tail.h"
#include "bridge/dev/sender.h"
#include "bridge/dev/subscriber.h"
#include "bridge/dev/tenant_deliveries.h"
#include "bridge/dev/view.h"
#include "bridge/dev/workspace.h"

static const uint16_t preferred_port = 8080;
static const unsigned default_per_second = 2;

/* One callback in so many is wrongly signed: an odd number, so that the tenants take turns at it,
 * and seldom enough for a person to read the remarks. */
static const unsigned forge_every_min = 25;
static const unsigned forge_interval_s = 2;

/* Turns of the main loop are at most this far apart: how long Ctrl-C takes to be felt. */
static const int turn_ms = 100;

/* How long records may take to come out of Kafka after the last answer. */
static const int64_t settle_max_ms = 10000;

/* Of a log line that is shown. */
static const size_t log_line_max = 16384;

struct dev_options {
    unsigned per_second;
    int64_t for_ms; /* 0: until a signal comes */
    bool port_given;
    uint16_t port;
    const char *faults; /* of the simulated providers; NULL: none */
};

struct run {
    struct dev_options opt;
    sigset_t signals; /* that end the run */
    struct broker *broker;
    struct workspace *workspace;
    struct ingress_process *ingress;
    struct subscriber *subscriber;
    struct ledger *ledger;
    struct view *view;
    struct dev_accounts *accounts;
    struct tenant_deliveries deliveries;
    struct sender *sender;
    struct log_tail log;
    struct buf log_line;
    uint64_t rejections_logged;
    int64_t started_mono_ms;
    int64_t status_mono_ms; /* when the status line was last drawn */
};

/* --- options ---------------------------------------------------------------------------------- */

/* Reads a decimal number of an option. Returns false, and tells on stderr, when it is none or out
 * of range; an option that is not given leaves *ret as it is. */
static bool read_option(const struct invocation *in, const char *name, uint64_t min, uint64_t max,
                        uint64_t *ret)
{
    const char *text = invocation_value(in, name);
    if (text == NULL)
        return true;
    uint64_t number = 0;
    size_t digits = strspn(text, "0123456789");
    for (size_t i = 0; i < digits && number <= max; i++)
        number = number * 10 + (uint64_t)(text[i] - '0');
    if (digits > 0 && text[digits] == '\0' && number >= min && number <= max) {
        *ret = number;
        return true;
    }
    fprintf(stderr, "maesn-bridge dev: --%s: %s, expected %" PRIu64 " to %" PRIu64 "\n", name, text,
            min, max);
    return false;
}

static bool check_faults(const char *rules)
{
    struct faults *f = NULL;
    struct diag diag = {{0}};
    enum status status = faults_new(&f);
    if (status == STATUS_OK)
        status = faults_add(f, bytes_of_text(rules == NULL ? "" : rules), &diag);
    faults_free(f);
    if (status != STATUS_OK)
        fprintf(stderr, "maesn-bridge dev: --faults: %s\n",
                diag.text[0] == '\0' ? status_name(status) : diag.text);
    return status == STATUS_OK;
}

static bool read_options(const struct invocation *in, struct dev_options *ret)
{
    uint64_t rate = default_per_second, seconds = 0, port = preferred_port;
    if (!check_faults(invocation_value(in, "faults")))
        return false;
    if (!read_option(in, "rate", 1, SENDER_PER_SECOND_MAX, &rate) ||
        !read_option(in, "for", 1, 31536000, &seconds) || !read_option(in, "http", 0, 65535, &port))
        return false;
    *ret = (struct dev_options){.per_second = (unsigned)rate,
                                .for_ms = (int64_t)seconds * 1000,
                                .port_given = invocation_has(in, "http"),
                                .port = (uint16_t)port,
                                .faults = invocation_value(in, "faults")};
    return true;
}

/* The ingress shares its port between its threads, so the kernel would let it share one with
 * another `dev` of the same user, too: whether the port is free is asked without sharing. */
static enum status choose_port(struct dev_options *opt, struct diag *diag)
{
    const struct address wanted = {.host = "127.0.0.1", .port = opt->port};
    struct diag why = {0};
    int fd;
    uint16_t port;
    enum status status = address_listen(&wanted, false, &fd, &port, opt->port_given ? diag : &why);
    if (status != STATUS_OK && !opt->port_given) {
        const struct address any = {.host = "127.0.0.1"};
        status = address_listen(&any, false, &fd, &port, diag);
    }
    if (status != STATUS_OK)
        return status;
    close(fd);
    opt->port = port; /* the callback URLs name it before the ingress listens */
    return STATUS_OK;
}

/* --- starting --------------------------------------------------------------------------------- */

static struct view_options view_options_of(const struct invocation *in)
{
    const char *term = getenv("TERM");
    bool terminal = isatty(STDOUT_FILENO) == 1 && term != NULL && strcmp(term, "dumb") != 0;
    return (struct view_options){
        .style = invocation_wants_json(in) ? VIEW_JSON
                 : terminal                ? VIEW_TERMINAL
                                           : VIEW_PLAIN,
        .colour = invocation_wants_colour(in),
        .out = stdout,
        .err = stderr,
    };
}

/* The settings are ours: a problem in them is a bug, or a full disk. */
static enum status load_configuration(const struct workspace *w, enum settings_process process,
                                      struct configuration *ret, struct diag *diag)
{
    struct problems problems;
    struct buf text;
    problems_init(&problems);
    buf_init(&text, log_line_max);
    enum status status = configuration_load(workspace_settings_file(w), process, ret, &problems);
    ret->any_topic_settings = true;
    problems_print(&problems, &text);
    if (status != STATUS_OK)
        diag_set(diag, status, "%s", buf_text(&text));
    problems_done(&problems);
    buf_done(&text);
    return status;
}

/* Not shown: the view is of events. */
static enum status create_own_topics(struct run *run, const struct settings *s, struct diag *diag)
{
    const char *const own[] = {s->topics_registry, s->topics_accounts, s->topics_activity};
    return broker_create_topics(run->broker, own, sizeof(own) / sizeof(own[0]), diag);
}

static enum status create_topics(struct run *run, const struct settings *s, struct diag *diag)
{
    const struct envelope_options names = {.topic_template = s->topics_template,
                                           .other_topic = s->topics_other,
                                           .token_topic = s->topics_token,
                                           .dead_letter_topic = s->topics_dead_letter};
    struct event_topics topics;
    event_topics_init(&topics);
    enum status status = event_topics_add(&topics, &names, s);
    if (status == STATUS_OK)
        status = broker_create_topics(run->broker, topics.names, topics.len, diag);
    if (status == STATUS_OK)
        status = create_own_topics(run, s, diag);
    if (status == STATUS_OK)
        status = subscriber_new(broker_bootstrap(run->broker), topics.names, topics.len,
                                BROKER_PARTITIONS, &run->subscriber, diag);
    event_topics_done(&topics);
    return status;
}

static enum status start_ingress(struct run *run, struct diag *diag)
{
    CLEANUP(configuration_done) struct configuration configuration;
    enum status status = load_configuration(run->workspace, SETTINGS_INGRESS, &configuration, diag);
    if (status == STATUS_OK)
        status = create_topics(run, configuration.settings, diag);
    if (status == STATUS_OK)
        status = ingress_process_start_take(&configuration, &run->ingress, diag);
    return status;
}

static void tell_call(void *owner, const struct provider_server_call *call)
{
    struct run *run = owner;
    if (strcmp(call->method, "GET") == 0 && call->code == 200)
        return; /* every few seconds */
    if (call->code == 0)
        view_remark(run->view, "api  %s %s  not answered, on purpose", call->method, call->path);
    else
        view_remark(run->view, "api  %s %s  %u", call->method, call->path, call->code);
}

static enum status start_bridge(struct run *run, struct diag *diag)
{
    enum status status = ledger_new(&run->ledger);
    if (status == STATUS_OK)
        status = broker_new(&run->broker, diag);
    if (status == STATUS_OK)
        status = dev_accounts_new(run->opt.faults, tell_call, run, &run->accounts, diag);
    if (status != STATUS_OK)
        return status;
    const struct workspace_options opt = {.bootstrap = broker_bootstrap(run->broker),
                                          .port = run->opt.port,
                                          .tenants = tenants,
                                          .tenants_len = tenants_len,
                                          .provider_port = dev_accounts_port(run->accounts),
                                          .api_key = dev_accounts_api_key(run->accounts),
                                          .accounts = dev_accounts_declared(run->accounts),
                                          .accounts_len = dev_accounts_len(run->accounts)};
    status = workspace_new(&opt, &run->workspace, diag);
    if (status != STATUS_OK)
        return status;
    run->log.fd = workspace_log_fd(run->workspace);
    log_set_fd(run->log.fd);
    return start_ingress(run, diag);
}

static void tell_refusal(void *owner, const char *path, bool forged, int code)
{
    struct run *run = owner;
    if (forged && code == 401)
        view_remark(run->view, "401  %s  wrongly signed on purpose: refused", path);
    else if (code == 0)
        view_remark(run->view, "---  %s  no answer", path);
    else
        view_remark(run->view, "%d  %s  %s", code, path,
                    forged ? "wrongly signed, yet not refused with 401" : "not accepted");
}

static unsigned forge_every(unsigned per_second)
{
    unsigned many = forge_interval_s * per_second + 1;
    return many > forge_every_min ? many : forge_every_min;
}

static enum status start_sender(struct run *run, struct diag *diag)
{
    run->deliveries = (struct tenant_deliveries){.port = ingress_process_port(run->ingress),
                                                 .tenants = tenants,
                                                 .secrets = workspace_secrets(run->workspace),
                                                 .tenants_len = tenants_len};
    const struct sender_options opt = {.per_second = run->opt.per_second,
                                       .forge_every = forge_every(run->opt.per_second),
                                       .lanes = tenants_len,
                                       .source = tenant_deliveries_source(&run->deliveries),
                                       .ledger = run->ledger,
                                       .on_refusal = tell_refusal,
                                       .owner = run};
    return sender_new(&opt, &run->sender, diag);
}

static enum status start_accounts(struct run *run, struct diag *diag)
{
    CLEANUP(configuration_done) struct configuration configuration;
    enum status status =
        load_configuration(run->workspace, SETTINGS_RECONCILER, &configuration, diag);
    const struct sender_options opt = {.per_second = run->opt.per_second,
                                       .lanes = 4,
                                       .forge_every = forge_every(run->opt.per_second),
                                       .ledger = run->ledger,
                                       .on_refusal = tell_refusal,
                                       .owner = run};
    return status == STATUS_OK ? dev_accounts_start_take(run->accounts, &configuration, &opt, diag)
                               : status;
}

/* --- the banner ------------------------------------------------------------------------------- */

/* The secret passes through openssl's argv, where other processes can see it for a moment: it is
 * worth nothing outside this run. */
static void print_curl(const struct run *run, FILE *to)
{
    fprintf(to,
            "  BODY='{\"eventType\":\"UPDATED\",\"filterDate\":\"2026-01-02T03:04:05Z\","
            "\"resource\":\"INVOICE\",\"resourceId\":\"11111111-2222-4333-8444-555555555555\"}'\n"
            "  curl -i http://127.0.0.1:%u%s \\\n"
            "    -H 'Content-Type: application/json' \\\n"
            "    -H \"X-MAESN-SIGNATURE: $(printf %%s \"$BODY\" | openssl dgst -sha256 -hmac "
            "\"$(cat %s)\" -r | cut -d' ' -f1)\" \\\n"
            "    --data-binary \"$BODY\"\n",
            ingress_process_port(run->ingress), tenants[0].path,
            workspace_secret_file(run->workspace, 0));
}

static void print_banner(const struct run *run, FILE *to, bool colour)
{
    const char *bold = colour ? "\x1b[1m" : "", *dim = colour ? "\x1b[2m" : "",
               *plain = colour ? "\x1b[0m" : "";
    uint16_t port = ingress_process_port(run->ingress);
    fprintf(to, "%smaesn-bridge dev%s: signed callbacks become Kafka records%s\n\n", bold, plain,
            run->opt.for_ms == 0 ? "; Ctrl-C ends it" : "");
    fprintf(to, "  callbacks  %shttp://127.0.0.1:%u/in/maesn/...%s  %zu accounts, %u a second\n",
            bold, port, plain, tenants_len, run->opt.per_second);
    if (port != preferred_port && !run->opt.port_given)
        fprintf(to, "             %sport %u is taken; --http PORT asks for another one%s\n", dim,
                preferred_port, plain);
    fprintf(to, "  admin      %shttp://127.0.0.1:%u%s/status /metrics /readyz?verbose\n", bold,
            ingress_process_admin_port(run->ingress), plain);
    fprintf(to,
            "  kafka      %s%s%s  embedded, in memory, %d partitions a topic; others may attach\n",
            bold, broker_bootstrap(run->broker), plain, BROKER_PARTITIONS);
    fprintf(to, "  accounts   %s%s%s  declared: subscribed by the reconciler\n", bold,
            workspace_accounts_file(run->workspace), plain);
    fprintf(to, "  providers  %shttp://127.0.0.1:%u%s  simulated; the fault switch: %s\n", bold,
            dev_accounts_port(run->accounts), plain, "/simulator/faults");
    fprintf(to, "  log        %s%s%s  gone at the end, with the secrets of this run\n\n", bold,
            workspace_log_file(run->workspace), plain);
    fprintf(to, "Send one yourself, signed with the secret of %s:\n\n", tenants[0].account);
    print_curl(run, to);
    fputs("\n", to);
    fflush(to);
}

/* --- running ---------------------------------------------------------------------------------- */

static bool signal_came(const struct run *run)
{
    const struct timespec at_once = {0};
    return sigtimedwait(&run->signals, NULL, &at_once) > 0;
}

/* Warnings and errors of the ingress's log, but for the rejections that the sender provokes. */
static void show_log(struct run *run)
{
    while (log_tail_next(&run->log, &run->log_line)) {
        const char *line = buf_text(&run->log_line);
        const char *level = strstr(line, "\"level\":");
        bool grave = level != NULL && (strncmp(level + 8, "\"warn\"", 6) == 0 ||
                                       strncmp(level + 8, "\"error\"", 7) == 0);
        if (!grave)
            continue;
        if (strstr(level, "\"facility\":\"AUTOCREATE\"") != NULL)
            continue; /* the embedded broker is an old one: its topics are all there */
        if (strstr(level, "\"reason\":\"signature-bad\"") != NULL &&
            run->rejections_logged++ < ledger_totals(run->ledger).forged)
            continue;
        view_remark(run->view, "log  {%s", level);
    }
}

static void show_status(struct run *run)
{
    int64_t now_mono_ms = clock_mono_ms();
    if (now_mono_ms - run->status_mono_ms < turn_ms)
        return;
    run->status_mono_ms = now_mono_ms;
    struct ledger_totals totals = ledger_totals(run->ledger);
    view_status(run->view, &totals, now_mono_ms - run->started_mono_ms);
}

/* Returns false when no record came within a turn. */
static bool take_turn(struct run *run)
{
    struct arrival a;
    bool came = subscriber_poll(run->subscriber, turn_ms, &a);
    if (came) {
        ledger_receive(run->ledger, record_header(&a.record, "ce_id"));
        view_arrival(run->view, &a);
    }
    show_log(run);
    show_status(run);
    return came;
}

static void serve(struct run *run)
{
    int64_t until_mono_ms = run->opt.for_ms == 0 ? INT64_MAX : clock_mono_ms() + run->opt.for_ms;
    while (!signal_came(run) && !view_is_broken(run->view) && clock_mono_ms() < until_mono_ms) {
        take_turn(run);
        dev_accounts_follow_files(run->accounts);
    }
}

/* Until all that is owed has come, and nothing more does; a further signal ends the patience. */
static void settle(struct run *run)
{
    int64_t until_mono_ms = clock_mono_ms() + settle_max_ms;
    for (bool came = true; (came || ledger_totals(run->ledger).missing > 0) &&
                           clock_mono_ms() < until_mono_ms && !signal_came(run);)
        came = take_turn(run);
}

/* --- stopping --------------------------------------------------------------------------------- */

static void stop_ingress(struct run *run)
{
    if (run->ingress == NULL)
        return;
    ingress_process_drain(run->ingress);
    ingress_process_stop(run->ingress);
    ingress_process_free(TAKE(run->ingress));
}

static void run_done(struct run *run)
{
    sender_free(run->sender);
    dev_accounts_stop(run->accounts);
    stop_ingress(run);
    dev_accounts_free(run->accounts);
    subscriber_free(run->subscriber);
    broker_free(run->broker);
    ledger_free(run->ledger);
    view_free(run->view);
    log_set_fd(STDERR_FILENO);
    workspace_free(run->workspace);
    buf_done(&run->log_line);
}

static bool play(struct run *run)
{
    run->started_mono_ms = clock_mono_ms();
    serve(run);
    sender_stop(run->sender);
    dev_accounts_stop(run->accounts);
    stop_ingress(run);
    settle(run);
    struct ledger_totals totals = ledger_totals(run->ledger);
    view_summary(run->view, &totals);
    return ledger_is_balanced(&totals);
}

static enum exit_code fail(enum status status, const struct diag *diag)
{
    fprintf(stderr, "maesn-bridge dev: %s\n",
            diag->text[0] == '\0' ? status_name(status) : diag->text);
    return status == STATUS_UNAVAILABLE ? EXIT_CODE_UNAVAILABLE : EXIT_CODE_INTERNAL;
}

/* Before any thread, so that only the main one takes them. A reader that has gone ends the run, not
 * the process. */
static void prepare_signals(struct run *run)
{
    sigemptyset(&run->signals);
    sigaddset(&run->signals, SIGINT);
    sigaddset(&run->signals, SIGTERM);
    sigaddset(&run->signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &run->signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static enum exit_code dev_run(const struct invocation *in)
{
    CLEANUP(run_done) struct run run = {.log.fd = -1};
    buf_init(&run.log_line, log_line_max);
    if (!read_options(in, &run.opt))
        return EXIT_CODE_USAGE;
    prepare_signals(&run);

    const struct view_options view = view_options_of(in);
    struct diag diag = {0};
    enum status status = view_new(&view, &run.view);
    if (status == STATUS_OK)
        status = choose_port(&run.opt, &diag);
    if (status == STATUS_OK)
        status = start_bridge(&run, &diag);
    if (status != STATUS_OK)
        return fail(status, &diag);

    print_banner(&run, view.style == VIEW_JSON ? stderr : stdout, view.colour);
    view_heading(run.view);
    status = start_sender(&run, &diag);
    if (status == STATUS_OK)
        status = start_accounts(&run, &diag);
    if (status != STATUS_OK)
        return fail(status, &diag);
    return play(&run) ? EXIT_CODE_FINE : EXIT_CODE_FAILURE;
}

static const struct command_option options[] = {
    {"rate", "N", "Callbacks a second, 1 to 1000. Default 2."},
    {"for", "SECONDS", "How long to run. Default: until Ctrl-C."},
    {"http", "PORT", "Port for callbacks on 127.0.0.1; 0: a free one. Default 8080 if it is free."},
    {"faults", "RULES",
     "What goes wrong at the providers: OPERATION:KIND[=N][*TIMES][/EVERY], ..."},
    {0},
};

const struct command dev_command = {
    .name = "dev",
    .operands = "",
    .summary = "Show the whole path at work, with a broker of its own.",
    .description =
        "Runs the real ingress on loopback with an embedded, in-memory Kafka broker, plays Maesn "
        "to it, and shows\n"
        "each record as it arrives: topic, partition, key, ce_id, ce_type, value. Twelve accounts "
        "on all nine of\n"
        "Maesn's accounting systems send signed events; now and then one is wrongly signed, and "
        "must be refused.\n"
        "\n"
        "Four more accounts are only declared in a file. The real reconciler subscribes them at a "
        "simulated Maesn and a\n"
        "simulated Moneybird, keeps the secrets in the registry topic, and renews what Maesn lets "
        "expire after two\n"
        "minutes; their callbacks follow. Edit the file while it runs, or let --faults break the "
        "providers' answers:\n"
        "OPERATION is list, create, delete, activate or any; KIND is delay, error, too-many, "
        "unauthorized, forbidden,\n"
        "html, reset, error-after, html-after, reset-after, truncated, empty-list, partial-list, "
        "missing-item,\n"
        "list-errors, no-secret or other-url; of N milliseconds, seconds or HTTP code, the next "
        "TIMES, only one in EVERY.\n"
        "\n"
        "At the end the books: what was sent, how it was answered, and what arrived. Nothing "
        "answered 200 may be\n"
        "missing.\n"
        "\n"
        "A terminal gets columns, a pipe a line a record with tabs between the fields, --output "
        "json an object a line\n"
        "(the value is text in it, byte for byte), and {\"summary\": ...} as the last one. "
        "Secrets are random and live,\n"
        "with the ingress's log, in a private temporary directory that is removed at the end. "
        "--config is not read.",
    .options = options,
    .examples =
        "  $ maesn-bridge dev\n"
        "  $ maesn-bridge dev --faults create:reset-after*2,list:error=503/3\n"
        "  $ maesn-bridge dev --rate 20 --for 5 --output json | jq -r .ce_type | sort | uniq -c",
    .exit_codes =
        (const struct exit_meaning[]){
            {0, "everything that was answered 200 arrived, and nothing that was refused"},
            {1, "something did not, or nothing was accepted"},
            {64, "wrong use"},
            {69, "the port is taken"},
            {70, "an internal error"},
            {0}},
    .run = dev_run,
};

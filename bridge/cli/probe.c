#include "bridge/cli/probe.h"

#include <ctype.h>
#include <errno.h>
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
#include "bridge/cli/probe_report.h"
#include "bridge/domain/resource.h"
#include "bridge/providers/maesn/maesn.h"
#include "bridge/settings/url.h"

#define ACCOUNT_DEFAULT "probe"

static const int64_t timeout_default_s = 30, timeout_max_s = 600;

/* A probe, and what it is told. */
struct probe {
    struct configuration configuration;
    struct cluster_settings cluster;
    struct probe_run_options run;
    struct probe_report report;
    struct probe_report_view view;
};

static void probe_done(struct probe *p)
{
    cluster_settings_done(&p->cluster);
    configuration_done(&p->configuration);
}

/* --- what is asked for -------------------------------------------------------------------------
 */

static enum exit_code read_timeout(const struct invocation *in, int64_t *ret_ms)
{
    const char *text = invocation_value(in, "timeout");
    int64_t seconds = text == NULL ? timeout_default_s : 0;
    for (const char *at = text; at != NULL && isdigit((unsigned char)*at); at++)
        if (seconds <= timeout_max_s)
            seconds = seconds * 10 + (*at - '0');
    bool is_number = text == NULL || text[strspn(text, "0123456789")] == '\0';
    if (!is_number || seconds < 1 || seconds > timeout_max_s) {
        fprintf(stderr, "maesn-bridge probe: --timeout: %s, expected seconds from 1 to %lld\n",
                text, (long long)timeout_max_s);
        return EXIT_CODE_USAGE;
    }
    *ret_ms = seconds * 1000;
    return EXIT_CODE_FINE;
}

static enum exit_code read_options(const struct invocation *in, struct probe *p)
{
    const char *url = invocation_value(in, "url");
    p->view.account = invocation_value(in, "account");
    if (p->view.account == NULL)
        p->view.account = ACCOUNT_DEFAULT;
    if (url != NULL && !url_is_base(url)) {
        fprintf(stderr, "maesn-bridge probe: --url: %s, expected %s\n", url, URL_BASE_EXPECTATION);
        return EXIT_CODE_USAGE;
    }
    p->run.base_url = url;
    p->run.ca_file = invocation_value(in, "ca-file");
    return read_timeout(in, &p->run.timeout_ms);
}

/* --- where to ---------------------------------------------------------------------------------
 */

static void explain_route(const struct settings *s, const char *account)
{
    fprintf(
        stderr,
        "maesn-bridge probe: no route of account %s has `resource: %s`; in %s the ingress and "
        "probe look for one like\n\n"
        "routes:\n"
        "  - path: /in/maesn/%s/by-hand\n"
        "    provider: maesn\n"
        "    account: %s\n"
        "    system: xero\n"
        "    resource: %s\n"
        "    secret_file: ../secrets/%s    # of your choice; `openssl rand -hex 32` makes one\n",
        account, RESOURCE_PROBE, s->routes_dir, account, account, RESOURCE_PROBE, account);
}

/* The route must say that it is for this: a test event has no place among those of a customer. */
static enum exit_code find_route(struct probe *p)
{
    const struct settings *s = p->configuration.settings;
    const struct route *found = NULL;
    for (size_t i = 0; i < s->routes_len; i++) {
        const struct route *r = s->routes[i];
        if (!route_is_probe(r) || strcmp(r->account, p->view.account) != 0)
            continue;
        if (found != NULL) {
            fprintf(stderr,
                    "maesn-bridge probe: %s and %s are both routes of account %s with `resource: "
                    "%s`, expected one\n",
                    found->path, r->path, r->account, RESOURCE_PROBE);
            return EXIT_CODE_CONFIG;
        }
        found = r;
    }
    if (found == NULL) {
        explain_route(s, p->view.account);
        return EXIT_CODE_CONFIG;
    }
    if (found->provider != &maesn) {
        fprintf(stderr, "maesn-bridge probe: the provider of %s is %s, expected %s\n", found->path,
                found->provider->name, maesn.name);
        return EXIT_CODE_CONFIG;
    }
    p->run.route = found;
    return EXIT_CODE_FINE;
}

static enum exit_code find_url(struct probe *p)
{
    const struct settings *s = p->configuration.settings;
    if (p->run.base_url == NULL)
        p->run.base_url = s->public_base_url;
    if (p->run.base_url[0] != '\0')
        return EXIT_CODE_FINE;
    fprintf(stderr,
            "maesn-bridge probe: %s: public_base_url: missing, expected %s; or give --url\n",
            s->file, URL_PUBLIC_BASE_EXPECTATION);
    return EXIT_CODE_CONFIG;
}

/* --- doing it ---------------------------------------------------------------------------------
 */

static enum exit_code prepare(const struct invocation *in, struct probe *p)
{
    log_set_level(LOG_ERROR); /* what fails is told in a sentence, not in librdkafka's lines */
    enum exit_code code = read_options(in, p);
    if (code != EXIT_CODE_FINE)
        return code;
    enum status status = invocation_settings(in, SETTINGS_INGRESS, &p->configuration);
    if (status == STATUS_OK)
        status = cluster_settings_init(&p->cluster, p->configuration.settings);
    if (status != STATUS_OK)
        return exit_code_of_status(status);
    code = find_route(p);
    if (code == EXIT_CODE_FINE)
        code = find_url(p);
    const struct settings *s = p->configuration.settings;
    p->run.cluster = &p->cluster.cluster;
    p->run.rules = (struct probe_event_rules){envelope_settings(s), envelope_settings_provider(s)};
    p->run.connect_timeout_ms = s->http_connect_timeout_ms;
    p->run.is_interrupted = interruption_came;
    if (p->run.ca_file == NULL)
        p->run.ca_file = s->http_ca_file;
    p->view.report = &p->report;
    p->view.base_url = p->run.base_url;
    return code;
}

/* --- telling of it ----------------------------------------------------------------------------
 */

static enum exit_code cannot_write(const char *path)
{
    fprintf(stderr, "maesn-bridge probe: %s: cannot be written: %s\n", path, strerror(errno));
    return EXIT_CODE_FAILURE;
}

/* Whole or not at all: the collector may look at any moment. It takes files that end in ".prom". */
static enum exit_code write_metrics(const char *path, const struct probe_report_view *view)
{
    CLEANUP(buf_done) struct buf text, beside;
    buf_init(&text, 65536);
    buf_init(&beside, 8192);
    probe_report_print_metrics(view, &text);
    buf_printf(&beside, "%s.%ld", path, (long)getpid());
    if (text.status != STATUS_OK || beside.status != STATUS_OK)
        return output_out_of_memory();
    FILE *file = fopen(buf_text(&beside), "we");
    if (file == NULL)
        return cannot_write(buf_text(&beside));
    bool is_written = fwrite(text.data, 1, text.len, file) == text.len;
    is_written = fclose(file) == 0 && is_written;
    if (is_written && rename(buf_text(&beside), path) == 0)
        return EXIT_CODE_FINE;
    enum exit_code code = cannot_write(path);
    unlink(buf_text(&beside));
    return code;
}

static enum exit_code verdict(const struct probe_report *report)
{
    if (report->failed == PROBE_HOPS)
        return EXIT_CODE_FINE;
    fprintf(stderr, "maesn-bridge probe: %s: %s\n", probe_hop_name(report->failed),
            report->problem.text);
    return report->is_refused || report->is_interrupted ? EXIT_CODE_FAILURE : EXIT_CODE_UNAVAILABLE;
}

static enum exit_code tell(const struct invocation *in, const struct probe *p)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, OUTPUT_MAX);
    if (invocation_wants_json(in))
        probe_report_print_json(&p->view, &text);
    else
        probe_report_print(&p->view, invocation_wants_colour(in), &text);
    enum exit_code code = output_write(stdout, &text);
    const char *textfile = invocation_value(in, "textfile");
    enum exit_code written = textfile == NULL ? EXIT_CODE_FINE : write_metrics(textfile, &p->view);
    enum exit_code found = verdict(&p->report);
    return found != EXIT_CODE_FINE ? found : code != EXIT_CODE_FINE ? code : written;
}

static enum exit_code probe_command_run(const struct invocation *in)
{
    CLEANUP(probe_done) struct probe p = {0};
    enum exit_code code = prepare(in, &p);
    if (code != EXIT_CODE_FINE)
        return code;
    interruption_heed(); /* the first signal ends the run with a report */
    struct diag diag = {0};
    enum status status = probe_run(&p.run, &p.report, &diag);
    p.view.ended_at_unix_ms = clock_unix_ms();
    if (status == STATUS_OK)
        return tell(in, &p);
    return output_failure("probe", status, &diag);
}

static const struct command_option options[] = {
    {"account", "ACCOUNT", "Whose static route is used. Default probe."},
    {"url", "URL", "What stands before the route's path. Default public_base_url."},
    {"ca-file", "FILE",
     "Certificate authorities (PEM) that the URL's certificate is checked with. Default "
     "http.ca_file."},
    {"timeout", "SECONDS", "How long all of it may take, 1 to 600. Default 30."},
    {"textfile", "FILE",
     "Also writes the result as Prometheus metrics, whole or not at all, for the node exporter's "
     "textfile collector."},
    {0},
};

const struct command probe_command = {
    .name = "probe",
    .operands = "",
    .summary = "Send a signed test event through the whole path, and time each hop.",
    .description =
        "Stands at the end of the record's partition, sends an event that nobody else has through\n"
        "the public URL, and waits for its record, which must be byte for byte what the settings\n"
        "say. It tells how long each hop took:\n"
        "\n"
        "  kafka    the brokers answer, the topic can be read (nothing is sent if not)\n"
        "  dns      the URL's name is resolved\n"
        "  connect  a connection stands\n"
        "  tls      and is secured; the certificate is checked\n"
        "  answer   the ingress answers 200: all in-sync replicas have it, or the spool\n"
        "  record   the record is in Kafka, and as it must be\n"
        "\n"
        "It needs a static route of Maesn's with `resource: PROBE`, whose secret it knows; "
        "without\n"
        "one it prints what to write. The record goes to the topic of the resource PROBE\n"
        "(maesn.probe) with the ce_type com.maesn.probe.created, so that subscribers do not meet\n"
        "it. The probe's Kafka principal needs Read and Describe on that topic, and no group.",
    .options = options,
    .examples = "  $ maesn-bridge probe --config bridge.yaml\n"
                "  $ maesn-bridge probe --url http://localhost:8080 --timeout 5 --output json\n"
                "  $ maesn-bridge probe --textfile /var/lib/node_exporter/maesn_bridge.prom",
    .exit_codes =
        (const struct exit_meaning[]){
            {0, "the event came through"},
            {1, "it was refused (4xx), its record is another than it must be, or the run was "
                "interrupted"},
            {64, "wrong use"},
            {69, "a hop does not answer in time, or with 5xx; or the topic is missing"},
            {70, "an internal error"},
            {78, "the configuration is faulty, or has no route for probing"},
            {0}},
    .run = probe_command_run,
};

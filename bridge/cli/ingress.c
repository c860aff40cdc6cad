#include "bridge/cli/ingress.h"

#include <stdio.h>

#include "bridge/app/configuration.h"
#include "bridge/app/hardening.h"
#include "bridge/app/ingress_process.h"
#include "bridge/app/serve.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"

/* A line for each of at most PROBLEMS_MAX problems. */
static const size_t problems_text_max = 1 << 20;

DEFINE_CLEANUP(struct ingress_process *, ingress_process_free)

static enum exit_code fail(enum status status, const struct diag *diag)
{
    LOG(PROCESS_FAILED,
        log_text("error", diag->text[0] == '\0' ? status_name(status) : diag->text));
    return exit_code_of_status(status);
}

/* Errors are lines for the person who starts it, as `check` prints them; what does not stop it is
 * logged. */
static enum status load(const char *file, struct configuration *ret)
{
    struct problems problems;
    problems_init(&problems);
    enum status status = configuration_load(file, SETTINGS_INGRESS, ret, &problems);
    if (status == STATUS_OK) {
        configuration_log(&problems);
    } else {
        struct buf text;
        buf_init(&text, problems_text_max);
        problems_print(&problems, &text);
        fputs(buf_text(&text), stderr);
        buf_done(&text);
    }
    problems_done(&problems);
    return status;
}

static enum exit_code ingress_run(const struct invocation *in)
{
    struct diag diag = {0};
    enum status status = hardening_apply(&diag);
    if (status == STATUS_OK)
        status = serve_prepare(&diag);
    if (status != STATUS_OK)
        return fail(status, &diag);

    CLEANUP(configuration_done) struct configuration configuration;
    status = load(invocation_config(in), &configuration);
    if (status != STATUS_OK)
        return exit_code_of_status(status);

    CLEANUP(ingress_process_free_scoped) struct ingress_process *process = NULL;
    status = ingress_process_start_take(&configuration, &process, &diag);
    if (status != STATUS_OK)
        return fail(status, &diag);
    size_t cut = 0;
    status = serve_run(process, &cut, &diag);
    if (status != STATUS_OK)
        return fail(status, &diag);
    return cut == 0 ? EXIT_CODE_FINE : EXIT_CODE_FAILURE;
}

const struct command ingress_command = {
    .name = "ingress",
    .operands = "",
    .summary = "Take callbacks to Kafka (runs until SIGTERM).",
    .description =
        "Serves the routes on ingress.listen: verifies each callback, produces its records, and\n"
        "answers 200 when Kafka has them on all in-sync replicas, 503 when it has not within\n"
        "ingress.deadline_ms. Logs are JSON lines on stderr.\n\n"
        "The admin listener (admin.listen) serves /livez, /readyz, /metrics, /version,\n"
        "/debug/config and /rejections.json.\n\n"
        "With topics.registry it follows that topic too, and is ready once it has read it.\n\n"
        "Routes, secrets, certificates and the log level are read again when their files change,\n"
        "or on SIGHUP; a faulty file changes nothing.",
    .examples = "  $ maesn-bridge check --config bridge.yaml\n"
                "  $ maesn-bridge ingress --config bridge.yaml",
    .exit_codes = "  0   stopped by SIGTERM or SIGINT, everything in flight was answered\n"
                  "  1   the hard stop cut something, or a second signal came\n"
                  "  64  wrong use\n"
                  "  69  a port cannot be bound, or the registry topic is missing\n"
                  "  70  an internal error\n"
                  "  78  the configuration is faulty, or the registry topic is not as it must be",
    .run = ingress_run,
};

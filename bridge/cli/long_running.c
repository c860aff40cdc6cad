#include "bridge/cli/long_running.h"

#include <stdio.h>

#include "bridge/app/confinement.h"
#include "bridge/app/hardening.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"

/* A line for each of at most PROBLEMS_MAX problems. */
static const size_t problems_text_max = 1 << 20;

static enum exit_code fail(enum status status, const struct diag *diag)
{
    LOG(PROCESS_FAILED,
        log_text("error", diag->text[0] == '\0' ? status_name(status) : diag->text));
    return exit_code_of_status(status);
}

/* Errors are lines for the person who starts it, as `check` prints them; what does not stop it is
 * logged. */
static enum status load(const char *file, enum settings_process process, struct configuration *ret)
{
    struct problems problems;
    problems_init(&problems);
    enum status status = configuration_load(file, process, ret, &problems);
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

enum exit_code long_running_run(const struct invocation *in, const struct served_process *served)
{
    struct diag diag = {0};
    enum status status = hardening_apply(&diag);
    if (status == STATUS_OK)
        status = serve_prepare(&diag);
    if (status != STATUS_OK)
        return fail(status, &diag);

    CLEANUP(configuration_done) struct configuration configuration;
    status = load(invocation_config(in), served->settings, &configuration);
    if (status != STATUS_OK)
        return exit_code_of_status(status);

    struct confinement confinement = confinement_wanted(configuration.settings);
    confinement_of_files(&confinement, &configuration);

    void *process = NULL;
    status = served->start_take(&configuration, &process, &diag);
    if (status != STATUS_OK)
        return fail(status, &diag);
    size_t cut = 0;
    status = serve_run(served, process, &confinement, &cut, &diag);
    served->free(process);
    if (status != STATUS_OK)
        return fail(status, &diag);
    return cut == 0 ? EXIT_CODE_FINE : EXIT_CODE_FAILURE;
}

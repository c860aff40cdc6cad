#include "bridge/cli/invocation_settings.h"

#include <stdio.h>
#include <string.h>

#include "bridge/base/scoped.h"
#include "bridge/cli/output.h"

enum settings_process invocation_process(const struct invocation *in)
{
    const char *process = invocation_value(in, "process");
    if (process == NULL)
        return SETTINGS_ALL;
    return strcmp(process, "ingress") == 0 ? SETTINGS_INGRESS : SETTINGS_RECONCILER;
}

enum status invocation_settings(const struct invocation *in, enum settings_process process,
                                struct configuration *ret)
{
    CLEANUP(problems_done) struct problems problems;
    CLEANUP(buf_done) struct buf text;
    problems_init(&problems);
    buf_init(&text, OUTPUT_MAX);
    enum status status = configuration_load(invocation_config(in), process, ret, &problems);
    problems_print(&problems, &text);
    if (status == STATUS_NOMEM || text.status != STATUS_OK)
        (void)output_out_of_memory();
    else
        (void)output_write(stderr, &text);
    return status;
}

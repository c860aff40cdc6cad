#include "bridge/cli/spool_access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bridge/base/scoped.h"
#include "bridge/cli/invocation_settings.h"
#include "bridge/cli/output.h"

/* The path in the directory that the configuration names. */
static enum exit_code find_configured(const struct invocation *in, struct spool_access *x)
{
    CLEANUP(configuration_done) struct configuration configuration;
    enum status status = invocation_settings(in, SETTINGS_INGRESS, &configuration);
    if (status != STATUS_OK)
        return exit_code_of_status(status);
    const struct settings *s = configuration.settings;
    if (s->spool_directory[0] == '\0') {
        fprintf(stderr, "maesn-bridge %s: spool.directory is empty: there is no spool\n",
                x->command);
        return EXIT_CODE_CONFIG;
    }
    if (asprintf(&x->path, "%s/spool.db", s->spool_directory) >= 0)
        return EXIT_CODE_FINE;
    x->path = NULL;
    return output_out_of_memory();
}

enum exit_code spool_access_init(const struct invocation *in, const char *command,
                                 struct spool_access *ret)
{
    *ret = (struct spool_access){.command = command};
    struct diag diag = {0};
    struct stat st;
    const char *file = invocation_value(in, "file");
    enum exit_code code = EXIT_CODE_FINE;
    if (file == NULL)
        code = find_configured(in, ret);
    else if ((ret->path = strdup(file)) == NULL)
        code = output_out_of_memory();
    if (code != EXIT_CODE_FINE)
        return code;
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): no code is fine without a path */
    if (stat(ret->path, &st) != 0) {
        fprintf(stderr, "maesn-bridge %s: %s: %s\n", command, ret->path, strerror(errno));
        return EXIT_CODE_UNAVAILABLE;
    }
    enum status status = store_reader_open(ret->path, &ret->reader, &diag);
    return status == STATUS_OK ? EXIT_CODE_FINE : spool_access_fail(ret, status, &diag);
}

void spool_access_done(struct spool_access *x)
{
    store_reader_close(x->reader);
    free(x->path);
    *x = (struct spool_access){0};
}

enum exit_code spool_access_fail(const struct spool_access *x, enum status status,
                                 const struct diag *diag)
{
    if (status == STATUS_NOMEM)
        return output_out_of_memory();
    fprintf(stderr, "maesn-bridge %s: %s: %s\n", x->command, x->path, diag->text);
    return status == STATUS_INVALID ? EXIT_CODE_FAILURE : EXIT_CODE_UNAVAILABLE;
}

enum exit_code spool_access_limit(const struct invocation *in, const char *command, size_t absent,
                                  size_t *ret)
{
    const char *text = invocation_value(in, "limit");
    size_t n = 0;
    *ret = absent;
    if (text == NULL)
        return EXIT_CODE_FINE;
    const char *digit = text;
    for (; *digit >= '0' && *digit <= '9' && n <= 1000000000; digit++)
        n = n * 10 + (size_t)(*digit - '0');
    if (*digit != '\0' || digit == text || n < 1 || n > 1000000000) {
        fprintf(stderr, "maesn-bridge %s: --limit %s, expected 1..1000000000\n", command, text);
        return EXIT_CODE_USAGE;
    }
    *ret = n;
    return EXIT_CODE_FINE;
}

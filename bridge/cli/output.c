#include "bridge/cli/output.h"

#include <errno.h>

enum exit_code output_out_of_memory(void)
{
    fputs("maesn-bridge: memory is short\n", stderr);
    return EXIT_CODE_FAILURE;
}

enum exit_code output_failure(const char *command, enum status status, const struct diag *diag)
{
    fprintf(stderr, "maesn-bridge %s: %s\n", command,
            diag->text[0] != '\0'    ? diag->text
            : status == STATUS_NOMEM ? "memory is short"
                                     : status_name(status));
    /* Somebody else is at work: nothing that is away. */
    return status == STATUS_BUSY || status == STATUS_NOMEM ? EXIT_CODE_FAILURE
                                                           : exit_code_of_status(status);
}

enum exit_code output_write(FILE *to, const struct buf *text)
{
    if (text->status != STATUS_OK)
        return output_out_of_memory();
    struct bytes bytes = buf_bytes(text);
    if (fwrite(bytes.data, 1, bytes.len, to) == bytes.len && fflush(to) == 0)
        return EXIT_CODE_FINE;
    fprintf(stderr, "maesn-bridge: cannot write: %s\n", strerror(errno));
    return EXIT_CODE_FAILURE;
}

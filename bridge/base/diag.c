#include "bridge/base/diag.h"

#include <stdarg.h>
#include <stdio.h>

enum status diag_set(struct diag *diag, enum status status, const char *format, ...)
{
    if (diag == NULL || diag->text[0] != '\0')
        return status;

    va_list args;
    va_start(args, format);
    vsnprintf(diag->text, sizeof(diag->text), format, args);
    va_end(args);
    return status;
}

#include "bridge/domain/slug.h"

#include <ctype.h>
#include <stdbool.h>

void slug_write(const char *text, size_t max_len, char *ret)
{
    size_t len = 0;
    bool gap = false;
    for (; *text != '\0' && len < max_len; text++) {
        if (!isalnum((unsigned char)*text)) {
            gap = len > 0;
            continue;
        }
        if (gap && len + 1 < max_len)
            ret[len++] = '-';
        else if (gap)
            break;
        gap = false;
        ret[len++] = (char)tolower((unsigned char)*text);
    }
    ret[len] = '\0';
}

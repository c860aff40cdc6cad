#include "bridge/domain/slug.h"

#include <stdbool.h>

/* Whatever the locale: the lower-case letter or digit that c is a form of; '\0' for all else. */
static char letter_or_digit(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
        return c;
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : '\0';
}

void slug_write(const char *text, size_t max_len, char *ret)
{
    size_t len = 0;
    bool gap = false;
    for (; *text != '\0' && len < max_len; text++) {
        char c = letter_or_digit(*text);
        if (c == '\0') {
            gap = len > 0;
            continue;
        }
        if (gap && len + 1 < max_len)
            ret[len++] = '-';
        else if (gap)
            break;
        gap = false;
        ret[len++] = c;
    }
    ret[len] = '\0';
}

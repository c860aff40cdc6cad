#include "bridge/base/nearest.h"

#include <stddef.h>
#include <string.h>

/* Longer names are not compared: keys and commands are far shorter. */
#define NAME_MAX_LEN 96

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The optimal string alignment distance; three rows of the usual table are enough. */
static size_t edits(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][NAME_MAX_LEN + 1];
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        const size_t *above = rows[(i - 1) % 3];
        size_t *row = rows[i % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t replaced = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = smaller(replaced, 1 + smaller(above[j], row[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = smaller(row[j], 1 + rows[(i - 2) % 3][j - 2]);
        }
    }
    return rows[a_len % 3][b_len];
}

const char *nearest_name(const char *const names[], const char *given)
{
    size_t given_len = strlen(given);
    size_t best = given_len / 3 > 1 ? given_len / 3 : 1;
    const char *nearest = NULL;
    if (given_len > NAME_MAX_LEN)
        return NULL;
    for (; *names != NULL; names++) {
        size_t len = strlen(*names);
        if (len > NAME_MAX_LEN)
            continue;
        size_t distance = edits(given, given_len, *names, len);
        if (distance < best || (distance == best && nearest == NULL)) {
            best = distance;
            nearest = *names;
        }
    }
    return nearest;
}

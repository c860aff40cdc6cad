#include "bridge/cli/keygen.h"

#include <stdio.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"
#include "bridge/base/timestamp.h"

/* An account id's form, so that a name can stand anywhere. */
static bool name_is_valid(const char *name)
{
    size_t len = strlen(name);
    return len >= 1 && len <= 63 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len &&
           name[0] != '-';
}

static enum exit_code keygen_run(const struct invocation *in)
{
    char today[TIMESTAMP_SIZE];
    timestamp_format(clock_unix_ms(), today);
    today[strlen("2026-01-02")] = '\0';
    const char *name = invocation_operand(in, 0) == NULL ? today : invocation_operand(in, 0);
    if (!name_is_valid(name)) {
        fprintf(
            stderr,
            "maesn-bridge keygen: %s, expected 1 to 63 of a-z, 0-9 and -, not beginning with -\n",
            name);
        return EXIT_CODE_USAGE;
    }

    uint8_t key[32];
    char hex[2 * sizeof(key) + 1];
    if (crypto_random(key, sizeof(key)) != STATUS_OK) {
        fputs("maesn-bridge keygen: the system has no random bytes\n", stderr);
        return EXIT_CODE_INTERNAL;
    }
    hex_encode(bytes_of(key, sizeof(key)), hex);
    printf(invocation_wants_json(in) ? "{\"name\":\"%s\",\"key\":\"%s\"}\n" : "%s:%s\n", name, hex);
    crypto_wipe(key, sizeof(key));
    crypto_wipe(hex, sizeof(hex));
    return fflush(stdout) == 0 ? EXIT_CODE_FINE : EXIT_CODE_FAILURE;
}

const struct command keygen_command = {
    .name = "keygen",
    .operands = "[NAME]",
    .operands_max = 1,
    .summary = "Print a new line for a key file.",
    .description =
        "Prints one line of a route key file or keyring: NAME:64 hex digits, 256 random bits.\n"
        "NAME defaults to today's date. In a key file the first line writes and every line reads:\n"
        "put a new key on top, and keep the old one as long as something may carry it.",
    .examples = "  $ maesn-bridge keygen > secrets/keyring",
    .exit_codes = (const struct exit_meaning[]){{0, "printed"}, {64, "wrong use"}, {0}},
    .run = keygen_run,
};

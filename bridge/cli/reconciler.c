#include "bridge/cli/reconciler.h"

#include "bridge/app/reconciler_process.h"
#include "bridge/cli/long_running.h"

static enum exit_code reconciler_run(const struct invocation *in)
{
    return long_running_run(in, &reconciler_process_served);
}

const struct command reconciler_command = {
    .name = "reconciler",
    .operands = "",
    .summary = "Keep the subscriptions as declared (runs until SIGTERM).",
    .description =
        "Compares, account by account, what accounts_dir declares with what the provider lists\n"
        "and the registry topic holds; creates, renews, repairs and retires subscriptions, each\n"
        "step recorded before it is taken. Several reconcilers share the accounts among them by\n"
        "the registry topic's partitions. Logs are JSON lines on stderr.\n\n"
        "The admin listener (reconciler.admin_listen) serves /livez, /readyz, /metrics, /version,\n"
        "/debug/config and, for people, /status: every account and its subscriptions.\n\n"
        "Accounts, their keys, the API key, the keyring and the log level are read again when\n"
        "their files change, or on SIGHUP; a faulty file changes nothing.",
    .examples = "  $ maesn-bridge topics apply --config bridge.yaml\n"
                "  $ maesn-bridge reconciler --config bridge.yaml",
    .exit_codes =
        (const struct exit_meaning[]){
            {0, "stopped by SIGTERM or SIGINT, every account under way was finished"},
            {1, "the hard stop cut something, or a second signal came"},
            {64, "wrong use"},
            {69, "the registry topic is missing (run `topics apply`), or a port is taken"},
            {70, "an internal error"},
            {78, "the configuration is faulty, or the registry topic is not compact-only or was "
                 "resized"},
            {0}},
    .run = reconciler_run,
};

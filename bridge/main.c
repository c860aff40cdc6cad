/* argv to the subcommand table, nothing else. */

#include "bridge/base/crypto.h"
#include "bridge/cli/account_forget.h"
#include "bridge/cli/account_list.h"
#include "bridge/cli/account_put.h"
#include "bridge/cli/adopt.h"
#include "bridge/cli/apply.h"
#include "bridge/cli/check.h"
#include "bridge/cli/completion.h"
#include "bridge/cli/config.h"
#include "bridge/cli/dev.h"
#include "bridge/cli/ingress.h"
#include "bridge/cli/keygen.h"
#include "bridge/cli/man.h"
#include "bridge/cli/plan.h"
#include "bridge/cli/probe.h"
#include "bridge/cli/reconciler.h"
#include "bridge/cli/registry_export.h"
#include "bridge/cli/registry_import.h"
#include "bridge/cli/registry_reseal.h"
#include "bridge/cli/replay.h"
#include "bridge/cli/spool_export.h"
#include "bridge/cli/spool_list.h"
#include "bridge/cli/subscriptions.h"
#include "bridge/cli/topics.h"
#include "bridge/cli/verify.h"
#include "bridge/registry/record_form.h"

static const struct command *const commands[] = {
    &account_delete_command,
    &account_forget_command,
    &account_list_command,
    &account_put_command,
    &apply_command,
    &check_command,
    &completion_command,
    &config_print_command,
    &config_reference_command,
    &dev_command,
    &ingress_command,
    &keygen_command,
    &man_command,
    &plan_command,
    &probe_command,
    &reconciler_command,
    &registry_export_command,
    &registry_import_command,
    &registry_reseal_command,
    &replay_command,
    &spool_export_command,
    &spool_list_command,
    &subscriptions_adopt_command,
    &subscriptions_list_command,
    &subscriptions_rotate_command,
    &subscriptions_show_command,
    &topics_apply_command,
    &topics_plan_command,
    &verify_command,
    NULL,
};

int main(int argc, char **argv)
{
    if (crypto_start() != STATUS_OK)
        return EXIT_CODE_INTERNAL;
    record_form_start();
    return (int)command_dispatch(commands, argc, argv);
}

/* The accounts that files declare, put into the table of accounts. */
#pragma once

#include "bridge/app/reconciler_accounts.h"
#include "bridge/app/task_loop.h"
#include "bridge/settings/settings.h"

/* Puts what the settings declare in the place of all that files declared before. on_changed is told
 * of each account whose declaration is another. Errors: STATUS_NOMEM: nothing changed.
 * Thread: any but the loop's, in which on_changed is called. */
enum status file_accounts_declare(const struct settings *s, struct task_loop *loop,
                                  struct reconciler_accounts *accounts,
                                  void (*on_changed)(void *ctx, struct reconciler_account *account),
                                  void *ctx) MUST_CHECK;

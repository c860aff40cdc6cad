/* Configuration files in a directory of their own, and the loading of them. */
#pragma once

#include "bridge/settings/settings.h"

/* Two providers that know the systems "xero" and "exact-nl", and "moneybird". */
extern const struct provider *const config_providers[];

/* Makes an empty directory and goes there: files are named relative to it. */
int config_files_setup(void **state);
int config_files_teardown(void **state);

/* Writes a file, mode 0600, with the directories on its way. */
void config_file(const char *path, const char *text);

/* Loads bridge.yaml and returns the problems as check prints them; the caller frees the text. */
char *config_problems(enum settings_process process);

/* Loads bridge.yaml, which must be fine but for warnings; the caller frees it. */
struct settings *config_load(enum settings_process process);

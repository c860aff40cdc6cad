/* What must hold between settings, and what must exist beside them. */
#pragma once

struct load;

/* A problem for every rule that is broken, at the place of the value that breaks it. */
void constraints_check(struct load *l);

/* A problem for every file and directory that this process needs and cannot read. */
void constraints_check_files(struct load *l);

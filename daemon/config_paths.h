/*
 * Where things are when the configuration does not say: from the environment, as the XDG base
 * directory specification and systemd.exec(5) have it.
 */
#ifndef FREELLMD_CONFIG_PATHS_H
#define FREELLMD_CONFIG_PATHS_H

#include <stdbool.h>

struct config;

/* The user's configuration file ($XDG_CONFIG_HOME/freellmd/freellmd.ini, then /etc), or NULL when
 * there is none. Owned by the caller. */
char *config_paths_find_file(void);

/* The real folder of a file, or the user's configuration folder for NULL. NULL when there is none.
 * Owned by the caller. */
char *config_paths_folder(const char *file);

/* The catalogue: $FREELLMD_CATALOG, then providers.ini beside the program (the build tree), then
 * the installed one. Owned by the caller. */
char *config_paths_catalog(void);

/* Fills in state_dir, socket and dotenv where they are NULL. Returns NULL, or what must be set in
 * the configuration because nothing else says it. */
const char *config_paths_complete(struct config *c, const char *folder);

#endif

/*
 * What a server process shares with the host that runs it: the socket it
 * listens on, made or inherited, and systemd, which is told how it goes.
 */
#ifndef ASHLAR_HOST_H
#define ASHLAR_HOST_H

#include <stdbool.h>
#include <sys/stat.h>

/*
 * Tell systemd ("READY=1", "STOPPING=1", "WATCHDOG=1"; sd_notify(3)).  Does
 * nothing where no service manager listens (NOTIFY_SOCKET).
 */
void host_notify(const char *state);

/* The same for a reload: RELOADING=1 with the time that systemd asks for. */
void host_notify_reloading(void);

/* Is standard input a listening socket, as systemd and FastCGI hand one over? */
bool host_inherited(void);

/*
 * Listen on a unix socket: bound beside the path and renamed over it, so that
 * the process that listened there before is replaced without a moment in which none
 * does.  Everybody may connect; the folder decides who comes near.
 *
 * made  the file, to know it again (host_unlisten)
 * The socket, close-on-exec, or -1 with errno.
 */
int host_listen(const char *path, struct stat *made);

/* Remove the socket from the path, unless another process has put its own there. */
void host_unlisten(const char *path, const struct stat *made);

#endif

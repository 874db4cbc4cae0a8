/*
 * The notifier: the one process of a host that passes marks (wake.h) on to
 * PostgreSQL's NOTIFY.
 */
#ifndef ASHLAR_NOTIFIER_H
#define ASHLAR_NOTIFIER_H

/*
 * Be this host's notifier, or wait until the one that is has gone: a lock on a
 * file beside SHM_FILE elects one.  Each master of the host (api --pool main,
 * worker, realtime) forks a child that calls this; does not return, ends on
 * SIGTERM or SIGQUIT, which must not be blocked for ever: it unblocks them.
 */
_Noreturn void notifier_run(void);

#endif

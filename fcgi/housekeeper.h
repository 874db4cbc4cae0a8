/*
 * The slow pool's extra child: what must be done beside requests and needs a
 * network or a clock.  It fetches key sets, deletes stored answers that are too old
 * to be given again, writes how many requests were counted, and adds up by day what
 * was used.
 */
#ifndef ASHLAR_HOUSEKEEPER_H
#define ASHLAR_HOUSEKEEPER_H

/* Work until SIGTERM or SIGQUIT; does not return. */
_Noreturn void housekeeper_run(void);

#endif

/*
 * The clock of this host's agents: a process of its own beside the one that is asked.
 */
#ifndef HOST_AGENTS_CLOCK_H
#define HOST_AGENTS_CLOCK_H

/*
 * Ask the database what is due here, and do it; for good.
 *
 * A run that is due is begun, and a wish that nobody has carried out is carried out, as the api would have
 * asked for.  What fails is tried again.
 */
_Noreturn void agents_clock_run(void);

#endif

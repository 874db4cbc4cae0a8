/*
 * The server of ashlar host: a unix socket, and a child for each question.
 */
#ifndef HOST_HOST_SERVER_H
#define HOST_HOST_SERVER_H

struct host_server_options {
	const char *socket; /* where to listen, unless standard input is a listening socket */
	const char *peer;   /* the user who may ask, beside this one and root; NULL: nobody */
};

/* Until SIGTERM; the process's exit status. */
int host_server_run(const struct host_server_options *options);

#endif

#include "lib/host/host.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/host/log.h"

enum { BACKLOG = 511 };

void host_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = path ? strlen(path) : 0;
	int fd;

	if (!n || n >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, n);
	if (*path == '@') /* the abstract namespace */
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		log_msg(LOG_WARNING, NULL, "sd_notify: %s", strerror(errno));
	close(fd);
}

void host_notify_reloading(void)
{
	char text[96];
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
		 (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000);
	host_notify(text);
}

bool host_inherited(void)
{
	int listening = 0;
	socklen_t n = sizeof(listening);

	return !getsockopt(STDIN_FILENO, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n) && listening;
}

int host_listen(const char *path, struct stat *made)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd, n = snprintf(to.sun_path, sizeof(to.sun_path), "%s.%d", path, (int)getpid());

	if (n < 0 || (size_t)n >= sizeof(to.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	unlink(to.sun_path);
	/* nginx connects as another user; the folder decides who may come near. */
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) || chmod(to.sun_path, 0666) || listen(fd, BACKLOG) ||
	    rename(to.sun_path, path) || stat(path, made)) {
		int saved = errno;

		unlink(to.sun_path);
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

void host_unlisten(const char *path, const struct stat *made)
{
	struct stat now;

	if (!stat(path, &now) && now.st_ino == made->st_ino && now.st_dev == made->st_dev)
		unlink(path);
}

/*
 * ashlar login, ashlar logout: who one is at a server, kept in a profile.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <json-c/json.h>
#include <termios.h>
#include <unistd.h>

#include "cmd/remote.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"

static const char *email, *with_key, *code, *team;

static const struct cmd_option login_options[] = {
	{ "--email", "EMAIL", &email, "a user, with the password that is asked for" },
	{ "--code", "CODE", &code, "of the second factor; asked for when it is left out and needed" },
	{ "--team", NULL, &team, "with --email: a member of a tenant's team, who is none of its users" },
	{ "--key", NULL, &with_key,
	  "an API key, which is asked for; with --email whose tenant the user is of" },
	REMOTE_OPTIONS,
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage login_usage = {
	"login {--email EMAIL [--team] | --key} [--profile NAME] [--url URL] [--ca FILE]",
	"Sign in at a server, and keep that as a profile: a file of yours alone, below ~/.config/ashlar.\n"
	"Key, password and code are asked for at the terminal, or read from standard input, a line each\n"
	"in this order.",
	login_options,
};

static const struct cmd_option logout_options[] = {
	REMOTE_OPTIONS,
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage logout_usage = {
	"logout [--profile NAME]",
	"End the session of a profile, and forget the profile.",
	logout_options,
};

/* A line of standard input; at a terminal it is asked for, and not shown. */
static const char *secret_line(struct arena *a, const char *what)
{
	bool at_terminal = isatty(STDIN_FILENO);
	struct termios before, silent;
	char line[4096];

	if (at_terminal && !tcgetattr(STDIN_FILENO, &before)) {
		fprintf(stderr, "%s: ", what);
		silent = before;
		silent.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	}
	if (!fgets(line, sizeof(line), stdin))
		*line = '\0';
	if (at_terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputc('\n', stderr);
	}
	line[strcspn(line, "\r\n")] = '\0';
	if (!*line)
		cmd_die("there is no %s on standard input", what);
	return arena_dup(a, line);
}

/* Ask, or die with what the server says about it. */
static struct json_object *ask(struct remote *r, struct arena *a, const char *method, const char *target,
			       const char *body)
{
	struct remote_call call = { .method = method, .target = target, .body = body };
	struct json_object *v = NULL;
	struct remote_answer got;
	const char *problem, *message;

	if (!remote_call(r, a, &call, &got))
		cmd_die("%s", got.problem);
	if (got.n && json_read(a, got.body, got.n, &v, &problem))
		cmd_die("%s does not answer as Ashlar does", r->url);
	if (got.status / 100 == 2)
		return v;
	message = json_text(json_at(v, "error", "message"), 1024);
	cmd_die("%d: %s", got.status, message ? cmd_shown(a, message) : "the server refuses that");
}

static const char *text_of(struct arena *a, struct json_object *o, const char *name)
{
	const char *text = json_text(json_at(o, name, NULL), 16384);

	return text ? arena_dup(a, text) : NULL;
}

static void sign_in(struct remote *r, struct arena *a)
{
	const char *password = secret_line(a, "password"), *token;
	struct json_object *answer;
	struct buf b;

	buf_init(&b, a, 512);
	buf_char(&b, '{');
	jx_key_str(&b, "email", email);
	jx_key_str(&b, "password", password);
	buf_char(&b, '}');
	answer = ask(r, a, "POST", r->is_team ? "/api/v1/tenant-auth/login" : "/api/v1/auth/login",
		     buf_str(&b));
	token = text_of(a, answer, "mfa_token");
	if (token) {
		b.n = 0;
		buf_char(&b, '{');
		jx_key_str(&b, "mfa_token", token);
		jx_key_str(&b, "code", code ? code : secret_line(a, "code of the second factor"));
		buf_char(&b, '}');
		answer = ask(r, a, "POST",
			     r->is_team ? "/api/v1/tenant-auth/mfa/verify" : "/api/v1/auth/mfa/verify",
			     buf_str(&b));
	}
	r->access_token = text_of(&r->arena, answer, "access_token");
	r->refresh_token = text_of(&r->arena, answer, "refresh_token");
	if (!r->access_token)
		cmd_die("the server answered no token");
}

int cmd_login(int argc, char **argv)
{
	struct remote *r;
	struct arena a;

	if (cmd_options(&login_usage, argc, argv) < argc)
		cmd_misuse(&login_usage, "takes no operands");
	if (!email && !with_key)
		cmd_misuse(&login_usage, "--email or --key is missing");
	if (team && !email)
		cmd_misuse(&login_usage, "--team is for who signs in with --email");
	r = remote_open();
	arena_init(&a, 16384);
	r->is_team = team;
	r->key = r->access_token = r->refresh_token = NULL;
	if (with_key) {
		r->key = secret_line(&r->arena, "API key");
		ask(r, &a, "GET", "/api/v1/mcp/access", NULL);
	}
	if (email)
		sign_in(r, &a);
	remote_keep(r);
	fprintf(stderr, "%s: signed in at %s\n", remote_profile, r->url);
	arena_release(&a);
	return 0;
}

int cmd_logout(int argc, char **argv)
{
	struct remote *r;
	struct arena a;

	if (cmd_options(&logout_usage, argc, argv) < argc)
		cmd_misuse(&logout_usage, "takes no operands");
	r = remote_open();
	arena_init(&a, 16384);
	if (r->is_kept && r->access_token) {
		struct remote_call call = { .method = "POST",
					    .target = r->is_team ? "/api/v1/tenant-auth/logout"
								 : "/api/v1/auth/logout" };
		struct remote_answer got;

		/* It may have ended by itself; what is kept here is forgotten all the same. */
		if (!remote_call(r, &a, &call, &got))
			fprintf(stderr, "ashlar: the session goes on until it expires: %s\n", got.problem);
	}
	arena_release(&a);
	if (!remote_forget())
		cmd_die("there is no profile %s", remote_profile);
	return 0;
}

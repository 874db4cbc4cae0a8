/*
 * Asking a language model, whoever serves it: what is asked, what comes back, and
 * what each provider's form (openai.h, anthropic.h, perplexity.h) makes of them.
 * Who asks includes ai.h.
 */
#ifndef PROVIDERS_AI_WIRE_H
#define PROVIDERS_AI_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "providers/ai_model.h"

struct json_object;

enum ai_role { AI_SYSTEM, AI_USER, AI_ASSISTANT };

enum ai_part_kind {
	AI_TEXT,
	AI_IMAGE,  /* of a user */
	AI_CALL,   /* of an assistant: it asks for a tool */
	AI_RESULT, /* of a user: what the tool said */
};

/* A piece of a message.  All borrowed. */
struct ai_part {
	enum ai_part_kind kind;
	const char *text; /* the text; an image's address or, with a media type, its base64; arguments, as
			     JSON; the result */
	const char *media_type; /* of base64 */
	const char *id;         /* which call */
	const char *name;       /* which tool */
	bool is_error;          /* the result is one */
};

struct ai_message {
	enum ai_role role;
	const struct ai_part *parts;
	size_t nparts;
};

struct ai_tool {
	const char *name, *about; /* about may be NULL */
	const char *schema;       /* of its arguments: a JSON schema, an object's */
};

enum ai_choice { AI_AUTO, AI_NONE, AI_ANY, AI_NAMED };

/* A piece of an answer that comes in pieces. */
struct ai_delta {
	enum { AI_DELTA_TEXT, AI_DELTA_CALL, AI_DELTA_ARGUMENTS } kind;
	size_t call;           /* which one, from 0 */
	const char *id, *name; /* of a call that begins */
	const char *p;         /* text, or arguments */
	size_t n;
};

struct ai_server;

/* What is asked.  All borrowed; zero is a provider's default, but for the numbers. */
struct ai_ask {
	const struct ai_message *messages;
	size_t nmessages;
	const struct ai_tool *tools;
	size_t ntools;
	enum ai_choice choice;
	const char *chosen;        /* of AI_NAMED */
	const char *schema;        /* the answer is JSON of this schema; NULL: it is text */
	bool is_json;              /* the answer is some JSON object */
	long long max_tokens;      /* of the answer; 0: the provider's */
	double temperature, top_p; /* NAN: the provider's */
	const char *const *stop;   /* NULL-terminated, or NULL */
	long timeout_ms;           /* for everything, other models included */
	/* Who asks has servers or keys of their own: one for each provider, in ai_provider_at()'s order, with
	 * no key where it is the installation's, and no url where that is.  NULL: all are. */
	const struct ai_server *own;
	/* Given each piece as it comes.  False: nobody wants the rest.  NULL: the answer comes in one. */
	bool (*take)(void *to, const struct ai_delta *d);
	/* Asked a few times a second: does somebody still want it?  NULL: yes. */
	bool (*is_wanted)(void *to);
	void *to;
};

enum ai_finish { AI_STOP, AI_LENGTH, AI_CALLS, AI_FILTER };

enum ai_error {
	AI_OK,
	AI_NO_KEY,      /* none is configured */
	AI_AUTH,        /* the key is refused, or has no money */
	AI_RATE_LIMIT,  /* retry_after */
	AI_CONTEXT,     /* more than the model can read */
	AI_FILTERED,    /* the provider will not answer that */
	AI_OVERLOADED,  /* it cannot now, or its breaker is open */
	AI_BAD_REQUEST, /* it does not take what was asked: message says why */
	AI_FAILED,      /* no answer, in time, or none that makes sense; or it broke off */
	AI_GONE,        /* nobody wants it any more */
	AI_STOPPED,     /* who asked has no time any more, though somebody waits */
};

struct ai_call {
	const char *id, *name;
	struct buf arguments; /* JSON */
};

enum { AI_MAX_CALLS = 64 };

/* What came of it; the arena's. */
struct ai_answer {
	const struct ai_model *model; /* that served, or was asked last */
	struct buf text;
	struct ai_call calls[AI_MAX_CALLS];
	size_t ncalls;
	enum ai_finish finish;
	/* Tokens; cached ones are among the input.  An estimate where the provider did not get to say it. */
	long long input, cached, output;
	bool is_estimated;
	bool was_taken; /* a piece was handed on: another model cannot begin anew */
	enum ai_error error;
	long long retry_after;      /* seconds; 0: it does not say */
	const char *message;        /* the provider's words about what was asked; or NULL */
	const char *reason;         /* for the log */
	int attempts;               /* models that were asked */
	long duration_ms, first_ms; /* until the end; until the first piece, or -1 */
};

/* An answer that is being read. */
struct ai_reading {
	struct arena *arena;
	const struct ai_ask *ask;
	struct ai_answer *out;
	bool is_forced; /* the answer's text is what a forced tool is called with */
	bool has_usage, has_finished, has_ended;
	size_t blocks[AI_MAX_CALLS]; /* anthropic: which call a content block is */
	size_t nblocks;
};

/* A provider's form. */
struct ai_wire {
	const char *provider;
	/* The request's body. */
	void (*write)(struct buf *b, const struct ai_ask *ask, const struct ai_model *m);
	/* A whole answer.  False: it makes no sense. */
	bool (*read)(struct ai_reading *r, struct json_object *said);
	/* An event of a stream.  False: nothing more is to be read, out->error says whether that is well. */
	bool (*event)(struct ai_reading *r, struct json_object *said);
	/* What the body of a refusal with this status is; it may be NULL. */
	enum ai_error (*refusal)(struct ai_reading *r, int status, struct json_object *said);
};

/* For who reads: a piece of the text; a call that begins, and a piece of its arguments.  False: nobody wants
 * the rest. */
bool ai_wire_text(struct ai_reading *r, const char *p, size_t n);
bool ai_wire_call(struct ai_reading *r, const char *id, const char *name);
bool ai_wire_arguments(struct ai_reading *r, size_t call, const char *p, size_t n);

/* It failed, and why; returns false. */
bool ai_wire_fail(struct ai_reading *r, enum ai_error e, const char *message);

/* What a provider's own words of an error are, where its code says too little. */
enum ai_error ai_wire_words(const char *message, enum ai_error otherwise);

/* A whole number of an object's; 0: there is none. */
long long ai_wire_int(struct json_object *object, const char *name, const char *inner);

/* A JSON object that stands in text, as it is; "{}" where it is none. */
void ai_wire_object(struct buf *b, const char *text);

#endif

/*
 * What users have said to agents, and what agents have done for them.
 */
#include "build/sql/ai/conversations.h"
#include "fcgi/req.h"
#include "handlers/ai/agents.h"
#include "handlers/shapes.h"

static const char *const states[] = { "ACTIVE", "ENDED", NULL };
static const char *const outcomes[] = { "SUCCESS", "FAILED", "PENDING", NULL };

/* clang-format off */
static const struct field execution[] = {
	{ "id",                 F_UUID,     0 },
	{ "agent_id",           F_UUID,     0 },
	{ "tenant_id",          F_UUID,     0 },
	{ "user_id",            F_UUID,     0 },
	{ "organization_id",    F_UUID,     F_NULL, .about = "which it was charged to" },
	{ "input_text",         F_TEXT,     0, .example = "When is high water?" },
	{ "output_text",        F_TEXT,     0, .example = "At 14:20." },
	{ "tokens_used",        F_INT,      0, .example = "187" },
	{ "execution_time_ms",  F_INT,      0, .example = "940" },
	{ "status",             F_ENUM,     0, .values = outcomes },
	{ "error_message",      F_TEXT,     F_NULL },
	{ "execution_metadata", F_OBJECT,   F_NULL, .about = "the model, for example" },
	{ "created_at",         F_DATETIME, 0 },
	FIELD_END
};

static const struct field message[] = {
	{ "id",               F_UUID,     0 },
	{ "role",             F_TEXT,     0, .example = "user" },
	{ "content",          F_TEXT,     0, .example = "When is high water?" },
	{ "tokens_used",      F_INT,      F_NULL },
	{ "message_metadata", F_OBJECT,   F_NULL },
	{ "created_at",       F_DATETIME, 0 },
	FIELD_END
};

static const struct field conversation[] = {
	{ "id",         F_UUID,     OUT },
	{ "tenant_id",  F_UUID,     OUT },
	{ "user_id",    F_UUID,     OUT },
	{ "agent_id",   F_UUID,     OUT },
	{ "title",      F_TEXT,     OUT | NEW | F_NULL_OUT, .max = 255, .example = "Tides" },
	{ "status",     F_ENUM,     OUT, .values = states },
	{ "created_at", F_DATETIME, OUT },
	{ "updated_at", F_DATETIME, OUT, .about = "when something was last said" },
	{ "messages",   F_LIST,     DETAIL, .fields = message, .about = "the oldest first; a conversation has at most 1,000" },
	FIELD_END
};

const struct shape agent_execution_shape = { "AgentExecutionResponse", execution, "Execution" };
static const struct shape conversation_shape = { "ConversationResponse", conversation, "Conversation" };
static const struct shape conversation_long_shape = { "ConversationWithMessages", conversation, "Conversation", .as = DETAIL };

static const struct list sliced_20 = { NULL, NULL, { NULL }, { "limit", "skip" }, { 20, 50 } };

#define AGENT "/api/v1/user/agents/{agent_id}"

const struct route conversation_routes[] = {
	{ GET,    AGENT "/history",                         "platform.agents.history",             &by_key_and_user, "List what an agent did for the caller",
	  .about = "The newest first.",
	  .out = &agent_execution_shape, .list = &sliced_20, .sql = &q_execution_list },
	{ POST,   AGENT "/conversations",                   "platform.agents.create_conversation", &by_key_and_user, "Begin a conversation",
	  .about = "Chats that name it are told what was said before, and kept in it.",
	  .body = conversation, .as = NEW, .out = &conversation_shape, .sql = &q_conversation_create },
	{ GET,    AGENT "/conversations",                   "platform.agents.list_conversations",  &by_key_and_user, "List conversations with an agent",
	  .about = "The caller's, also those that have ended; where something was said last comes first.",
	  .out = &conversation_shape, .list = &sliced_20, .sql = &q_conversation_list },
	{ GET,    AGENT "/conversations/{conversation_id}", "platform.agents.get_conversation",    &by_key_and_user, "Get a conversation and what was said",
	  .out = &conversation_long_shape, .sql = &q_conversation_get },
	{ DELETE, AGENT "/conversations/{conversation_id}", "platform.agents.end_conversation",    &by_key_and_user, "End a conversation",
	  .about = "Nothing can be said in it any more, and nothing of it is deleted. Ending it again changes nothing.",
	  .out = &conversation_shape, .sql = &q_conversation_end, .status = 204 },
	ROUTE_END
};
/* clang-format on */

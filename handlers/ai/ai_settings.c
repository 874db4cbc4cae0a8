/*
 * What a tenant has chosen of language models, on the dashboard.
 */
#include <json-c/json.h>

#include "build/sql/ai/ai.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/ai/model_choice.h"
#include "handlers/shapes.h"
#include "lib/base/json.h"

static enum err settings_save(struct req *rq);

/* clang-format off */
static const struct field settings[] = {
	{ "fallbacks", F_LIST, F_REQUIRED, .item = F_TEXT, .max = MODEL_CHOICES, .about = "models that are asked, in this order, where the one that was named fails before its answer begins", .example = "[\"gpt-4o-mini\"]" },
	FIELD_END
};

static const struct shape settings_shape = { "AISettings", settings };

const struct route ai_settings_routes[] = {
	{ GET, "/api/v1/dashboard/ai/settings", "platform.ai.get_dashboard_settings",    &by_team,       "Show which models stand in for others",
	  .out = &settings_shape, .sql = &q_ai_settings_get },
	{ PUT, "/api/v1/dashboard/ai/settings", "platform.ai.update_dashboard_settings", &by_team_admin, "Choose which models stand in for others",
	  .body = settings, .out = &settings_shape, .sql = &q_ai_settings_save, .run = settings_save },
	ROUTE_END
};
/* clang-format on */

static enum err settings_save(struct req *rq)
{
	struct json_object *list = json_at(rq->asked.json, "fallbacks", NULL);

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		enum err rc = model_choice_check(rq, "fallbacks",
						 json_object_get_string(json_object_array_get_idx(list, i)));

		if (rc)
			return rc;
	}
	return answer_rows(rq, &q_ai_settings_save);
}

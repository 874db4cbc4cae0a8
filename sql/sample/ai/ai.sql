-- after: organizations users
INSERT INTO ai_calls (tenant_id, slot, operation, user_id, organization_id, api_key_id, purpose, provider, model, input_tokens, cached_tokens,
                      output_tokens, is_estimated, cost, outcome, first_ms, duration_ms)
VALUES (app_tenant(), usage_slot(now()), uuid_v7(), pg_temp.id('user'), usage_id(NULL), usage_id(NULL), 'app.ai.chat', 'openai', 'gpt-4o',
        1000, 0, 250, false, 5000, 'answered', 300, 1200);

INSERT INTO ai_daily (tenant_id, day, organization_id, user_id, api_key_id, purpose, provider, model, calls, input_tokens, output_tokens, cost,
                      duration_ms)
VALUES (app_tenant(), (now() AT TIME ZONE 'UTC')::date, usage_id(NULL), pg_temp.id('user'), usage_id(NULL), 'app.ai.chat', 'openai', 'gpt-4o',
        1, 1000, 250, 5000, 1200);

INSERT INTO ai_accounts (tenant_id, provider, is_enabled, base_url, key_sealed, key_tail)
VALUES (app_tenant(), 'openai', false, 'https://models.acme.example', 'v1.0.none', '5kEW');

-- {response_id} = resp_01a2294c-ffa6-7926-b09e-fcb5fdcee801
INSERT INTO ai_responses (tenant_id, id, owner_id, items)
VALUES (app_tenant(), '01a2294c-ffa6-7926-b09e-fcb5fdcee801', pg_temp.id('user'), '[{"role": "user", "content": "What is a harbour?"}]');

INSERT INTO ai_settings (tenant_id, fallbacks) VALUES (app_tenant(), '{gpt-4o-mini}');

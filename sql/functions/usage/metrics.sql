-- Metrics: what is counted of every tenant.

-- All of them in the order in which they are shown.  Those that are not listed are the platform's, and parts of others.
--
--   is_counted  straight into the sums: in memory by each host, and flushed (usage_count), or with the spans (trace_ingest); of
--               those there are no events
--   resets      a limit is for a period; else it is for all that there is, as of stored bytes
CREATE OR REPLACE FUNCTION usage_metrics()
RETURNS TABLE (key text, name text, unit text, description text, is_listed boolean, is_counted boolean, resets boolean)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 15
BEGIN ATOMIC
    VALUES
        ('api_requests', 'API Requests', 'requests', 'Requests that the API has let in', true, true, true),
        ('ai_tokens', 'AI Tokens', 'tokens', 'Tokens that went to a model and came from it', true, false, true),
        ('ai_requests', 'AI Requests', 'requests', 'Requests to a model', true, false, true),
        ('storage_bytes', 'Storage', 'bytes', 'Bytes of files that were stored', true, false, false),
        ('file_uploads', 'File Uploads', 'files', 'Files that were uploaded', true, false, true),
        ('file_downloads', 'File Downloads', 'files', 'Files that were downloaded', true, false, true),
        ('websocket_messages', 'WebSocket Messages', 'messages', 'Messages sent and received over WebSockets', true, true, true),
        ('background_jobs', 'Background Jobs', 'jobs', 'Jobs that were run', true, false, true),
        ('email_sent', 'Emails Sent', 'emails', 'Mails that were sent', true, false, true),
        ('messages', 'Messages', 'messages', 'Answers of a model: what a plan counts', false, false, true),
        ('cost_usd', 'Cost', 'microdollars', 'What models cost, in millionths of a dollar', false, false, true),
        ('ai_input_tokens', 'AI Input Tokens', 'tokens', 'Of the tokens, those that went to a model', false, false, true),
        ('ai_output_tokens', 'AI Output Tokens', 'tokens', 'Of the tokens, those that came from it', false, false, true),
        ('spans', 'Spans', 'spans', 'Spans of traces that were taken in', false, true, true),
        ('span_tokens', 'Span Tokens', 'tokens', 'Tokens that calls of models in them came to', false, true, true);
END;

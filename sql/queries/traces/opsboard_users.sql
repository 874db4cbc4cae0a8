-- Users as the observability surface knows them: a part is users', the rest is opsboard_profiles'.

-- columns: profile
SELECT u.id, u.full_name, u.avatar_url, p.billing_address, p.payment_method, p.survey_is_complete
FROM opsboard_profiles p
JOIN users u ON u.tenant_id = @tenant AND u.id = p.user_id;

-- name: opsboard_user_get :row
SELECT :columns(profile), coalesce(u.email, p.email) AS email
FROM opsboard_profiles p
:joins(profile)
WHERE p.tenant_id = @tenant AND p.user_id = @user;

-- name: opsboard_user_update :row
-- What is NULL stays as it is. The address is the profile's own: it is shown, and lets nobody in anywhere.
WITH named AS (
    UPDATE users u
    SET full_name = coalesce(:full_name, u.full_name), avatar_url = coalesce(:avatar_url, u.avatar_url)
    WHERE u.tenant_id = @tenant AND u.id = @user AND (:full_name::text IS NOT NULL OR :avatar_url::text IS NOT NULL)
    RETURNING u.id, u.full_name, u.avatar_url
), changed AS (
    UPDATE opsboard_profiles p
    SET billing_address = coalesce(:billing_address::jsonb, p.billing_address), payment_method = coalesce(:payment_method::jsonb, p.payment_method),
        email = coalesce(:email, p.email), survey_is_complete = coalesce(:survey_is_complete::boolean, p.survey_is_complete)
    WHERE p.tenant_id = @tenant AND p.user_id = @user
    RETURNING p.*
)
SELECT u.id, coalesce(n.full_name, u.full_name) AS full_name, coalesce(n.avatar_url, u.avatar_url) AS avatar_url, p.billing_address, p.payment_method,
       p.survey_is_complete, p.email
FROM changed p
JOIN users u ON u.tenant_id = @tenant AND u.id = p.user_id
LEFT JOIN named n ON n.id = u.id;

-- name: opsboard_user_survey :row
UPDATE opsboard_profiles p
SET survey_is_complete = true
WHERE p.tenant_id = @tenant AND p.user_id = @user
RETURNING true AS success, 'the survey is complete' AS message;

-- Months of activity that are over: what tells of their days is found by its age.
CREATE INDEX activity_days_age ON activity_days (day) WHERE day > '-infinity';

-- The owner removes what is over, of whatever tenant, while it says so.
CREATE POLICY activity_days_retention ON activity_days TO CURRENT_USER
    USING (current_setting('app.retention', true) = 'activity') WITH CHECK (current_setting('app.retention', true) = 'activity');

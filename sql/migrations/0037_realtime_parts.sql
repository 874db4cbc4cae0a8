-- Messages go straight into the part of their slot (realtime_store), of whatever tenant they are: the owner's functions
-- may do there what they may do at the parent (0011).
DO $$
BEGIN
    FOR i IN 0..3 LOOP
        EXECUTE format('CREATE POLICY realtime_messages_%1$s_directory ON realtime_messages_%1$s TO CURRENT_USER
                        USING (true) WITH CHECK (true)', i);
    END LOOP;
END
$$;

-- Cron rules: when is the next time?

-- One field of a rule as the sorted values that it stands for.  Parts between
-- commas: *, a value, a range a-b, and of * and ranges only every nth (*/n,
-- a-b/n); a/n goes on to the field's end.  names are what the values may be
-- called, from low on, in any case.  NULL: malformed.
--
-- A step that is larger than the field (*/90 minutes) is refused: it would be
-- taken for one value alone, which is not what its author meant.
CREATE OR REPLACE FUNCTION cron_field(field text, low integer, high integer, names text[]) RETURNS integer[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    taken  integer[] := '{}';
    part   text;
    bounds text[];
    word   text;
    step   integer;
    from_  integer;
    to_    integer;
    value  integer;
BEGIN
    FOREACH part IN ARRAY string_to_array(field, ',') LOOP
        bounds := regexp_match(part, '^(?:(\*)|([0-9]{1,2}|[A-Za-z]{3})(?:-([0-9]{1,2}|[A-Za-z]{3}))?)(?:/([0-9]{1,4}))?$');
        IF bounds IS NULL OR bounds[4]::integer = 0 THEN
            RETURN NULL;
        END IF;
        from_ := low;
        to_ := high;
        step := coalesce(bounds[4]::integer, 1);
        IF step > high - low + 1 THEN
            RAISE SQLSTATE 'AS422' USING HINT = 'repeat',
                MESSAGE = format('a step of %s is larger than its field: */%s is the largest', step, high - low + 1);
        END IF;
        FOR i IN 2..3 LOOP
            word := bounds[i];
            CONTINUE WHEN word IS NULL;
            value := CASE WHEN word ~ '^[0-9]' THEN word::integer ELSE low - 1 + array_position(names, upper(word)) END;
            IF value IS NULL OR value NOT BETWEEN low AND high THEN
                RETURN NULL;
            ELSIF i = 2 THEN
                from_ := value;
                -- A value alone, unless a step says that it is where to begin.
                to_ := CASE WHEN bounds[3] IS NULL AND bounds[4] IS NULL THEN value ELSE high END;
            ELSE
                to_ := value;
            END IF;
        END LOOP;
        IF from_ > to_ THEN
            RETURN NULL;
        END IF;
        taken := taken || ARRAY(SELECT generate_series(from_, to_, step));
    END LOOP;
    RETURN nullif(ARRAY(SELECT DISTINCT t FROM unnest(taken) t ORDER BY t), '{}');
END
$$;

-- The first time behind after that the rule stands for, in UTC.
--
-- expr   minute, hour, day of the month, month, day of the week; or six fields,
--        with the second in front.  Months and days of the week have names too
--        (JAN, mon), and Sunday is 0 and 7.  As with Vixie's cron: where both
--        days are given either is enough ("0 0 1,15 * FRI"), and when one of them
--        begins with * both must fit.
--
-- Raises AS422 with the field "repeat" when the rule is malformed, or when no day
-- fits: a 31st of February.  Days are looked for over 48 years, since a 29th of
-- February on a given day of the week may be 40 years ahead (2096 and 2100).
CREATE OR REPLACE FUNCTION cron_next(expr text, after timestamptz) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    fields   text[] := regexp_split_to_array(btrim(expr, E' \t'), '[ \t]+');
    seconds  integer[] := '{0}';
    minutes  integer[];
    hours    integer[];
    days     integer[];
    months   integer[];
    weekdays integer[];
    together boolean;    -- the day of the month and that of the week must fit
    at       timestamp;
    day      date;
    last     date;
    h        integer;
    m        integer;
    s        integer;
BEGIN
    IF cardinality(fields) = 6 THEN
        seconds := cron_field(fields[1], 0, 59, '{}');
        fields := fields[2:];
    ELSIF cardinality(fields) <> 5 THEN
        fields := NULL;
    END IF;
    minutes := cron_field(fields[1], 0, 59, '{}');
    hours := cron_field(fields[2], 0, 23, '{}');
    days := cron_field(fields[3], 1, 31, '{}');
    months := cron_field(fields[4], 1, 12, '{JAN,FEB,MAR,APR,MAY,JUN,JUL,AUG,SEP,OCT,NOV,DEC}');
    weekdays := cron_field(fields[5], 0, 7, '{SUN,MON,TUE,WED,THU,FRI,SAT}');
    IF num_nulls(seconds, minutes, hours, days, months, weekdays) > 0 THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'repeat',
            MESSAGE = 'a cron rule is minute, hour, day of the month, month and day of the week, or six fields with the second first';
    END IF;
    together := fields[3] LIKE '*%' OR fields[5] LIKE '*%';
    IF 7 = ANY (weekdays) THEN
        weekdays := 0 || weekdays;
    END IF;

    at := date_trunc('second', after AT TIME ZONE 'UTC') + interval '1 second';
    day := at::date;
    last := day + interval '48 years';
    WHILE day < last LOOP
        IF extract(month FROM day) <> ALL (months) THEN
            day := date_trunc('month', day::timestamp) + interval '1 month';
        ELSIF (together AND extract(day FROM day) = ANY (days) AND extract(dow FROM day) = ANY (weekdays))
           OR (NOT together AND (extract(day FROM day) = ANY (days) OR extract(dow FROM day) = ANY (weekdays))) THEN
            -- What is left of at's own day; of a later one all of it.  Each loop ends at the first value past at's.
            FOREACH h IN ARRAY hours LOOP
                CONTINUE WHEN day + make_interval(hours => h + 1) <= at;
                FOREACH m IN ARRAY minutes LOOP
                    CONTINUE WHEN day + make_interval(hours => h, mins => m + 1) <= at;
                    FOREACH s IN ARRAY seconds LOOP
                        IF day + make_interval(hours => h, mins => m, secs => s) >= at THEN
                            RETURN (day + make_interval(hours => h, mins => m, secs => s)) AT TIME ZONE 'UTC';
                        END IF;
                    END LOOP;
                END LOOP;
            END LOOP;
            day := day + 1;
        ELSE
            day := day + 1;
        END IF;
    END LOOP;
    RAISE SQLSTATE 'AS422' USING HINT = 'repeat', MESSAGE = 'there is no day that fits this cron rule';
END
$$;

package Ashlar::Jobs;

# Jobs that do what a test says.

use v5.36;
use Exporter 'import';

our @EXPORT_OK = qw(obey);

# What the kind "noop.sql" does is a function that a test may replace: from here
# on it runs its payload's "sql", and returns its "give_up" and "retry_after".
sub obey ($db) {
    $db->do(<<~'SQL');
        CREATE OR REPLACE FUNCTION job_noop(payload jsonb, OUT give_up text, OUT retry_after double precision)
        LANGUAGE plpgsql AS $$
        BEGIN
            IF payload ? 'sql' THEN
                EXECUTE payload ->> 'sql';
            END IF;
            give_up := payload ->> 'give_up';
            retry_after := (payload ->> 'retry_after')::double precision;
        END
        $$
        SQL
    $db->do('CREATE TABLE effects (n serial, job text, worker integer)');
    $db->do('GRANT ALL ON effects, effects_n_seq TO ashlar_api');
    return;
}

1;

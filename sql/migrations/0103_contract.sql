-- What nobody calls any more, in this release nor in the last.

DROP FUNCTION IF EXISTS usage_dollars(bigint);

# What the functions and statements of sql/ promise, two connections in turn where it is about races.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Queries;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $super   = $cluster->connect($name);
my $one     = $cluster->connect($name, 'ashlar_api');
my $two     = $cluster->connect($name, 'ashlar_api');
my $sql     = Ashlar::Queries->load;
my $TENANT  = '00000000-0000-7000-8000-000000000001';
my ($OTHER) = $super->selectrow_array(q{INSERT INTO tenants (slug, name) VALUES ('other', 'Other') RETURNING id});
my $count   = 0;

# A user with a session.
sub user (%with) {
    my %row = (tenant_id => $TENANT, public_id => 'user_' . ++$count, email => "u$count\@example.com", %with);
    my @names = sort keys %row;
    my ($id) = $super->selectrow_array('INSERT INTO users (' . join(', ', @names) . ') VALUES (' . join(', ', ('?') x @names)
            . ') RETURNING id', undef, @row{@names});
    my ($session) = $super->selectrow_array(q{INSERT INTO sessions (tenant_id, user_id, expires_at)
        VALUES (?, ?, now() + interval '1 hour') RETURNING id}, undef, $row{tenant_id}, $id);
    return { %row, id => $id, session => $session };
}

# Run a query as a user; returns its rows.
sub as ($user, $query, %value) {
    return $sql->in($one, $user->{tenant_id}, $user->{id}, sub { [ $sql->run($one, $query, %value) ] });
}

# The SQLSTATE that some code ends with, '' when it succeeds.
sub state_of ($db, $code) {
    return '' if eval { $code->(); 1 };
    return $@ =~ /\A(\w{5}) / ? $1 : $db->state;
}

# A door as the runtime calls it: the settings it made, or the SQLSTATE.
sub enter (%value) {
    my $door = $value{least_role} ? 'enter_user' : 'enter_anyone';
    my $result;
    my $state = state_of $one, sub {
        $sql->in($one, undef, undef, sub {
            $sql->run($one, $door => note => '{}', tenant => $TENANT, %value);
            ($result) = $one->selectrow_array(q{SELECT concat_ws(' ', app_tenant(), coalesce(app_user()::text, 'nobody'),
                current_setting('transaction_read_only'))});
        });
    };
    return $result // $state;
}

# Start a statement without waiting for it; ->() waits and says whether it worked.
sub start ($db, $text, @values) {
    my $st = $db->prepare($text, { pg_async => 1, pg_placeholder_dollaronly => 1 });
    $st->execute(@values);
    # DBD::Pg waits for what is running when a handle goes away: this one goes when its own statement has ended.
    return sub {
        my $rows = eval { $db->pg_result };
        undef $st;
        return $rows;
    };
}

# Does a connection wait for a lock?
sub waits ($db) {
    my $until = time + 10;
    while (time < $until) {
        my ($waits) = $super->selectrow_array('SELECT wait_event_type = ? FROM pg_stat_activity WHERE pid = ?', undef, 'Lock', $db->{pg_pid});
        return 1 if $waits;
        sleep 0.01;
    }
    return 0;
}

subtest 'uuid_v7' => sub {
    my $before = time;
    my $ids = $super->selectcol_arrayref('SELECT uuid_v7() FROM generate_series(1, 1000)');
    like $_, qr/\A[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\z/, 'version 7, variant 10' for @$ids[0, 999];
    my ($ms) = $super->selectrow_array(q{SELECT ('x0000' || left(replace(?, '-', ''), 12))::bit(64)::bigint}, undef, $ids->[0]);
    cmp_ok abs($ms / 1000 - $before), '<', 5, 'it begins with the time in milliseconds';
    my %seen = map { $_ => 1 } @$ids;
    is scalar(keys %seen), 1000, 'no two are the same';
    my $paced = $super->selectcol_arrayref('SELECT uuid_v7() FROM generate_series(1, 20), LATERAL pg_sleep(0.00002)');
    is_deeply [ sort @$paced ], $paced, 'those made some microseconds apart are in order';
};

subtest 'updated_at grows with every change' => sub {
    my $user = user();
    my $made = as($user, project_create => name => 'x')->[0];
    $sql->in($one, $TENANT, $user->{id}, sub {
        my @at = map { ($sql->run($one, project_update => project_id => $made->{id}, name => "x$_"))[0]{updated_at} } 1 .. 3;
        ok $at[0] lt $at[1] && $at[1] lt $at[2], 'three times in one transaction';
    });
    $super->do(q{ALTER TABLE projects DISABLE TRIGGER projects_touch});
    $super->do(q{UPDATE projects SET updated_at = now() + interval '1 hour' WHERE id = ?}, undef, $made->{id});
    $super->do(q{ALTER TABLE projects ENABLE TRIGGER projects_touch});
    as($user, project_update => project_id => $made->{id}, name => 'y');
    my ($ahead) = $super->selectrow_array(q{SELECT updated_at > now() + interval '59 minutes' FROM projects WHERE id = ?}, undef, $made->{id});
    ok $ahead, 'also when the clock was set back';
    my $me = as($user, 'user_me')->[0];
    as($user, project_create => name => 'z');
    is as($user, 'user_me')->[0]{_updated_at}, $me->{_updated_at}, 'a new project is no change of the profile';
};

subtest 'doors: sessions' => sub {
    my $user = user();
    my %own  = (issuer => 'ashlar', subject => $user->{public_id}, session => $user->{session}, least_role => 'user');
    is enter(%own), "$TENANT $user->{id} off", 'a session opens tenant and user';
    is enter(%own, note => undef), "$TENANT $user->{id} on", 'and only for reading, when asked';
    $super->do('UPDATE sessions SET generation = 2, used_generation = 1 WHERE id = ?', undef, $user->{session});
    my $used = sub { scalar $super->selectrow_array('SELECT used_generation FROM sessions WHERE id = ?', undef, $user->{session}) };
    enter(%own, generation => $_) for undef, 0, 1;
    is $used->(), 1, 'of older tokens nothing is noted';
    is enter(%own, generation => 2, note => undef), "$TENANT $user->{id} on", 'the first use of newer ones is, by requests that only read';
    is $used->(), 2;
    $super->do('UPDATE sessions SET used_generation = NULL WHERE id = ?', undef, $user->{session});
    is enter(%own, generation => 2), "$TENANT $user->{id} off";
    is $used->(), undef, 'where nobody can know it is taken for granted';
    is enter(%own, subject => 'user_x'),    'AS401', 'not with another subject';
    is enter(%own, tenant => $OTHER),       'AS401', 'not in another tenant';
    is enter(%own, session => $TENANT),     'AS401', 'not with an unknown session';
    is enter(%own, least_role => 'admin'),    'AS403', 'a user is no admin';
    for my $change (
        [ users    => 'is_active = false',  'is_active = true' ],
        [ users    => 'deleted_at = now()', 'deleted_at = NULL' ],
        [ sessions => 'revoked_at = now()', 'revoked_at = NULL' ],
        [ sessions => 'expires_at = now()', q{expires_at = now() + interval '1 hour'} ],
    ) {
        my ($table, $off, $on) = @$change;
        my $id = $table eq 'users' ? $user->{id} : $user->{session};
        $super->do("UPDATE $table SET $off WHERE id = ?", undef, $id);
        is enter(%own), 'AS401', "not with $off";
        $super->do("UPDATE $table SET $on WHERE id = ?", undef, $id);
        if ($table eq 'users') {
            is enter(%own), 'AS401', "nor with $on: whoever is let in again signs in again";
            $super->do('UPDATE sessions SET revoked_at = NULL WHERE id = ?', undef, $user->{session});
        }
        is enter(%own), "$TENANT $user->{id} off", "but with $on";
    }
};

# The copy in sessions is a foreign key's, and the api's role, bound by row-level security, may write neither.
subtest 'sessions follow their user, whoever changes it' => sub {
    my $user = user();
    my $twin = user(tenant_id => $OTHER, public_id => $user->{public_id});
    my %own  = (issuer => 'ashlar', subject => $user->{public_id}, session => $user->{session}, least_role => 'admin');
    my $api  = sub ($text, @value) {
        return state_of $one, sub { $sql->in($one, $TENANT, $user->{id}, sub { $one->do($text, undef, @value) }) };
    };
    is enter(%own), 'AS403', 'a user';
    is $api->(q{UPDATE users SET role = 'admin' WHERE id = ?}, $user->{id}), '', 'is made an admin';
    is enter(%own), "$TENANT $user->{id} off", 'and is one with the session that there was';
    is $api->('UPDATE users SET is_active = false WHERE id = ?', $user->{id}), '', 'then is deactivated';
    is enter(%own, least_role => 'user'), 'AS401', 'and out';
    is_deeply $super->selectrow_arrayref('SELECT subject, access FROM sessions WHERE id = ?', undef, $twin->{session}),
        [ $user->{public_id}, 1 ], 'the other tenant\'s user of that name is not touched';
    is $api->('UPDATE sessions SET access = 3 WHERE id = ?', $user->{session}), '42501', 'nobody raises a session alone';
    is $api->(q{INSERT INTO sessions (tenant_id, user_id, subject, access, expires_at)
        VALUES (?, ?, 'user_x', 3, now() + interval '1 hour')}, $TENANT, $user->{id}), '', 'nor makes a better one:';
    is_deeply $super->selectcol_arrayref('SELECT DISTINCT access FROM sessions WHERE user_id = ?', undef, $user->{id}), [0],
        'it is what the user is';
};

subtest 'enter: roles' => sub {
    for my $row ([ user => 1, 0, 0 ], [ admin => 1, 1, 0 ], [ superadmin => 1, 1, 1 ]) {
        my ($role, @may) = @$row;
        my $user = user(role => $role);
        for my $need (qw(user admin superadmin)) {
            is enter(issuer => 'ashlar', subject => $user->{public_id}, session => $user->{session}, least_role => $need),
                shift @may ? "$TENANT $user->{id} off" : 'AS403', "$role where $need is needed";
        }
    }
};

subtest 'enter: nobody, and others\' tokens' => sub {
    is enter(), "$TENANT nobody off", 'anonymous callers have a tenant';
    is enter(least_role => 'user'), 'AS401', 'and no more than that';
    my %foreign = (issuer => 'https://a.example', subject => 'sub_1', least_role => 'user');
    is enter(%foreign), 'AS001', 'a subject that is new';
    $sql->run($one, user_provision => tenant => $TENANT, issuer => 'https://a.example', subject => 'sub_1');
    my ($id) = $super->selectrow_array(q{SELECT id FROM users WHERE public_id = 'sub_1'});
    is enter(%foreign), "$TENANT $id off", 'and then is a user';
    is enter(%foreign, issuer => 'https://b.example'), 'AS001', 'of that issuer only';
    is enter(%foreign, tenant => $OTHER), 'AS001', 'and of that tenant';
    $super->do('UPDATE users SET deleted_at = now() WHERE id = ?', undef, $id);
    is enter(%foreign), 'AS401', 'a deleted user does not come back';
};

subtest 'user_provision' => sub {
    my %token = (tenant => $TENANT, issuer => 'https://p.example', email => undef, role => undef);
    my $provision = sub (%value) {
        $sql->run($one, user_provision => %token, %value);
        return $super->selectrow_hashref(q{SELECT u.* FROM users u JOIN identities i ON i.user_id = u.id
            WHERE i.issuer = ? AND i.subject = ?}, undef, $value{issuer} // $token{issuer}, $value{subject});
    };
    my $ann = $provision->(subject => 'ann', email => 'Ann@Example.com');
    is "$ann->{public_id} $ann->{email} $ann->{role}", 'ann ann@example.com user', 'the subject is the public id, the address in lower case';
    is $provision->(subject => 'ann')->{id}, $ann->{id}, 'the same identity again is the same user';
    is $provision->(subject => 'root', role => 'admin')->{role}, 'admin', 'a role that the issuer may give';

    my $other = $provision->(subject => 'ann', issuer => 'https://q.example', email => 'ann@example.com');
    isnt $other->{id}, $ann->{id}, 'another issuer with the same subject and address is another user';
    is $other->{email}, undef, 'who does not get the address';
    like $other->{public_id}, qr/\Auser_[0-9a-f]{32}\z/, 'and gets a public id of its own';
    is $provision->(subject => 'bad', email => 'nonsense')->{email}, undef, 'an address that is none is left out';
    is state_of($one, sub { $provision->(subject => 'x' x 256) }), 'AS401', 'a subject of 256 characters is refused';
    is $provision->(subject => 'x' x 255)->{public_id}, 'x' x 255, 'one of 255 is not';

    # Two first requests at once.
    $one->begin_work;
    $sql->run($one, user_provision => %token, subject => 'twin', email => 'twin@example.com');
    my $second = start $two, 'SELECT user_provision($1, NULL, $2, $3, $4, $4, NULL)', $TENANT, $token{issuer}, 'twin', 'twin@example.com';
    ok waits($two), 'the second waits for the first';
    $one->commit;
    ok $second->(), 'and succeeds';
    is_deeply $super->selectcol_arrayref(q{SELECT public_id FROM users WHERE email = 'twin@example.com' OR public_id = 'twin'}), ['twin'], 'there is one user';

    # Two identities at once that want the same address.
    $one->begin_work;
    $sql->run($one, user_provision => %token, subject => 'first', email => 'same@example.com');
    $second = start $two, 'SELECT user_provision($1, NULL, $2, $3, $4, $4, NULL)', $TENANT, $token{issuer}, 'second', 'same@example.com';
    ok waits($two), 'the second waits for the address';
    $one->commit;
    ok $second->(), 'and succeeds';
    is_deeply $super->selectall_arrayref(q{SELECT public_id, email FROM users WHERE public_id IN ('first', 'second') ORDER BY 1}),
        [ [ 'first', 'same@example.com' ], [ 'second', undef ] ], 'without it';
};

subtest 'the project count' => sub {
    my $user  = user();
    my $total = sub { return as($user, project_list => skip => 0, limit => 100)->[0]{total} };
    my @made  = map { as($user, project_create => name => "p$_")->[0]{id} } 1 .. 3;
    is $total->(), 3, 'grows with each project';

    $one->begin_work;
    $one->do(q{SELECT set_config('app.tenant_id', ?, true), set_config('app.user_id', ?, true)}, undef, $TENANT, $user->{id});
    $sql->run($one, project_delete => project_id => $made[0]);
    $two->do(q{SELECT set_config('app.tenant_id', ?, false), set_config('app.user_id', ?, false)}, undef, $TENANT, $user->{id});
    my $second = start $two, $sql->get('project_delete')->{text}, $made[0], undef;
    ok waits($two), 'two delete the same project at once';
    $one->commit;
    is $second->() + 0, 0, 'the second finds none';
    is $total->(), 2, 'and it is counted once';

    $one->begin_work;
    $one->do(q{SELECT set_config('app.tenant_id', ?, true), set_config('app.user_id', ?, true)}, undef, $TENANT, $user->{id});
    $sql->run($one, project_create => name => 'a');
    $second = start $two, $sql->get('project_create')->{text}, 'b', undef;
    ok waits($two), 'two create at once';
    $one->commit;
    ok $second->(), 'both succeed';
    is $total->(), 4, 'and both are counted';
    is_deeply as($user, project_get => project_id => $made[0]), [], 'a deleted project is gone';
    is_deeply as($user, project_delete => project_id => $made[0]), [], 'also for deleting';
    is_deeply as(user(), project_delete => project_id => $made[1]), [], 'nobody deletes another\'s';
    my ($real) = $super->selectrow_array('SELECT count(*) FROM projects WHERE owner_id = ? AND deleted_at IS NULL', undef, $user->{id});
    is $total->(), $real, 'the counter is the count';
    $two->do(q{SELECT set_config('app.tenant_id', '', false), set_config('app.user_id', '', false)});
};

subtest 'If-Match' => sub {
    my $user = user();
    my $made = as($user, project_create => name => 'x')->[0];
    my $us   = sub { return ($super->selectrow_array('SELECT (extract(epoch FROM updated_at) * 1000000)::bigint FROM projects WHERE id = ?', undef, $made->{id}))[0] };
    my $old  = $us->();
    my $try  = sub ($query, %value) { return state_of($one, sub { as($user, $query, project_id => $made->{id}, %value) }) };
    is $try->('project_update', name => 'y', if_match => "{1,$old}"), '',      'one of those listed';
    is $try->('project_update', name => 'z', if_match => "{$old}"),   'AS412', 'it has changed since';
    is $try->('project_delete', if_match => "{$old}"),                'AS412', 'nor is it deleted';
    is $try->('project_delete', if_match => '{}'),                    'AS412', 'an empty list matches nothing';
    is as($user, project_get => project_id => $made->{id})->[0]{name}, 'y', 'and nothing was done';
    is state_of($one, sub { as(user(), project_update => project_id => $made->{id}, name => 'q', if_match => '{1}') }), '',
        'who may not see the project learns nothing from it';
    is $try->('project_delete', if_match => '{' . $us->() . '}'), '', 'the present one';
    is $try->('project_delete', if_match => '{1}'), '', 'what is deleted is not found, rather than changed';

    my $me = as($user, 'user_me')->[0];
    is state_of($one, sub { as($user, user_update => full_name => 'X', if_match => '{1}') }), 'AS412', 'the profile has it too';
};

subtest 'fields that were not sent keep their value' => sub {
    my $user = user(full_name => 'Ann', avatar_url => 'https://example.com/a.png');
    my $made = as($user, project_create => name => 'x', description => 'about')->[0];
    my $now = as($user, project_update => project_id => $made->{id}, name => 'y')->[0];
    is "$now->{name} $now->{description}", 'y about', 'a name';
    $now = as($user, project_update => project_id => $made->{id}, description => undef)->[0];
    is $now->{name}, 'y', 'the other way round';
    is $now->{description}, undef, 'null clears it';
    $now = as($user, user_update => full_name => undef)->[0];
    is $now->{full_name}, undef, 'also in the profile';
    is $now->{avatar_url}, 'https://example.com/a.png', 'where the rest stays';
};

subtest 'search' => sub {
    my $user = user();
    as($user, project_create => name => $_) for '100% wool', '100 socks', 'snake_case', 'snakeXcase', 'back\\slash', "\x{c4}PFEL";
    my $found = sub ($text) {
        my $rows = as($user, project_list => skip => 0, limit => 10, search => $text);
        return join '|', $rows->[0]{total} // 0, sort map { $_->{name} // () } @$rows;
    };
    is $found->('100%'),  '1|100% wool',             '% is a character';
    is $found->('ke_c'),  '1|snake_case',            '_ too';
    is $found->('k\\s'),  '1|back\\slash',           'and \\';
    is $found->('SNAKE'), '2|snakeXcase|snake_case', 'any case';
    is $found->("\x{e4}pf"), "1|\x{c4}PFEL",         'beyond ASCII, too';
    is $found->('none'),  '0',                       'nothing';
    like $found->(''), qr/\A6\|/,                    'an empty text is no search';
};

subtest 'the list is in order, newest first, and pages fit together' => sub {
    my $user = user(project_count => 7);
    $super->do(q{INSERT INTO projects (tenant_id, owner_id, name, created_at)
        SELECT ?, ?, 'p' || i, now() - make_interval(secs => i / 2) FROM generate_series(1, 7) i}, undef, $TENANT, $user->{id});
    my $want = $super->selectcol_arrayref('SELECT name FROM projects WHERE owner_id = ? ORDER BY created_at DESC, id DESC', undef, $user->{id});
    is_deeply [ map { map { $_->{name} } @{ as($user, project_list => skip => $_, limit => 2) } } 0, 2, 4, 6 ], $want, 'projects, ties included';
};

subtest 'Idempotency-Key' => sub {
    my $user  = user();
    my @key   = (principal => 'p', route => 'r', key => 'k');
    my $hash  = '\\x' . 'ab' x 32;
    my $begin = sub ($db, %value) {
        return state_of $db, sub { $sql->in($db, $value{tenant} // $TENANT, $user->{id}, sub {
            $sql->run($db, idempotency_begin => @key, body_hash => $value{body_hash} // $hash);
        }) };
    };
    my $store = sub {
        $sql->in($one, $TENANT, $user->{id}, sub {
            $sql->run($one, idempotency_begin => @key, body_hash => $hash);
            $sql->run($one, idempotency_store => @key, body_hash => $hash, status => 201, headers => "ETag: \"x\"\n", body => '{}');
        });
    };
    is $begin->($one), '', 'a new key';
    is $begin->($one), '', 'that was not answered is still new';

    $sql->in($two, $TENANT, $user->{id}, sub {
        $sql->run($two, idempotency_begin => @key, body_hash => $hash);
        is $begin->($one), 'AS003', 'the same key while the first runs';
        is $begin->($one, tenant => $OTHER), '', 'is free in another tenant';
    });
    $store->();
    is $begin->($one), 'AS002', 'answered';
    is $begin->($one, body_hash => '\\x' . 'cd' x 32), 'AS004', 'another body';
    is $begin->($one, tenant => $OTHER), '', 'nothing of it in another tenant';
    is_deeply as($user, idempotency_get => @key), [ { status => 201, headers => "ETag: \"x\"\n", body => '{}' } ], 'the answer';
    $super->do(q{UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 second'});
    is_deeply as($user, idempotency_get => @key), [], 'after a day it is gone';
    is $begin->($one), '', 'and the key is free';
    $store->();
    is $begin->($one), 'AS002', 'and taken again';
};

subtest 'premium and days' => sub {
    my $me = sub (%with) { return as(user(%with), 'user_me')->[0] };
    ok $me->(subscription_plan => 'pro', subscription_status => $_)->{is_premium}, "pro, $_" for qw(active trialing);
    ok !$me->(subscription_plan => 'pro', subscription_status => $_)->{is_premium}, "not when $_" for qw(canceled past_due);
    ok !$me->(subscription_plan => 'free', subscription_status => 'active')->{is_premium}, 'nor on the free plan';
    is $me->()->{is_premium}, 0, 'false without a plan, not null';
    is $me->()->{days_since_joined}, 0, 'joined today';
    is $me->(created_at => $super->selectrow_array(q{SELECT now() - interval '47 hours'}))->{days_since_joined}, 1, 'whole days';
};

$_->disconnect for $one, $two, $super;
$cluster->drop($name);
done_testing;
